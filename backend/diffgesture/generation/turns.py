# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns of a dialogue: when the character itself speaks, as seconds of the recording."""

import math
from collections.abc import Iterable

from ..errors import ConfigError

Turn = tuple[float, float]
"""Start and end (s)."""


def checked_turns(turns: Iterable[Iterable[float]]) -> tuple[Turn, ...]:
    """The turns by time; ConfigError where one is no pair of seconds, or ends before it begins."""
    checked = []
    for turn in turns:
        try:
            start, end = map(float, turn)
        except (TypeError, ValueError):
            raise ConfigError(f"A turn is its start and its end in seconds, not {turn!r}.") from None
        if not (math.isfinite(start) and math.isfinite(end) and 0.0 <= start < end):
            raise ConfigError(f"A turn from {start:g} to {end:g} s cannot be; it ends after it begins, from 0 on.")
        checked.append((start, end))
    return tuple(sorted(checked))


def parse_turns(text: str) -> tuple[Turn, ...]:
    """``0-3.2,7.5-11`` as turns; ConfigError names the part that cannot be used."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    turns = []
    for item in items:
        start, dash, end = item.partition("-")
        if not dash:
            raise ConfigError(f"--turns '{item}': a turn is its start and its end in seconds, for instance 0-3.2.")
        turns.append((start, end))
    try:
        return checked_turns(turns)
    except ConfigError as error:
        raise ConfigError(f"--turns: {error}") from None
