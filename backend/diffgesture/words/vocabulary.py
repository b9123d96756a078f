# SPDX-License-Identifier: GPL-3.0-or-later
"""The vocabulary of cues (``backend/words/cues.json``) and how cues are written on a command line or in a file."""

import csv
import difflib
import io
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from ..errors import ConfigError
from ..reading import parse_json, read_text, understood

_MAX_BYTES: Final = 16 << 20
FOLDER: Final = Path(__file__).resolve().parents[2] / "words"
Cue = tuple[str, float]
"""A class of the vocabulary and the seconds at which it arrives."""


@dataclass(frozen=True)
class CueClass:
    """One gesture that can be asked for. ``mechanism``: who makes it where both could: network, stroke or both."""

    name: str
    sentence: str
    icon: str
    mechanism: str


@cache
def vocabulary() -> dict[str, CueClass]:
    """Every class by name."""
    rows = json.loads((FOLDER / "cues.json").read_text(encoding="utf-8"))
    return {name: CueClass(name, row["sentence"], row["icon"], row["mechanism"]) for name, row in rows.items()}


@cache
def _aliases() -> dict[str, str]:
    rows = json.loads((FOLDER / "cues.json").read_text(encoding="utf-8"))
    return {alias: name for name, row in rows.items() for alias in row.get("aliases", ())}


def cue_name(text: str) -> str:
    """The class that a person means: ``Count 3`` is count_3, ``no`` is negation.

    ConfigError, with the nearest names, where there is none.
    """
    plain = "_".join(text.strip().casefold().replace("-", " ").replace("_", " ").split())
    plain = _aliases().get(plain, plain)
    if plain in vocabulary():
        return plain
    near = difflib.get_close_matches(plain, [*vocabulary(), *_aliases()], 3)
    names = ", ".join(dict.fromkeys(_aliases().get(name, name) for name in near)) or ", ".join(vocabulary())
    raise ConfigError(
        f"There is no gesture cue '{text.strip()}'; {'did you mean' if near else 'choose among'} {names}?"
    )


def parse_cues(text: str) -> list[Cue]:
    """``1.2:you,3.4:negation``, or the path of a ``.json`` or ``.csv`` file, as cues by time.

    A JSON file holds a list of ``{"time": 1.2, "cue": "you"}`` or ``[1.2, "you"]``, a CSV file rows ``1.2,you``
    with or without a header. ConfigError where something in it cannot be used, with its line.
    """
    if text.strip().casefold().endswith((".json", ".csv")):
        return _read(Path(text.strip()))
    items = [item for item in text.split(",") if item.strip()]
    return _sorted((f"--cues '{item.strip()}'", *reversed(item.partition(":")[::2])) for item in items)


def _read(path: Path) -> list[Cue]:
    text = read_text(path, "cue file", ConfigError, _MAX_BYTES)
    if path.suffix.casefold() == ".csv":
        with understood(f"{path.name} is no CSV table", ConfigError):
            rows = [(number, row) for number, row in enumerate(csv.reader(io.StringIO(text)), 1) if any(row)]
        if rows and not _is_number(rows[0][1][0]):
            rows = rows[1:]
        return _sorted(
            (f"{path.name}, line {number}", row[1] if len(row) > 1 else "", row[0]) for number, row in rows
        )
    items = parse_json(text, path.name, ConfigError)
    if not isinstance(items, list):
        raise ConfigError(f'{path.name} must hold a list such as [{{"time": 1.2, "cue": "you"}}].')
    return _sorted((f"{path.name}, item {number}", *_pair(item)) for number, item in enumerate(items, 1))


def _pair(item: Any) -> tuple[Any, Any]:
    if isinstance(item, dict):
        return item.get("cue", ""), item.get("time")
    return (item[1], item[0]) if isinstance(item, list) and len(item) == 2 else ("", None)


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _sorted(items: Iterable[tuple[str, Any, Any]]) -> list[Cue]:
    cues = []
    for place, name, seconds in items:
        if not _is_number(seconds) or not str(name).strip():
            raise ConfigError(f"{place}: a cue is a time in seconds and a name, for instance 1.2:you.")
        try:
            cues.append((cue_name(str(name)), float(seconds)))
        except ConfigError as error:
            raise ConfigError(f"{place}: {error}") from None
    return sorted(cues, key=lambda cue: cue[1])


def within(cues: Iterable[Cue], seconds: float) -> tuple[list[Cue], list[str]]:
    """The cues that arrive while the speech lasts, and a sentence for each that does not."""
    kept, told = [], []
    for name, time in cues:
        if 0.0 <= time <= seconds:
            kept.append((name, time))
        else:
            told.append(
                f"The cue {name} at {time:g} s lies outside of the speech (0 to {seconds:.2f} s) and is left out."
            )
    return kept, told
