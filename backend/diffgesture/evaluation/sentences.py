# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a table of words proposes what labelled sentences mean, and how often something else."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import DataError
from ..words.alignment import syllables
from ..words.finder import find_cues
from ..words.tables import Table
from ..words.transcript import Word

MEANT: Final[Mapping[str, tuple[str, ...]]] = {
    "question": ("question",),
    "deictic_you": ("you",),
    "deictic_me": ("me",),
    "please": ("plea",),
    "shake_head": ("negation", "shake"),
    "dont_like": ("negation", "shake"),
    "deictic_that": ("there", "point", "here"),
    "deictic_this": ("here",),
    "deictic_here": ("here",),
    "deictic_there": ("there",),
    "away": ("there",),
    "lets_go": ("we",),
    "nod": ("nod",),
    "contrast": ("contrast",),
    "big": ("big",),
    "many": ("big", "all"),
    "small": ("frame",),
    "ok": ("ok",),
    "hello": ("greeting",),
    "goodbye": ("greeting",),
    "sorry": ("plea",),
    "nice": ("thumb_up", "ok", "intensifier"),
    "good": ("thumb_up", "ok"),
    "happy": ("thumb_up", "intensifier"),
    "open_two_arms": ("all", "empty", "uncertainty"),
    "bad": ("shake", "negation"),
    "confuse": ("uncertainty", "question"),
    "quit": ("stop", "negation"),
    "come": ("offer", "here", "me"),
    "go": ("there",),
}
"""Concepts of the labels and the cues that show them; other concepts have no cue, so all is false beside them."""
_SYLLABLE: Final = 0.2


@dataclass
class SentenceScore:
    """Counts by concept, and false proposals of all sentences."""

    asked: dict[str, int]
    found: dict[str, int]
    false: int
    sentences: int


def read_sentences(path: Path) -> list[tuple[str, list[str]]]:
    """Sentences with their concepts of a CSV file with the columns ``sentence`` and ``concepts`` (by spaces)."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = list(csv.DictReader(file))
        return [(row["sentence"], row["concepts"].split()) for row in rows]
    except (OSError, KeyError, AttributeError) as error:
        raise DataError(f"{path} is no table of sentences with the columns sentence and concepts.") from error


def evaluate_sentences(sentences: list[tuple[str, list[str]]], table: Table) -> SentenceScore:
    """Each sentence alone, spoken at five syllables a second, with *Words* 1."""
    score = SentenceScore({}, {}, 0, len(sentences))
    for text, concepts in sentences:
        proposed = {item.name for item in find_cues(_spoken(text), table, 1.0)}
        meant = {name for concept in concepts for name in MEANT.get(concept, ())}
        score.false += len(proposed - meant)
        for concept in concepts:
            if concept in MEANT:
                score.asked[concept] = score.asked.get(concept, 0) + 1
                score.found[concept] = score.found.get(concept, 0) + bool(proposed & set(MEANT[concept]))
    return score


def _spoken(text: str) -> list[Word]:
    words, time = [], 0.0
    for word in text.split():
        length = _SYLLABLE * max(syllables(word), 1)
        words.append(Word(word, time, time + length))
        time += length
    return words


def sentence_table(score: SentenceScore) -> str:
    """The counts as Markdown."""
    rows = sorted(score.asked.items(), key=lambda item: -item[1])
    lines = ["| concept | sentences | proposed |", "|---|---|---|"]
    lines += [f"| {name} | {count} | {score.found[name] / count:.0%} |" for name, count in rows]
    lines.append(f"| false proposals a sentence | {score.sentences} | {score.false / score.sentences:.2f} |")
    return "\n".join(lines) + "\n"
