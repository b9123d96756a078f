# SPDX-License-Identifier: GPL-3.0-or-later
"""When each word is spoken where only its caption's time is known, or none: by syllables and pauses."""

import re
from typing import Final

import numpy as np

from ..speech.features import SAMPLE_RATE
from .transcript import Transcript, Word

_FRAME: Final = SAMPLE_RATE // 100


def aligned(transcript: Transcript, audio: np.ndarray) -> tuple[list[Word], list[str]]:
    """Every word with its time in ``audio`` (samples,) at 16 kHz, and what to say.

    Words without times share the voiced time of their caption by their syllables: pauses hold no words.
    """
    seconds = len(audio) / SAMPLE_RATE
    notes, words = list(transcript.notes), []
    beyond = sum(piece.start >= seconds for piece in transcript.pieces)
    if beyond:
        notes.append(
            f"{beyond} lines of the transcript begin after the speech ends ({seconds:.1f} s) and are left out."
        )
    if transcript.pieces and beyond == len(transcript.pieces):
        notes.append("The transcript seems to be of another recording.")
    voiced = np.concatenate([[0.0], np.cumsum(_voiced(audio))])
    for piece in transcript.pieces:
        if piece.start >= seconds:
            continue
        end = seconds if piece.end is None else min(piece.end, seconds)
        if piece.timed:
            words.append(Word(piece.text, piece.start, end))
        else:
            words += _spread(piece.text, piece.start, end, voiced)
    return words, notes


def _voiced(audio: np.ndarray) -> np.ndarray:
    """1 for each 10 ms that is spoken, nearly 0 for each that is not."""
    count = len(audio) // _FRAME
    level = np.sqrt((audio[: count * _FRAME].astype(np.float64).reshape(count, _FRAME) ** 2).mean(axis=1) + 1e-12)
    level = 20.0 * np.log10(np.convolve(level, np.ones(5) / 5.0, mode="same") + 1e-9)
    if not count:
        return np.ones(1)
    quiet, loud = np.percentile(level, [5, 95])
    return np.where(level > max(quiet + 0.35 * (loud - quiet), loud - 30.0), 1.0, 1e-3)


def _spread(text: str, start: float, end: float, voiced: np.ndarray) -> list[Word]:
    spoken = text.split() if len(text.split()) > 1 or len(text) < 12 else list(text)
    counts = np.array([max(syllables(word), 1) for word in spoken], dtype=np.float64)
    ends = np.cumsum(counts) / counts.sum()
    starts, margin = ends - counts / counts.sum(), 0.06 * counts / counts.sum()
    frames = np.arange(len(voiced))
    low, high = np.interp(np.array([start, end]) * SAMPLE_RATE / _FRAME, frames, voiced)
    # A little within the word, so that one after a pause begins where the pause ends.
    times = [
        np.interp(low + share * (high - low), voiced, frames) * _FRAME / SAMPLE_RATE
        for share in (starts + margin, ends - margin)
    ]
    return [Word(word, float(first), float(last)) for word, first, last in zip(spoken, *times, strict=True)]


def syllables(word: str) -> int:
    """About how many syllables a word has in a language that writes its vowels; characters of others count one."""
    plain = re.sub(r"[^\w]", "", word.casefold())
    groups = len(re.findall(r"[aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýœ]+", plain))
    if groups > 1 and re.search(r"[^aeiouyl]e$", plain) and plain.isascii():
        groups -= 1
    digits, others = len(re.findall(r"\d", plain)), len(re.findall(r"[^\x00-\u024f]", plain))
    return groups + 2 * digits + others
