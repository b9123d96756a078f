# SPDX-License-Identifier: GPL-3.0-or-later
"""What the chosen checkpoint's card says of its sampler, read from the file, so that the panel can show it."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from .machine import machine_settings

_BUNDLED: Final = Path(__file__).resolve().parents[2] / "backend" / "checkpoints" / "default.safetensors"
_OLDER: Final = {"steps": 8, "guidance": 1.0}
"""What a card that says nothing means."""


def has_stream(name: str) -> bool:
    """Whether the chosen checkpoint was trained with that condition beside speech: style, cues or role."""
    return name in _card().get("streams", {})


def sampler_value(name: str) -> Any:
    """The card's own ``steps`` or ``guidance``; None where the card cannot be read or has no such value."""
    card = _card()
    sampler = card.get("sampler", {})
    return {**_OLDER, **card, **(sampler if isinstance(sampler, dict) else {})}.get(name) if card else None


def _card() -> dict[str, Any]:
    """The card's JSON, read again when the file has changed; empty where it cannot be read."""
    path = Path(machine_settings().checkpoint or _BUNDLED).with_suffix(".json")
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}
