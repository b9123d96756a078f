# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkpoint's card as the add-on needs it, read from the file; what is wrong with it the worker will say."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from ..errors import DiffGestureError
from ..reading import read_json

_BUNDLED: Final = Path(__file__).resolve().parents[2] / "backend" / "checkpoints" / "default.safetensors"


def read_card(checkpoint: str | None) -> dict[str, Any]:
    """The card's JSON (None: the bundled checkpoint's), read again when it has changed; empty if it cannot be."""
    path = Path(checkpoint or _BUNDLED).with_suffix(".json")
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> dict[str, Any]:
    try:
        card = read_json(path, "card", limit=4 << 20)
    except DiffGestureError:
        return {}
    return card if isinstance(card, dict) else {}
