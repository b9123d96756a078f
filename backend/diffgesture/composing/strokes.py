# SPDX-License-Identifier: GPL-3.0-or-later
"""The library of labelled strokes: few strokes of each arm cue, as directions that a sampler is given as known."""

import json
from pathlib import Path
from typing import Final

import numpy as np

from ..errors import DataError
from ..motion import canonical, rotation
from ..motion.motion_file import compressed
from ..writing import write_file
from .corpora import WORK_FPS, load_motion
from .cues import cue_units
from .units import Unit

FPS: Final = 15.0
MOST: Final = 4
"""Strokes of a class; mirroring makes as many again when they are used."""
_BEFORE, _AFTER, _LEAST_AFTER = 6, 13, 5
_KEPT: Final = {j for side in canonical.SIDES for j in canonical.arm_joints(side)}


def write_strokes(root: Path, target: Path) -> dict[str, int]:
    """Write ``target`` (.npz) from the corpora in ``root``; strokes of each class by name.

    Fields: ``card`` (JSON: fps, layout, and ``class``, ``sides``, ``arrival``, ``source``, ``licence`` of each
    stroke) and ``k`` (frames, 42, 3) float16 directions in the public frame with an upright trunk.
    """
    clips = load_motion(root)
    if not clips:
        raise DataError(f"There is no motion in {root}. Give the folder of the corpora.")
    licences = {clip.motion_set: clip.licence for clip in clips}
    entries, arrays = [], {}
    for name, units in sorted(cue_units(root, clips).items()):
        for unit in _chosen([unit for unit in units if not unit.name.endswith("~mirror")]):
            directions, arrival = _directions(unit)
            source = unit.name.split(":")[0]
            arrays[str(len(entries))] = directions.astype(np.float16)
            entries.append(
                {
                    "class": name,
                    "sides": list(unit.sides),
                    "arrival": arrival,
                    "source": "own pose" if source == "posed" else unit.name,
                    "licence": licences.get(source, "CC0"),
                }
            )
    card = {"fps": FPS, "layout": "ted_expressive", "strokes": entries}
    write_file(target, compressed(card=np.str_(json.dumps(card)), **arrays))
    names = [entry["class"] for entry in entries]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def _chosen(units: list[Unit]) -> list[Unit]:
    """At most ``MOST``: own poses last, as the evidence orders them, no clip twice."""
    units = sorted(units, key=lambda unit: unit.name.startswith("posed:"))
    kept: dict[str, Unit] = {}
    for number, unit in enumerate(units):
        kept.setdefault(f"{unit.name} {number}" if unit.name.startswith("posed:") else unit.name, unit)
    return list(kept.values())[:MOST]


def _directions(unit: Unit) -> tuple[np.ndarray, int]:
    """Core to the end of the hold (T, 42, 3) at ``FPS``, and the frame of the arrival."""
    local = unit.local.copy()
    local[:, [j for j in range(canonical.NUM_JOINTS) if j not in _KEPT]] = rotation.IDENTITY
    step = round(WORK_FPS / FPS)
    before = min(_BEFORE, max(1, -(-(unit.arrival - unit.core) // step)), unit.arrival // step)
    after = min(_AFTER, max(_LEAST_AFTER, (unit.hold_end - unit.arrival) // step))
    frames = unit.arrival + step * np.arange(-before, after + 1)
    return canonical.directions(local[frames.clip(0, len(local) - 1)]), before
