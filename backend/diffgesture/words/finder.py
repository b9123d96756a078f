# SPDX-License-Identifier: GPL-3.0-or-later
"""From words to cues: what a speech could show by its words and sentences, and which of that is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from .tables import Row, Table, said, split_words
from .transcript import Word
from .vocabulary import Cue

GAP: Final = 1.0
"""Seconds between two gestures that mean something."""
_ENDS: Final = (".", "!", "?", "…", "。", "？", "！", "।", "؟")
_ASKS: Final = ("?", "？", "؟")
_PAUSE: Final = 0.7
_OF_OPENING: Final = {
    "questions": Row("question", 4, 0.8, 3.0),
    "personal": Row("you", 3, 0.5, 3.0),
    "requests": Row("plea", 4, 0.7, 4.0),
    "commands": Row("you", 4, 0.5, 3.0),
}


@dataclass(frozen=True)
class Candidate:
    """A cue that a word or phrase could bring; ``start`` to ``end``: its main word, in seconds."""

    name: str
    start: float
    end: float
    priority: int
    probability: float
    cooldown: float
    said: str

    @property
    def time(self) -> float:
        """Where the hand arrives if no accent says better."""
        return self.start + 0.4 * (self.end - self.start)


def _candidate(row: Row, word: Word, said: str) -> Candidate:
    return Candidate(row.cue, word.start, word.end, row.priority, row.probability, row.cooldown, said)


def candidates(words: Sequence[Word], chosen: Table) -> list[Candidate]:
    """Every cue that the words could bring; the longest phrase counts, one for each place."""
    parts = split_words(words)
    plain, timed = [part for part, _ in parts], [word for _, word in parts]
    found = []
    for start, end in _sentences(timed):
        sentence = _of_sentence(plain, timed, start, end, chosen)
        at = start
        while at < end:
            length = _longest(plain, at, end, chosen.phrases, chosen.longest)
            if length:
                # The main word of a phrase is mostly its last: "over THERE", "not at ALL".
                phrase = tuple(plain[at : at + length])
                found.append(_candidate(chosen.phrases[phrase], timed[at + length - 1], said(phrase)))
            at += max(length, 1)
        found += sentence
    return sorted(found, key=lambda item: item.time)


def _longest(plain: Sequence[str], at: int, end: int, phrases: Mapping[tuple[str, ...], object], most: int) -> int:
    for length in range(min(most, end - at), 0, -1):
        if tuple(plain[at : at + length]) in phrases:
            return length
    return 0


def _sentences(words: Sequence[Word]) -> list[tuple[int, int]]:
    """(first, end) of each sentence: by punctuation, and by pauses of 0.7 s."""
    starts = [0]
    for k in range(1, len(words)):
        if _closed(words[k - 1], _ENDS) or words[k].start - words[k - 1].end > _PAUSE:
            starts.append(k)
    return list(zip(starts, [*starts[1:], len(words)], strict=True)) if words else []


def _closed(word: Word, marks: tuple[str, ...]) -> bool:
    return word.text.rstrip("\"'”’)»」』").endswith(marks)


def _of_sentence(
    plain: Sequence[str], timed: Sequence[Word], start: int, end: int, chosen: Table
) -> list[Candidate]:
    """What the form of a sentence brings: a question, a request, a command."""
    at = start
    while at < end - 1 and plain[at] in chosen.fillers:
        at += 1
    length = _longest(plain, at, end, chosen.openings, chosen.longest)
    kind = chosen.openings.get(tuple(plain[at : at + length]), "")
    ended = any(tuple(plain[end - len(tail) : end]) == tail for tail in chosen.endings if end - start > len(tail))
    marked, punctuated = _closed(timed[end - 1], _ASKS) or ended, _closed(timed[end - 1], _ENDS)
    found = []
    if kind in ("personal", "requests"):
        # The hand turns to the listener before the words do (ter Bekke, Drijvers and Holler 2024).
        found.append(_candidate(_OF_OPENING[kind], timed[at], said(plain[at : at + length])))
    if kind == "commands" and not marked and not _longest(plain, at, end, chosen.phrases, chosen.longest) > 1:
        found.append(_candidate(_OF_OPENING[kind], timed[at], plain[at]))
    if marked or (kind in ("questions", "personal", "requests") and not punctuated):
        # What is asked of the listener asks with its last word; other questions as soon as they are one.
        place = timed[end - 1] if kind in ("personal", "requests") else timed[min(at + 1, end - 1)]
        found.append(_candidate(_OF_OPENING["questions"], place, "?"))
    return found


def find_cues(words: Sequence[Word], chosen: Table, amount: float = 0.5, seed: int = 0) -> list[Candidate]:
    """What is taken of a speech: ``amount`` 0 none, 0.5 about as often as people do, 1 as many as fit; seeded.

    The stronger of two that are nearer than ``GAP`` is taken; a class pauses for its cool-down, which shrinks with
    the amount.
    """
    rng = np.random.default_rng(seed)
    drawn = []
    for item in candidates(words, chosen):
        # 0.5 keeps the table's own probability; a draw for each candidate, so that amounts nest.
        likely = item.probability ** (1.0 / amount - 1.0) if amount > 0.0 else 0.0
        if rng.uniform() < likely:
            drawn.append(item)
    taken: list[Candidate] = []
    for item in sorted(drawn, key=lambda item: (-item.priority, item.time)):
        pause = item.cooldown * max(2.0 * (1.0 - amount), 0.5)
        clear = all(
            abs(item.time - other.time) >= max(GAP, pause if other.name == item.name else 0.0) for other in taken
        )
        if clear:
            taken.append(item)
    return sorted(taken, key=lambda item: item.time)


def as_cues(found: Sequence[Candidate]) -> list[Cue]:
    """(class, seconds) of candidates."""
    return [(item.name, round(item.time, 3)) for item in found]
