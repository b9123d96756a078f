# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone names of many hands in one form: the side taken out, the spelling levelled.

``LeftForeArm``, ``forearm.L``, ``l_forearm``, ``Forearm -l`` and ``ForeArm Left`` all become the core ``forearm``
and the side ``L``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

# What left and right are called; in this order where a name could be read in two ways.
SIDE_WORDS: Final = (
    ("left", "right"),
    ("l", "r"),
    ("左", "右"),
    ("lf", "rt"),
    ("lt", "rt"),
    ("lft", "rgt"),
    ("lft", "rt"),
    ("lf", "rg"),
)
_LETTERS: Final = r"[^\W\d_左右a-zA-Z]"
# Words of a name: camel case, numbers, 左 and 右 stand alone.
_WORDS: Final = re.compile(rf"左|右|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|{_LETTERS}+")
_TRAILING_NUMBER: Final = re.compile(r"[._]\d+$")


_PADDING: Final = re.compile(r"[\W_]+0+(?=[0-9])")
_SEPARATORS: Final = re.compile(r"[\W_]+")


@lru_cache(maxsize=1 << 15)
def _normal(name: str) -> str:
    return unicodedata.normalize("NFKC", name)


@lru_cache(maxsize=1 << 15)
def canonical_name(name: str) -> str:
    """Letters and digits only, lower case; zeros that pad a number after a separator go (``_01`` -> ``1``)."""
    return _SEPARATORS.sub("", _PADDING.sub(" ", _normal(name).lower()))


@lru_cache(maxsize=1 << 15)
def name_words(name: str) -> tuple[str, ...]:
    """Words of a name in lower case, numbers apart: ``LeftHandIndex1`` -> left, hand, index, 1."""
    return tuple(word.lower() for word in _WORDS.findall(_normal(name)))


@dataclass(frozen=True)
class NameIndex:
    """Bone names of one armature by canonical core and side (``L``, ``R`` or empty)."""

    by_key: Mapping[tuple[str, str], str]

    @cached_property
    def _by_side(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for core, side in self.by_key:
            found.setdefault(side, []).append(core)
        return found

    def find(self, core: str, side: str) -> str | None:
        """The bone of that core and side."""
        return self.by_key.get((core, side))

    def cores(self, side: str) -> list[str]:
        """All cores of a side."""
        return self._by_side.get(side, [])


def index_names(names: Iterable[str]) -> NameIndex:
    """Every name by its core and side. The first of two bones with the same key counts."""
    names = list(names)
    by_key: dict[tuple[str, str], str] = {}
    for name, key in zip(names, split_sides(names), strict=True):
        by_key.setdefault(key, name)
    return NameIndex(by_key)


def split_sides(names: Iterable[str]) -> list[tuple[str, str]]:
    """Core and side of all names of an armature, each read once."""
    names = list(names)
    plain = _without_numbers(names)
    present = frozenset(_normal(name) for name in plain.values())
    return [_split_side(_normal(plain[name]), present) for name in names]


def _without_numbers(names: list[str]) -> dict[str, str]:
    """Name -> name without the running number that some exporters hang on every bone (``Hips_01 ... Head_65``)."""
    numbers = [match.group()[1:] for name in names if (match := _TRAILING_NUMBER.search(name))]
    running = len(names) > 10 and len(numbers) > 0.8 * len(names) and len(set(numbers)) > 0.9 * len(numbers)
    if not running:
        return {name: name for name in names}
    plain = {name: _TRAILING_NUMBER.sub("", name) for name in names}
    return plain if all(plain.values()) and len(set(plain.values())) > 0.9 * len(names) else {n: n for n in names}


def split_side(name: str, names: Iterable[str] = ()) -> tuple[str, str]:
    """Core and side of a name. ``names``: all names; one whose twin of the other side is among them is surer."""
    return _split_side(_normal(name), frozenset(_normal(other) for other in names))


def _split_side(text: str, present: frozenset[str]) -> tuple[str, str]:
    readings = _readings(text)
    for core, side, twin, _ in readings:
        if twin in present:
            return canonical_name(core), side
    for core, side, _, sure in readings:
        if sure and canonical_name(core):
            return canonical_name(core), side
    return canonical_name(text), ""


@lru_cache(maxsize=1 << 15)
def _readings(text: str) -> tuple[tuple[str, str, str, bool], ...]:
    """Ways to read a side out of a name: core, side, name of the other side's twin, whether it needs no twin."""
    return tuple(_read(text))


def _read(text: str) -> Iterator[tuple[str, str, str, bool]]:
    words = list(_WORDS.finditer(text))
    for left, right in SIDE_WORDS:
        for side, word, other in (("L", left, right), ("R", right, left)):
            for match in words:
                if match.group().lower() != word:
                    continue
                start, end = match.span()
                # "L5" and "T12" are vertebrae, not sides.
                if len(word) == 1 and word.isascii() and text[end : end + 1].isdigit():
                    continue
                core = f"{text[:start]}_{text[end:]}" if not word.isascii() else f"{text[:start]} {text[end:]}"
                yield core, side, text[:start] + _cased_like(match.group(), other) + text[end:], len(word) != 2
    for left, right in SIDE_WORDS[:2]:
        for side, word, other in (("L", left, right), ("R", right, left)):
            lower = text.lower()
            if lower.startswith(word) and len(text) > len(word):
                rest = text[len(word) :]
                yield rest, side, _cased_like(text[: len(word)], other) + rest, len(word) > 1
            if lower.endswith(word) and len(text) > len(word):
                rest = text[: -len(word)]
                yield rest, side, rest + _cased_like(text[-len(word) :], other), False
    # "rig:leftarm", "bip_lupperarm": the side grown together with a word behind a prefix.
    for match in words:
        word, start, end = match.group().lower(), match.start(), match.end()
        for left, right in SIDE_WORDS[:2]:
            for side, mark, other in (("L", left, right), ("R", right, left)):
                if start and word.startswith(mark) and len(word) > len(mark) + 1:
                    rest = text[start + len(mark) :]
                    twin = text[:start] + _cased_like(text[start : start + len(mark)], other) + rest
                    yield f"{text[:start]}_{rest}", side, twin, len(mark) > 1
                if end < len(text) and word.endswith(mark) and len(word) > len(mark) + 1:
                    before = text[: end - len(mark)]
                    twin = before + _cased_like(text[end - len(mark) : end], other) + text[end:]
                    yield f"{before}_{text[end:]}", side, twin, False


def _cased_like(model: str, word: str) -> str:
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[:1].isupper() else word
