# SPDX-License-Identifier: GPL-3.0-or-later
"""From words to cues: a table of words and phrases for each language (``backend/words/<language>.json``)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import ConfigError
from .transcript import Word, plain_words
from .vocabulary import FOLDER, Cue, cue_name

GAP: Final = 1.0
"""Seconds between two gestures that mean something."""
_ENDS: Final = (".", "!", "?", "…", "。", "？", "！", "।", "؟")
_ASKS: Final = ("?", "？", "؟")


@dataclass(frozen=True)
class Candidate:
    """A cue that a word or phrase could bring, at ``time`` in seconds."""

    name: str
    time: float
    priority: int
    probability: float
    cooldown: float
    said: str


@dataclass(frozen=True)
class Table:
    """Phrases (words in their order) to what they bring; words that begin a question."""

    phrases: dict[tuple[str, ...], tuple[str, int, float, float]]
    asking: tuple[tuple[str, ...], ...]
    longest: int


@cache
def table(language: str = "en", own: Path | None = None) -> Table:
    """The table of a language, or the ``own`` one of a user. ConfigError where it is not one."""
    path = FOLDER / f"{language}.json" if own is None else own
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"The table of words {path} cannot be read: {error}.") from error
    phrases: dict[tuple[str, ...], tuple[str, int, float, float]] = {}
    for number, row in enumerate(data["entries"], 1):
        try:
            name = cue_name(row["cue"])
            value = name, int(row["priority"]), float(row["probability"]), float(row["cooldown"])
            phrases.update({tuple(phrase.split()): value for phrase in row["say"]})
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise ConfigError(f"{path.name}, entry {number}: {error}") from error
    asking = tuple(tuple(phrase.split()) for phrase in data.get("questions", ()))
    return Table(phrases, asking, max(map(len, phrases), default=1))


def candidates(words: Sequence[Word], chosen: Table) -> list[Candidate]:
    """Every cue that the words could bring; the longest phrase counts, one for each place."""
    plain, found = plain_words(words), []
    for start, end in _sentences(words):
        found += _question(words, plain, start, end, chosen)
        at = start
        while at < end:
            for length in range(min(chosen.longest, end - at), 0, -1):
                phrase = tuple(plain[at : at + length])
                if phrase in chosen.phrases:
                    # The main word of a phrase is mostly its last: "over THERE", "not at ALL".
                    word = words[at + length - 1]
                    time = word.start + 0.4 * (word.end - word.start)
                    found.append(Candidate(*_of(chosen.phrases[phrase], time), " ".join(phrase)))
                    at += length - 1
                    break
            at += 1
    return sorted(found, key=lambda item: item.time)


def _of(value: tuple[str, int, float, float], time: float) -> tuple[str, float, int, float, float]:
    name, priority, probability, cooldown = value
    return name, time, priority, probability, cooldown


def _sentences(words: Sequence[Word]) -> list[tuple[int, int]]:
    """(first, end) of each sentence: by punctuation, and by pauses of 0.7 s."""
    starts = [0]
    for k in range(1, len(words)):
        if words[k - 1].text.rstrip("\"'”’)").endswith(_ENDS) or words[k].start - words[k - 1].end > 0.7:
            starts.append(k)
    return list(zip(starts, [*starts[1:], len(words)], strict=True)) if words else []


def _question(words: Sequence[Word], plain: Sequence[str], start: int, end: int, chosen: Table) -> list[Candidate]:
    marked = words[end - 1].text.rstrip("\"'”’)").endswith(_ASKS)
    punctuated = words[end - 1].text.rstrip("\"'”’)").endswith(_ENDS)
    asked = any(tuple(plain[start : start + len(phrase)]) == phrase for phrase in chosen.asking)
    if not marked and (punctuated or not asked):
        return []
    place = words[min(start + 1, end - 1)]
    return [Candidate("question", place.start + 0.4 * (place.end - place.start), 4, 0.8, 3.0, "a question")]


def find_cues(words: Sequence[Word], amount: float = 0.5, seed: int = 0, language: str = "en") -> list[Cue]:
    """The cues of a speech: ``amount`` 0 none, 0.5 about as often as people do, 1 as many as fit; seeded.

    The stronger of two that are nearer than ``GAP`` is taken; a class pauses for its cool-down, which shrinks with
    the amount.
    """
    rng = np.random.default_rng(seed)
    drawn = []
    for item in candidates(words, table(language)):
        # 0.5 keeps the table's own probability; a draw for each candidate, so that amounts nest.
        likely = item.probability ** (1.0 / amount - 1.0) if amount > 0.0 else 0.0
        if rng.uniform() < likely:
            drawn.append(item)
    taken: list[Candidate] = []
    for item in sorted(drawn, key=lambda item: (-item.priority, item.time)):
        pause = item.cooldown * 2.0 * (1.0 - amount)
        clear = all(
            abs(item.time - other.time) >= max(GAP, pause if other.name == item.name else 0.0) for other in taken
        )
        if clear:
            taken.append(item)
    return sorted(((item.name, round(item.time, 3)) for item in taken), key=lambda cue: cue[1])
