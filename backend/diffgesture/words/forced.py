# SPDX-License-Identifier: GPL-3.0-or-later
"""English words found in the sound by PocketSphinx (optional; BSD licence, its wheel has model and dictionary).

Each sentence is aligned alone, around where ``alignment`` puts it: one that cannot be found costs no other.
"""

import importlib.util
import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ..errors import ConfigError
from ..speech.audio import Heard
from ..speech.features import SAMPLE_RATE
from .transcript import Word

LANGUAGE: Final = "en"
_MARGIN: Final = 0.4
_BEAMS: Final = dict.fromkeys(("beam", "wbeam", "pbeam", "lpbeam", "lponlybeam"), 1e-80)
_ENDS: Final = re.compile(r"[.!?…:;]['\"’”)]*$")
_MOST_WORDS: Final = 40
_CAPTION, _PHRASE_PAUSE = 10, 0.4


def is_installed() -> bool:
    """Whether PocketSphinx can be imported; it is not imported."""
    return importlib.util.find_spec("pocketsphinx") is not None


def refined(words: Sequence[Word], audio: np.ndarray | Heard) -> list[Word]:
    """The words with their times in ``audio`` (samples,) at 16 kHz; those that are not found keep theirs."""
    decoder = _decoder(bestpath=False, **_BEAMS)
    found: list[Word] = []
    for sentence in _sentences(words):
        found += _aligned(decoder, sentence, audio) or sentence
    return found


def drafted(audio: np.ndarray) -> list[Word]:
    """What is said, as PocketSphinx hears it: a draft, good on clean English alone."""
    decoder = _decoder()
    _listen(decoder, audio)
    return [
        Word(_plain(item.word), item.start_frame / 100, (item.end_frame + 1) / 100)
        for item in decoder.seg() or ()
        if _is_word(item.word)
    ]


def phrases(words: Sequence[Word]) -> list[list[Word]]:
    """The words in phrases: parted at pauses, and where one is long."""
    found: list[list[Word]] = []
    for word in words:
        begins = not found or len(found[-1]) >= _CAPTION or word.start - found[-1][-1].end > _PHRASE_PAUSE
        found.append([word]) if begins else found[-1].append(word)
    return found


def captions(words: Sequence[Word]) -> str:
    """The words as SRT, a caption for each phrase."""
    blocks = [
        f"{number}\n{_clock(phrase[0].start)} --> {_clock(phrase[-1].end)}\n{' '.join(w.text for w in phrase)}\n"
        for number, phrase in enumerate(phrases(words), 1)
    ]
    return "\n".join(blocks)


def _clock(seconds: float) -> str:
    millis = round(1000 * seconds)
    return f"{millis // 3600000:02d}:{millis // 60000 % 60:02d}:{millis // 1000 % 60:02d},{millis % 1000:03d}"


def _decoder(**options: Any) -> Any:
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise ConfigError(
            "A draft of the transcript needs PocketSphinx, which is not installed here.",
            "pip install pocketsphinx, or give a transcript.",
        ) from error
    return Decoder(loglevel="FATAL", **options)


def _listen(decoder: Any, audio: np.ndarray) -> None:
    decoder.start_utt()
    decoder.process_raw((np.clip(audio, -1.0, 1.0) * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()


def _sentences(words: Sequence[Word]) -> list[list[Word]]:
    sentences: list[list[Word]] = [[]]
    for word in words:
        sentences[-1].append(word)
        if _ENDS.search(word.text) or len(sentences[-1]) >= _MOST_WORDS:
            sentences.append([])
    return [sentence for sentence in sentences if sentence]


def _aligned(decoder: Any, sentence: Sequence[Word], audio: np.ndarray | Heard) -> list[Word] | None:
    start = max(0.0, sentence[0].start - _MARGIN)
    part = audio[round(start * SAMPLE_RATE) : round((sentence[-1].end + _MARGIN) * SAMPLE_RATE)]
    spoken = [(word, plain) for word in sentence if (plain := re.sub(r"[^a-z']", "", word.text.casefold()))]
    if not spoken or len(part) < SAMPLE_RATE // 10:
        return None
    try:
        decoder.set_align_text(" ".join(plain for _, plain in spoken))
        _listen(decoder, part)
    except (RuntimeError, ValueError):  # a word that its dictionary lacks
        return None
    segments = [item for item in decoder.seg() or () if _is_word(item.word)]
    if [_plain(item.word) for item in segments] != [plain for _, plain in spoken]:
        return None
    return [
        Word(word.text, start + item.start_frame / 100, start + (item.end_frame + 1) / 100)
        for (word, _), item in zip(spoken, segments, strict=True)
    ]


def _is_word(text: str) -> bool:
    return not text.startswith(("<", "[", "(", "+"))


def _plain(text: str) -> str:
    """A word without the number of its pronunciation."""
    return re.sub(r"\(\d+\)$", "", text)
