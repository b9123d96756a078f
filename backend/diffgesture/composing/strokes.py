# SPDX-License-Identifier: GPL-3.0-or-later
"""The library of labelled strokes: few strokes of each arm cue, as directions that a sampler is given as known."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ..errors import DataError
from ..evaluation.cue_geometry import body_of
from ..evaluation.cue_tests import shows
from ..motion import canonical, rotation
from ..motion.motion_file import compressed
from ..motion.skeletons import TED_EXPRESSIVE
from ..writing import write_file
from .corpora import WORK_FPS, load_motion
from .cues import cue_units
from .posed_strokes import posed_strokes
from .units import Unit

FPS: Final = 15.0
OWN: Final = "own pose"
MOST: Final = 4
"""Strokes of a class; mirroring makes as many again when they are used."""
_MOST_CLIPS: Final = {"frame": 1}
"""Of a class whose further clips mean something else and only happen to look like it."""
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
        found = [_of_unit(unit) for unit in units if not unit.name.endswith("~mirror")]
        from_clips = [item for item in found if item.source != OWN][: _MOST_CLIPS.get(name)]
        own = [
            _Candidate(OWN, made.sides, *_directions(made.local, made.arrival, 0, len(made.local)))
            for made in posed_strokes(root, name)
        ]
        for item in _chosen(name, [*from_clips, *own, *(item for item in found if item.source == OWN)]):
            arrays[str(len(entries))] = item.directions.astype(np.float16)
            entries.append(
                {
                    "class": name,
                    "sides": list(item.sides),
                    "arrival": item.arrival,
                    "source": item.source,
                    "licence": licences.get(item.source.split(":")[0], "CC0"),
                }
            )
    card = {"fps": FPS, "layout": "ted_expressive", "strokes": entries}
    write_file(target, compressed(card=np.str_(json.dumps(card)), **arrays))
    names = [entry["class"] for entry in entries]
    return {name: names.count(name) for name in dict.fromkeys(names)}


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A stroke that could show a class: directions (T, 42, 3) and the frame of the arrival, at ``FPS``."""

    source: str
    sides: tuple[str, ...]
    directions: np.ndarray
    arrival: int


def _chosen(name: str, candidates: list[_Candidate]) -> list[_Candidate]:
    """At most ``MOST`` that pass the test of their class, in the order given, no clip twice."""
    kept: dict[str, _Candidate] = {}
    for number, item in enumerate(candidates):
        body = body_of(item.directions, TED_EXPRESSIVE, FPS)
        # Also a frame off, for the network's way to the stroke shifts what is seen.
        moments = (max(item.arrival - 1, 0), item.arrival, item.arrival + 1)
        if all(any(shows(name, body, side, at) for side in item.sides) for at in moments):
            kept.setdefault(f"{item.source} {number}" if item.source == OWN else item.source, item)
    return list(kept.values())[:MOST]


def _of_unit(unit: Unit) -> _Candidate:
    if unit.name.startswith("posed:"):  # held from the first frame to the last
        return _Candidate(OWN, unit.sides, *_directions(unit.local, unit.arrival, unit.arrival, unit.hold_end))
    source = unit.name
    return _Candidate(source, unit.sides, *_directions(unit.local, unit.arrival, unit.core, unit.hold_end))


def _directions(local: np.ndarray, arrival: int, core: int, hold_end: int) -> tuple[np.ndarray, int]:
    """Core to the end of the hold (T, 42, 3) at ``FPS``, and the frame of the arrival."""
    local = local.copy()
    local[:, [j for j in range(canonical.NUM_JOINTS) if j not in _KEPT]] = rotation.IDENTITY
    step = round(WORK_FPS / FPS)
    before = min(_BEFORE, -(-(arrival - core) // step), arrival // step)
    after = min(_AFTER, max(_LEAST_AFTER, (hold_end - arrival) // step))
    frames = arrival + step * np.arange(-before, after + 1)
    return canonical.directions(local[frames.clip(0, len(local) - 1)]), before
