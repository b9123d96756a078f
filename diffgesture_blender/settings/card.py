# SPDX-License-Identifier: GPL-3.0-or-later
"""What the chosen checkpoint's card says of its sampler, read from the file, so that the panel can show it."""

import json
from pathlib import Path
from typing import Any, Final

from .machine import machine_settings

_BUNDLED: Final = Path(__file__).resolve().parents[2] / "backend" / "checkpoints" / "default.safetensors"
_OLDER: Final = {"steps": 8, "guidance": 1.0}
"""What a card that says nothing means."""


def sampler_value(name: str) -> Any:
    """The card's own ``steps`` or ``guidance``; None where the card cannot be read or has no such value."""
    path = Path(machine_settings().checkpoint or _BUNDLED).with_suffix(".json")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        return {**_OLDER, **card, **card.get("sampler", {})}.get(name)
    except (OSError, ValueError, AttributeError, TypeError):
        return None
