# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints that a run keeps beside its last one: every so many steps, and the best by a row of the panel."""

import json
import shutil
from pathlib import Path
from typing import Any

from ..errors import ConfigError, OutputError
from ..writing import reason, written
from .config import Config

BEST = "best.safetensors"


class KeptCheckpoints:
    """``checkpoints/step_N.safetensors`` and ``best.safetensors`` in the run's folder, with their cards."""

    def __init__(self, folder: Path, config: Config):
        self._folder, self._row = folder, config.best_by
        self._best = self._recorded()

    def keep(self, checkpoint: Path, step: int) -> None:
        """A copy under the step's number."""
        _copy(checkpoint, self._folder / "checkpoints" / f"step_{step:07d}.safetensors")

    def note_panel(self, checkpoint: Path, step: int, panel: dict[str, Any]) -> str:
        """Keep the checkpoint if its panel is the best so far; what to tell, or nothing."""
        if self._row not in panel:
            raise ConfigError(f"'best_by' is '{self._row}', which is no row of the panel: {', '.join(panel)}.")
        value = panel[self._row]["value"]
        if value is None or (self._best is not None and value >= self._best):
            return ""
        self._best = value
        _copy(checkpoint, self._folder / BEST, {"step": step, self._row: value})
        return f"the best so far by {self._row} ({value:.4g}): {self._folder / BEST}"

    def _recorded(self) -> float | None:
        """The best value of a run that goes on."""
        try:
            card = json.loads((self._folder / BEST).with_suffix(".json").read_text(encoding="utf-8"))
            return float(card["training"]["best"][self._row])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _copy(source: Path, target: Path, best: dict[str, Any] | None = None) -> None:
    """Weights and card, both or neither; ``best`` is noted in the card."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {target.parent} cannot be made: {reason(error)}.") from error
    card = json.loads(source.with_suffix(".json").read_text(encoding="utf-8"))
    if best:
        card["training"]["best"] = best
    with written(target, target.with_suffix(".json")) as (weights, text):
        shutil.copyfile(source, weights)
        text.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
