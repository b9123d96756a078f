# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone names of many hands in one form: the side taken out, the spelling levelled.

``LeftForeArm``, ``forearm.L``, ``l_forearm``, ``Forearm -l`` and ``ForeArm Left`` all become the core ``forearm``
and the side ``L``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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


def canonical_name(name: str) -> str:
    """Letters and digits only, lower case; zeros that pad a number after a separator go (``_01`` -> ``1``)."""
    text = unicodedata.normalize("NFKC", name).lower()
    text = re.sub(r"[\W_]+0+(?=[0-9])", " ", text)
    return re.sub(r"[\W_]+", "", text)


@dataclass(frozen=True)
class NameIndex:
    """Bone names of one armature by canonical core and side (``L``, ``R`` or empty)."""

    by_key: Mapping[tuple[str, str], str]

    def find(self, core: str, side: str) -> str | None:
        """The bone of that core and side."""
        return self.by_key.get((core, side))

    def cores(self, side: str) -> list[str]:
        """All cores of a side."""
        return [core for core, its_side in self.by_key if its_side == side]


def index_names(names: Iterable[str]) -> NameIndex:
    """Every name by its core and side. The first of two bones with the same key counts."""
    names = list(names)
    plain = _without_numbers(names)
    present = set(plain.values())
    by_key: dict[tuple[str, str], str] = {}
    for name in names:
        by_key.setdefault(split_side(plain[name], present), name)
    return NameIndex(by_key)


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
    text = unicodedata.normalize("NFKC", name)
    present = {unicodedata.normalize("NFKC", other) for other in names}
    readings = list(_readings(text))
    for core, side, twin, _ in readings:
        if twin in present:
            return canonical_name(core), side
    for core, side, _, sure in readings:
        if sure and canonical_name(core):
            return canonical_name(core), side
    return canonical_name(text), ""


def _readings(text: str) -> Iterable[tuple[str, str, str, bool]]:
    """Ways to read a side out of a name: core, side, name of the other side's twin, whether it needs no twin."""
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


def _cased_like(model: str, word: str) -> str:
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[:1].isupper() else word
