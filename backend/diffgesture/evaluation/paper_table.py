# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison table of the papers: a row for each method, mean and spread over runs (checkpoints and seeds)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from ..data.dataset import Dataset
from ..model.embedding import Autoencoder
from . import legacy_metrics
from .legacy import Windows, published_metrics

COLUMNS: Final = {
    "fgd": "FGD ↓",
    "bc": "BC →",
    "diversity": "Diversity →",
    "feature_distance": "feat D ↓",
    "joint_mae": "joint MAE ↓",
    "acceleration_difference": "accel ↓",
}
"""Published metrics in the papers' order; → means that the people's value is the aim."""

Metrics = dict[str, float | None]


@dataclass
class Method:
    """A row: published metrics of each of its runs."""

    name: str
    runs: list[Metrics] = field(default_factory=list)

    def summary(self) -> dict[str, dict[str, Any]]:
        """For each column mean, standard deviation over runs (None for one run) and the number of runs."""
        result = {}
        for column in COLUMNS:
            values = [run[column] for run in self.runs if run.get(column) is not None]
            known = np.array(values, dtype=np.float64)
            mean = float(known.mean()) if len(known) else None
            spread = float(known.std(ddof=1)) if len(known) > 1 else None
            result[column] = {"mean": mean, "sd": spread, "runs": len(known)}
        return result


def people(windows: Windows, dataset: Dataset, autoencoder: Autoencoder | None, seed: int = 0) -> Metrics:
    """The people's own row. FGD is that between random halves: what so few windows leave of a distance of 0."""
    row = published_metrics(np.asarray(windows.directions), windows, dataset, autoencoder, seed)
    if autoencoder is not None and len(windows.directions) >= 4:
        features = autoencoder.features(autoencoder.poses(windows.directions))
        order = np.random.default_rng(seed).permutation(len(features))
        half = len(features) // 2
        row["fgd"] = legacy_metrics.fgd(features[order[:half]], features[order[half : 2 * half]])
    return row


def as_markdown(methods: Sequence[Method]) -> str:
    """Methods as rows, in their order; "mean ± sd" where there were several runs."""
    lines = [f"| method | {' | '.join(COLUMNS.values())} | runs |", "|---" * (len(COLUMNS) + 2) + "|"]
    for method in methods:
        summary = method.summary()
        cells = " | ".join(_cell(summary[column]) for column in COLUMNS)
        lines.append(f"| {method.name} | {cells} | {len(method.runs)} |")
    return "\n".join(lines) + "\n"


def as_latex(methods: Sequence[Method]) -> str:
    """The body of a LaTeX table: one line a method."""
    lines = []
    for method in methods:
        summary = method.summary()
        cells = " & ".join(_cell(summary[column]).replace("±", r"$\pm$") for column in COLUMNS)
        lines.append(rf"{method.name.replace('_', ' ')} & {cells} \\")
    return "\n".join(lines) + "\n"


def _cell(value: Mapping[str, Any]) -> str:
    if value["mean"] is None:
        return "–"
    text = f"{value['mean']:.4g}"
    return text if value["sd"] is None else f"{text} ± {value['sd']:.2g}"
