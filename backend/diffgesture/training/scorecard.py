# SPDX-License-Identifier: GPL-3.0-or-later
"""The honest panel during training: a few held-out clips generated with the saved checkpoint, and measured."""

import dataclasses
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from ..data.dataset import Dataset
from ..errors import ConfigError
from ..model.autoencoder import AUTOENCODERS
from .config import Config

if TYPE_CHECKING:
    from ..evaluation.takes import Take

_LONGEST_SECONDS: Final = 30.0
_SHOWN: Final = {
    "wrist_speed_mean": "speed m/s",
    "speed_hellinger": "speed distance",
    "jerk_ratio": "jerk / data",
    "diversity_ratio": "diversity / data",
    "energy_correlation_gain": "energy gain",
    "beat_consistency_gain": "beat gain",
    "seam_ratio": "seams",
    "rest_ratio": "rest",
}


class ValidationPanel:
    """``clips`` takes of the validation split (their first half minute), the same every time."""

    # Measuring needs libraries that training does without: they are loaded when a panel is asked for.

    def __init__(self, dataset: Dataset, clips: int):
        from ..evaluation.evaluation import takes_of_dataset

        self.takes = [_beginning(take) for take in takes_of_dataset(dataset, "val", clips)]

    def measure(self, checkpoint_path: Path, device: torch.device) -> dict[str, Any]:
        """The panel of what the checkpoint generates for their speech, preset default, as JSON."""
        from ..evaluation.evaluation import generate_takes, speech_of_take
        from ..evaluation.scorecard import measure
        from ..generation.synthesis import Settings
        from ..model.checkpoint import load_checkpoint

        checkpoint = load_checkpoint(checkpoint_path, device)
        speech = [speech_of_take(take) for take in self.takes]
        settings = Settings(preset="reference" if checkpoint.card.is_recurrent else "default")
        generated = generate_takes(checkpoint, speech, settings, lambda line: None)
        return {name: value.as_json() for name, value in measure(generated, self.takes).items()}


def make_panel(config: Config, dataset: Dataset) -> ValidationPanel | None:
    """The panel that a configuration asks for; None where ``panel_steps`` is 0 or nothing is held out."""
    if not config.panel_steps:
        return None
    if config.network in AUTOENCODERS:
        raise ConfigError(f"'panel_steps' must be 0 for '{config.network}', which generates nothing.")
    if not dataset.indices("val"):
        warnings.warn(f"{dataset.folder} has no validation takes, so there is no panel.", stacklevel=2)
        return None
    panel = ValidationPanel(dataset, config.panel_clips)
    from ..evaluation.scorecard import ROWS

    if config.best_by not in ROWS:
        raise ConfigError(f"'best_by' is '{config.best_by}', which is no row of the panel: {', '.join(ROWS)}.")
    return panel


def panel_line(panel: dict[str, Any]) -> str:
    """The main figures in one line; what is undefined is left out."""
    shown = [(label, panel[name]["value"]) for name, label in _SHOWN.items()]
    return "panel: " + "  ".join(f"{label} {value:.2f}" for label, value in shown if value is not None)


def _beginning(take: "Take") -> "Take":
    if take.seconds <= _LONGEST_SECONDS:
        return take
    frames = round(_LONGEST_SECONDS * take.fps)
    samples = round(len(take.audio) * frames / len(take.arm_directions))
    directions = None if take.directions is None else take.directions[:frames]
    arms = take.arm_directions[:frames]
    return dataclasses.replace(take, audio=take.audio[:samples], arm_directions=arms, directions=directions)
