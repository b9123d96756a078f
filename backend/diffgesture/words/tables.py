# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of words (``backend/words/<language>.json``): which words and sentence openings bring which cue."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from ..errors import ConfigError
from ..reading import Real, Whole, read_json
from .transcript import Word
from .vocabulary import FOLDER, cue_name

_MAX_BYTES: Final = 16 << 20
AUTO: Final = "auto"
LANGUAGES: Final = ("en", "de", "fr", "es", "it", "pt", "ja", "zh", "hi", "ar")
OPENINGS: Final = ("questions", "personal", "requests", "commands")
_UNSPACED: Final = re.compile(r"[\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f]")
"""Kana and Han, which are written without spaces between words: each character counts as one."""
_SCRIPTS: Final = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
)
_ARABIC_MARKS: Final = re.compile(r"[\u064b-\u0652\u0670\u0640]")
_ALEF: Final = re.compile(r"[\u0622\u0623\u0625]")

Phrase = tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """What a phrase brings: class, priority (the higher wins), probability at *Words* 0.5, cool-down in s."""

    cue: str
    priority: int
    probability: float
    cooldown: float


@dataclass(frozen=True)
class Table:
    """Phrases to what they bring; how questions, requests and commands begin; words passed over before that."""

    phrases: dict[Phrase, Row]
    openings: dict[Phrase, str]
    endings: tuple[Phrase, ...] = ()
    fillers: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()

    @property
    def longest(self) -> int:
        """Words of the longest phrase."""
        return max(map(len, (*self.phrases, *self.openings)), default=1)

    def with_own(self, own: "Table") -> "Table":
        """The same with a person's own table, which goes before it."""
        return Table(
            {**self.phrases, **own.phrases},
            {**self.openings, **own.openings},
            (*self.endings, *own.endings),
            self.fillers | own.fillers,
            self.marks,
        )


@cache
def table(language: str = "en") -> Table:
    """The bundled table of a language."""
    return read_table(FOLDER / f"{language}.json")


def read_table(path: Path) -> Table:
    """A table of words from its JSON file; ConfigError, with the entry's number, where it is not one."""
    data = read_json(path, "table of words", ConfigError, _MAX_BYTES)
    if not isinstance(data, dict) or not isinstance(data.get("entries", []), list):
        raise ConfigError(f'{path.name} must hold a list "entries"; docs/WORDS.md shows one.')
    phrases: dict[Phrase, Row] = {}
    for number, entry in enumerate(data.get("entries", []), 1):
        try:
            row = Row(
                cue_name(entry["cue"]),
                Whole(-1000, 1000)(entry.get("priority", 4), "priority"),
                Real(0, 1)(entry.get("probability", 0.6), "probability"),
                Real(0, 1e6)(entry.get("cooldown", 4.0), "cooldown"),
            )
            phrases |= {phrase: row for text in _list(entry["say"]) if (phrase := phrase_of(text))}
        except (AttributeError, KeyError, TypeError, ValueError, ConfigError) as error:
            why = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else error
            raise ConfigError(f"{path.name}, entry {number}: {why}") from error
    try:
        openings = {phrase_of(text): kind for kind in OPENINGS for text in _list(data.get(kind, []))}
        endings = tuple(phrase_of(text) for text in _list(data.get("question_ends", [])))
        fillers, marks = frozenset(_list(data.get("fillers", []))), frozenset(_list(data.get("marks", [])))
    except TypeError as error:
        raise ConfigError(f"{path.name}: {error}") from error
    return Table(phrases, openings, endings, fillers, marks)


def _list(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"a list of words and phrases is expected, not {value!r}.")
    return value


def phrase_of(text: str) -> Phrase:
    """The plain words of a phrase as it stands in a table."""
    return tuple(plain for word in text.split() for plain in plain_parts(word))


def split_words(words: Sequence[Word]) -> list[tuple[str, Word]]:
    """(plain word, its word with its time): ``tone-deaf`` counts as two, each Kana or Han character as one."""
    parts: list[tuple[str, Word]] = []
    for word in words:
        plain = plain_parts(word.text)
        if not plain and parts:  # French sets its marks apart: "comment ?"
            part, before = parts[-1]
            parts[-1] = part, replace(before, text=before.text + word.text)
        step = (word.end - word.start) / max(len(plain), 1)
        for number, part in enumerate(plain):
            start, last = word.start + number * step, number + 1 == len(plain)
            # Punctuation ends sentences, so it stays with the last part.
            parts.append((part, Word(word.text if last else part, start, start + step)))
    return parts


def said(parts: Sequence[str]) -> str:
    """Plain words as they are read."""
    return ("" if all(map(_UNSPACED.search, parts)) else " ").join(parts)


def plain_parts(text: str) -> list[str]:
    """Small letters without punctuation: what is compared with the table."""
    text = unicodedata.normalize("NFC", text).casefold().replace("\u2019", "'").replace("\u02bc", "'")
    text = _ALEF.sub("\u0627", _ARABIC_MARKS.sub("", text))
    parts = []
    for piece in re.split(r"[\s\-\u2010-\u2015/\u2026]+", text):
        inside = [k for k, char in enumerate(piece) if unicodedata.category(char)[0] not in "PSZC"]
        if _UNSPACED.search(piece):
            parts += [piece[k] for k in inside]
        elif inside:
            parts.append(piece[inside[0] : inside[-1] + 1])
    return parts


def recognised(texts: Iterable[str]) -> str:
    """The language of a transcript by its script, else by its words; English if neither tells."""
    text = " ".join(texts)
    letters = sum(map(str.isalpha, text)) or 1
    for language, script in _SCRIPTS:
        # Japanese shows in a few Kana; a name in another script does not change a language.
        if len(script.findall(text)) > (0.1 if language == "ja" else 0.3) * letters:
            return language
    parts = [part for word in text.split() for part in plain_parts(word)]
    scores = dict.fromkeys(_latin_words(), 0.0)
    for part in parts:
        having = [name for name, words in _latin_words().items() if part in words]
        for name in having:
            scores[name] += 1.0 / len(having) ** 2
    return max(scores, key=lambda name: (scores[name], name == "en"))


@cache
def _latin_words() -> dict[str, frozenset[str]]:
    """The small words and the tables' words of each language that is written in Latin letters."""
    latin = [name for name in LANGUAGES if name not in dict(_SCRIPTS)]
    return {
        name: table(name).marks
        | {word for phrase in (*table(name).phrases, *table(name).openings) for word in phrase}
        for name in latin
    }


def chosen_table(language: str, own: Path | None, words: Sequence[Word]) -> tuple[Table, str]:
    """The table for a transcript, and its language; ``own``: a person's table, which goes before it."""
    name = recognised(word.text for word in words) if language == AUTO else language
    found = table(name)
    return (found if own is None else found.with_own(read_table(own))), name
