# SPDX-License-Identifier: GPL-3.0-or-later
"""What the words and the sound of a speech say about its cues: which there are, and where they arrive."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from ..speech.audio import Heard
from ..speech.syllables import nearest_accent, nuclei
from ..words import forced
from ..words.alignment import aligned
from ..words.finder import GAP, Candidate, find_cues
from ..words.tables import Table, chosen_table
from ..words.transcript import Word, read_transcript
from ..words.vocabulary import Cue
from .synthesis import Settings

REACH: Final = 0.1
"""Seconds that an asked cue may move to the accent beside it."""


@dataclass(frozen=True)
class Spoken:
    """The words of a speech in its own seconds, their table, and what to say about them."""

    audio: np.ndarray | Heard
    words: Sequence[Word] = ()
    table: Table | None = None
    language: str = ""
    notes: Sequence[str] = field(default_factory=tuple)


def listen(
    audio: np.ndarray | Heard,
    settings: Settings,
    transcript: Path | None,
    word_table: Path | None,
    begin: float = 0.0,
) -> Spoken:
    """The words of ``transcript``, whose second ``begin`` is the first of ``audio`` (samples,) at 16 kHz."""
    if transcript is None:
        return Spoken(audio)
    read = read_transcript(transcript)
    words, notes = aligned(read.shifted(-begin), audio)
    table, language = chosen_table(settings.language, word_table, words)
    if language == forced.LANGUAGE and forced.is_installed() and not all(piece.timed for piece in read.pieces):
        words = forced.refined(words, audio)
    return Spoken(audio, words, table, language, tuple(notes))


def words_cues(spoken: Spoken, settings: Settings) -> list[tuple[Candidate, float]]:
    """What the words bring, and when it arrives: with the accent of its word, unless timing is to be exact."""
    if spoken.table is None:
        return []
    found = find_cues(spoken.words, spoken.table, settings.words, settings.seed)
    if settings.cue_timing == "exact" or not found:
        return [(item, item.time) for item in found]
    accents = nuclei(spoken.audio)
    return [(item, nearest_accent(accents, item.time, item.start, item.end)) for item in found]


def directed(settings: Settings, spoken: Spoken) -> Settings:
    """Settings with all cues where they arrive: those asked for, and the words' that are a second from these."""
    cues: list[Cue] = list(settings.cues)
    if cues and settings.cue_timing != "exact":
        accents = nuclei(spoken.audio)
        cues = [(name, nearest_accent(accents, time, time - REACH, time + REACH)) for name, time in cues]
    for item, time in words_cues(spoken, settings):
        if all(abs(time - other) >= GAP for _, other in settings.cues):
            cues.append((item.name, round(time, 3)))
    return settings.with_cues(cues) if cues else settings
