# SPDX-License-Identifier: GPL-3.0-or-later
"""One measured number, or the reason why there is none."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measure:
    """``value`` with, where they exist, a 95 % interval and a p-value.

    ``note`` says why ``value`` is None, or what it rests on.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """The fields that are set; ``value`` always, null when undefined."""
        entries = {"low": self.low, "high": self.high, "p_value": self.p_value, "note": self.note or None}
        return {"value": self.value, **{name: entry for name, entry in entries.items() if entry is not None}}

    def as_text(self) -> str:
        """For a table cell: three significant digits, interval or p-value in brackets."""
        if self.value is None:
            return "undefined"
        text = _short(self.value)
        if self.low is not None and self.high is not None:
            text += f" [{_short(self.low)}, {_short(self.high)}]"
        if self.p_value is not None:
            text += f" (p {self.p_value:.3f})" if self.p_value >= 0.001 else " (p < 0.001)"
        return text


def undefined(note: str) -> Measure:
    return Measure(None, note=note)


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
