# SPDX-License-Identifier: GPL-3.0-or-later
"""A panel as a Markdown table and as plots."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import uniform_filter1d

from ..errors import GestureError
from ..writing import written
from .kinematics import ACCELERATION_EDGES, SPEED_EDGES, histogram
from .scorecard import ROWS, Column
from .takes import RATE, Take


def markdown_table(columns: dict[str, Column]) -> str:
    """One line per measure, one column per set of takes; notes, and why a value is undefined, stand below."""
    lines = [f"| measure | target | {' | '.join(columns)} |", "|---" * (len(columns) + 2) + "|"]
    notes: dict[tuple[str, str], list[str]] = {}
    for name, row in ROWS.items():
        for title, column in columns.items():
            if column[name].note:
                why = column[name].note if column[name].value is not None else f"undefined, {column[name].note}"
                notes.setdefault((row.label, why), []).append(title)
        cells = " | ".join(column[name].as_text() for column in columns.values())
        lines.append(f"| {row.label} | {row.target} | {cells} |")
    lines.append("")
    lines += [f"- {label} ({', '.join(titles)}): {why}." for (label, why), titles in notes.items()]
    return "\n".join(lines).rstrip() + "\n"


def save_plots(folder: Path, groups: dict[str, Sequence[Take]]) -> list[Path]:
    """``histograms.png`` of wrist speed and acceleration, ``curves.png`` of one take of each group.

    Raises GestureError when matplotlib is missing, OutputError when the folder cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise GestureError("Plots need matplotlib. Install it with: pip install matplotlib.") from error
    groups = {name: takes for name, takes in groups.items() if takes}
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, attribute, edges, label in zip(
        figure.subplots(1, 2),
        ("speed", "acceleration"),
        (SPEED_EDGES, ACCELERATION_EDGES),
        ("wrist speed, m/s", "wrist acceleration, m/s²"),
        strict=True,
    ):
        for name, takes in groups.items():
            shares = histogram([getattr(take, attribute) for take in takes], edges)
            axes.stairs(shares, edges, label=name, lw=1.8)
        axes.set(xlabel=label, ylabel="share of frames", yscale="log")
        axes.legend()
    paths = [_save(figure, folder / "histograms.png")]
    figure = Figure(figsize=(10, 2.6 * len(groups)), layout="constrained")
    for axes, (name, takes) in zip(np.atleast_1d(figure.subplots(len(groups), 1)), groups.items(), strict=True):
        take = max(takes, key=lambda candidate: candidate.seconds)
        times = np.arange(len(take.arms)) / RATE
        axes.plot(times, uniform_filter1d(take.speed.mean(axis=1), round(RATE)), label="arm speed, m/s")
        peak = max(float(take.energy.max()), 1e-9)
        axes.plot(times, uniform_filter1d(take.energy, round(RATE)) / peak, label="speech energy")
        axes.fill_between(
            times, 0, take.speech_and_pauses[1] * 0.05, color="0.6", label="pauses > 1 s", step="mid"
        )
        axes.set(xlabel="s", xlim=(0, max(take.seconds, 0.1)))
        axes.set_title(f"{name}: {take.name}", parse_math=False)
        axes.legend(loc="upper right", fontsize="small")
    return [*paths, _save(figure, folder / "curves.png")]


def _save(figure: Any, path: Path) -> Path:
    with written(path) as (part,):
        figure.savefig(part, dpi=110)
    return path
