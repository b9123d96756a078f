# SPDX-License-Identifier: GPL-3.0-or-later
"""When each word is spoken where only its caption's time is known, or none: by syllables and pauses.

Words share the voiced time of their caption by their length. Which of the pauses heard lie between which words is
found by dynamic programming: a full stop wants a pause, a pause wants a boundary of words, and what lies between
two pauses should take as long as it was spoken.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ..speech.audio import Heard
from ..speech.features import SAMPLE_RATE
from .transcript import Transcript, Word

_FRAME: Final = SAMPLE_RATE // 100
_RATE: Final = 100
_SYLLABLE, _LETTER = 0.11, 0.025
"""Seconds, of which only the ratio counts."""
_SHORTEST_PAUSE: Final = 0.10
_SURE_PAUSE: Final = 0.25
_SPREAD: Final = 0.10
"""Variance, in seconds, of a second of speech against its syllables."""
_SLOWEST, _FASTEST, _SHORT = 1.0, 11.0, 3.0
"""Syllables a second of voice that people speak; seconds of speech that are too few to tell."""
_MOST_WORDS: Final = 12.0
"""Words a second of which no pause is looked for: nobody speaks so many, and it would take minutes."""
_MERGED: Final = 5
"""So many pauses in a row may lie within words."""
_BAND: Final = (6.0, 20.0)
"""Seconds by which the text may be ahead of the sound or behind it, for short and for long ones."""
_STOPS: Final = {"full": (0.0, 1.5), "half": (0.3, 0.4), "none": (2.0, 0.0)}
"""Cost of a pause after a word, and of none, by the word's punctuation."""


def aligned(transcript: Transcript, audio: np.ndarray | Heard) -> tuple[list[Word], list[str]]:
    """Every word with its time in ``audio`` (samples,) at 16 kHz, and what to say."""
    seconds = len(audio) / SAMPLE_RATE
    notes, words = list(transcript.notes), []
    beyond = sum(piece.start >= seconds for piece in transcript.pieces)
    if beyond:
        lines, are = ("1 line", "begins") if beyond == 1 else (f"{beyond} lines", "begin")
        notes.append(f"Left out: {lines} of the transcript that {are} after the speech ends ({seconds:.1f} s).")
    if transcript.pieces and beyond == len(transcript.pieces):
        notes.append("The transcript seems to be of another recording.")
    heard = _Heard.of(audio)
    for piece in transcript.pieces:
        if piece.start >= seconds:
            continue
        end = seconds if piece.end is None else min(piece.end, seconds)
        if piece.timed:
            words.append(Word(piece.text, piece.start, end))
        else:
            words += _spread(piece.text, piece.start, end, heard)
    notes += _unlikely(transcript, words, heard, seconds)
    return words, notes


def _unlikely(transcript: Transcript, words: Sequence[Word], heard: "_Heard", seconds: float) -> list[str]:
    """A sentence where text without times has far more or far fewer syllables than the speech."""
    if len(transcript.pieces) != 1 or transcript.pieces[0].end is not None or not words:
        return []
    spoken = max(float(heard.spoken[-1]), 0.3)
    rate = sum(max(syllables(word.text), 1) for word in words) / spoken
    if _SLOWEST <= rate <= _FASTEST or seconds < _SHORT:
        return []
    return [
        f"The text would be {rate:.1f} syllables a second of this speech; it seems to be of another recording."
    ]


@dataclass(frozen=True, eq=False)
class _Heard:
    """``spoken`` (T + 1,): seconds of voice before each hundredth; ``pauses`` (N, 2): their seconds."""

    spoken: np.ndarray
    pauses: np.ndarray

    @classmethod
    def of(cls, audio: np.ndarray | Heard) -> "_Heard":
        voiced = _voiced(audio)
        silent = np.flatnonzero(np.diff(np.concatenate([[0], (voiced < 0.5).astype(int), [0]])))
        pauses = silent.reshape(-1, 2) / _RATE
        return cls(
            np.concatenate([[0.0], np.cumsum(voiced)]) / _RATE,
            pauses[pauses[:, 1] - pauses[:, 0] >= _SHORTEST_PAUSE],
        )

    def spoken_until(self, seconds: np.ndarray) -> np.ndarray:
        """Seconds of voice before given times."""
        return np.interp(seconds, np.arange(len(self.spoken)) / _RATE, self.spoken)

    def when(self, spoken: np.ndarray) -> np.ndarray:
        """The times at which so many seconds of voice have been heard."""
        return np.interp(spoken, self.spoken, np.arange(len(self.spoken)) / _RATE)


def _voiced(audio: np.ndarray | Heard) -> np.ndarray:
    """1 for each 10 ms that is spoken, nearly 0 for each that is not."""
    count = len(audio) // _FRAME
    level = np.sqrt((audio[: count * _FRAME].astype(np.float64).reshape(count, _FRAME) ** 2).mean(axis=1) + 1e-12)
    level = 20.0 * np.log10(np.convolve(level, np.ones(5) / 5.0, mode="same") + 1e-9)
    if not count:
        return np.ones(1)
    quiet, loud = np.percentile(level, [5, 95])
    return np.where(level > max(quiet + 0.35 * (loud - quiet), loud - 30.0), 1.0, 1e-3)


def _spread(text: str, start: float, end: float, heard: _Heard) -> list[Word]:
    """The words of a text over ``start`` to ``end`` seconds."""
    spoken = text.split() if len(text.split()) > 1 or len(text) < 12 else list(text)
    lengths = np.array([_SYLLABLE * max(syllables(word), 1) + _LETTER * len(word) for word in spoken])
    inside = (heard.pauses[:, 0] > start) & (heard.pauses[:, 1] < end)
    pauses = heard.pauses[inside]
    low, high = heard.spoken_until(np.array([start, end]))
    if high - low < 1e-3 or len(spoken) == 0:
        edges = start + (end - start) * np.concatenate([[0.0], np.cumsum(lengths)]) / max(lengths.sum(), 1e-9)
        return [Word(word, float(a), float(b)) for word, a, b in zip(spoken, edges, edges[1:], strict=False)]
    lengths *= (high - low) / lengths.sum()
    anchors: list[tuple[int, float]] = [(0, 0.0), (len(spoken), float(high - low))]
    if len(spoken) <= 100 + _MOST_WORDS * (end - start):  # else it is no speech of this length: shared out
        anchors = _anchors(spoken, lengths, heard.spoken_until(pauses.mean(axis=1)) - low, pauses, high - low)
    words = []
    for (first, begin), (last, stop) in itertools.pairwise(anchors):
        if last == first:
            continue
        share = np.concatenate([[0.0], np.cumsum(lengths[first:last])]) / lengths[first:last].sum()
        # A little within the word, so that one after a pause begins where the pause ends.
        edges, margin = low + begin + share * (stop - begin), 0.06 * np.diff(share) * (stop - begin)
        begins, ends = heard.when(edges[:-1] + margin), heard.when(edges[1:] - margin)
        words += [
            Word(word, float(a), float(b)) for word, a, b in zip(spoken[first:last], begins, ends, strict=True)
        ]
    return words


def _anchors(
    words: Sequence[str], lengths: np.ndarray, at: np.ndarray, pauses: np.ndarray, total: float
) -> list[tuple[int, float]]:
    """(number of words, seconds of voice) of the beginning, the pauses between words, and the end."""
    count = len(words)
    said = np.concatenate([[0.0], np.cumsum(lengths)])
    kinds = [_STOPS[_stop(word)] for word in words]
    pause_cost = np.array([0.0, *(cost for cost, _ in kinds)])
    # What the boundaries up to each word cost if no pause is heard at them.
    unheard = np.concatenate([[0.0], np.cumsum([cost for _, cost in kinds])])
    certain = np.minimum((pauses[:, 1] - pauses[:, 0]) / _SURE_PAUSE, 2.0) if len(pauses) else np.zeros(0)
    skipped = np.concatenate([[0.0], np.cumsum(2.0 * certain)])
    places = np.concatenate([[0.0], at, [total]])
    band = [np.flatnonzero(np.abs(said - place) <= min(max(_BAND[0], 0.1 * total), _BAND[1])) for place in places]
    band[0], band[-1] = np.array([0]), np.array([count])
    best = [np.zeros(1)]
    came: list[list[tuple[int, int]]] = [[(0, 0)]]
    for j in range(1, len(places)):
        here = band[j]
        costs, ways = np.full(len(here), np.inf), [(0, 0)] * len(here)
        for i in range(max(0, j - 1 - _MERGED), j):
            there, spoken = band[i], places[j] - places[i]
            gap = said[here][:, None] - said[there][None] - spoken
            cost = best[i][None] + gap**2 / (_SPREAD * max(spoken, 0.1)) + skipped[j - 1] - skipped[i]
            # Boundaries strictly between the two pauses have none; that at the second one has.
            cost = cost + np.maximum(unheard[np.maximum(here - 1, 0)][:, None] - unheard[there][None], 0.0)
            cost[here[:, None] <= there[None]] = np.inf
            least = cost.argmin(axis=1)
            value = cost[np.arange(len(here)), least]
            better = value < costs
            costs[better] = value[better]
            for k in np.flatnonzero(better):
                ways[k] = (i, int(least[k]))
        if j < len(places) - 1:
            costs = costs + pause_cost[here]
        best.append(costs)
        came.append(ways)
    if not np.isfinite(best[-1]).all():
        return [(0, 0.0), (count, total)]
    way, j, k = [(count, total)], len(places) - 1, 0
    while j > 0:
        j, k = came[j][k]
        way.append((int(band[j][k]), float(places[j])))
    return way[::-1]


def _stop(word: str) -> str:
    last = word.rstrip("\"'”’)»」』")[-1:]
    return "full" if last in ".!?…。？！।؟:" else "half" if last in ",;،、，–—" else "none"


def syllables(word: str) -> int:
    """About how many syllables a word has in a language that writes its vowels; characters of others count one."""
    plain = re.sub(r"[^\w]", "", word.casefold())
    groups = len(re.findall(r"[aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýœ]+", plain))
    if groups > 1 and re.search(r"[^aeiouyl]e$", plain) and plain.isascii():
        groups -= 1
    digits, others = len(re.findall(r"\d", plain)), len(re.findall(r"[^\x00-\u024f]", plain))
    return groups + 2 * digits + others
