# SPDX-License-Identifier: GPL-3.0-or-later
"""Cues made with any checkpoint: a labelled stroke as known poses around the arrival, a head cue as a turn.

The strokes come from ``backend/words/strokes.npz`` (``prepare.py strokes``); the network joins them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np

from ..motion import rotation
from ..motion.constraints import Constraints
from ..motion.motion_file import read_archive
from ..motion.skeletons import SKELETONS, Skeleton, normalize
from .vocabulary import FOLDER, Cue, vocabulary

HEAD: Final = ("nod", "shake", "tilt")
_GAP: Final = 5
"""Frames between two strokes of one arm that the network gets to lead from the first to the second."""
_SWAPPED: Final = {"left": "right", "right": "left"}


@dataclass(frozen=True, eq=False)
class Stroke:
    """Directions (T, 42, 3) in the public frame at the library's rate, and the frame in which the hand arrives."""

    name: str
    sides: tuple[str, ...]
    directions: np.ndarray
    arrival: int

    def mirrored(self, skeleton: Skeleton) -> "Stroke":
        """The same by the other hand."""
        names = skeleton.bone_names
        swap = str.maketrans({"L": "right_", "R": "left_"})
        other = [name.replace("left_", "L").replace("right_", "R").translate(swap) for name in names]
        order = [names.index(name) for name in other]
        directions = self.directions[:, order] * np.array([-1.0, 1.0, 1.0])
        sides = tuple(_SWAPPED[side] for side in self.sides)
        return replace(self, name=_SWAPPED.get(self.name, self.name), sides=sides, directions=directions)


@dataclass(frozen=True)
class Library:
    """All strokes by class, with their mirror images; ``fps`` and layout of the directions."""

    fps: float
    layout: str
    strokes: dict[str, tuple[Stroke, ...]]


@cache
def library() -> Library:
    """The bundled library."""
    fields = read_archive(FOLDER / "strokes.npz", ("card",))
    card = json.loads(str(fields["card"]))
    skeleton = SKELETONS[card["layout"]]
    strokes: dict[str, list[Stroke]] = {}
    for number, entry in enumerate(card["strokes"]):
        directions = normalize(fields[str(number)].astype(np.float64))
        stroke = Stroke(entry["class"], tuple(entry["sides"]), directions, entry["arrival"])
        for item in (stroke, stroke.mirrored(skeleton)):
            strokes.setdefault(item.name, []).append(item)
    return Library(card["fps"], card["layout"], {name: tuple(found) for name, found in strokes.items()})


def can_play(skeleton: Skeleton, fps: float) -> bool:
    """Whether the library's strokes fit a model."""
    return library().layout == skeleton.name and abs(library().fps - fps) < 1e-3


def with_strokes(
    cues: Sequence[Cue],
    kept: Constraints | None,
    skeleton: Skeleton,
    fps: float,
    num_frames: int,
    seed: int,
    network: Sequence[str] = (),
) -> Constraints | None:
    """``kept`` and the strokes of ``cues`` as what is known of ``num_frames`` frames; None where nothing is.

    Poses that are kept stay; of two strokes of one arm that meet, the first ends early enough for the second.
    ``network``: classes that the checkpoint knows, which get no stroke where the vocabulary leaves them to it.
    """
    planned = []
    for number, (name, time) in enumerate(sorted(cues, key=lambda cue: cue[1])):
        left_to_network = name in network and vocabulary()[name].mechanism == "network"
        if name in library().strokes and not left_to_network:
            choices = library().strokes[name]
            rng = np.random.default_rng([seed, number, sum(map(ord, name))])
            planned.append((choices[rng.integers(len(choices))], round(time * fps)))
    if not planned:
        return kept
    directions = np.zeros((num_frames, skeleton.num_bones, 3), dtype=np.float32)
    mask = np.zeros((num_frames, skeleton.num_bones), dtype=bool)
    for place, (stroke, arrival) in enumerate(planned):
        first, last = arrival - stroke.arrival, arrival - stroke.arrival + len(stroke.directions)
        for other, time in planned[place + 1 :]:
            if set(other.sides) & set(stroke.sides):
                last = min(last, time - other.arrival - _GAP)
        # A stroke that had to give way before it arrived is shown at its arrival at least.
        frames = np.arange(max(first, 0), min(max(last, arrival + 1), num_frames))
        bones = arm_bones(skeleton, stroke.sides)
        directions[np.ix_(frames, bones)] = stroke.directions[frames - first][:, bones]
        mask[np.ix_(frames, bones)] = True
    if kept is not None:
        directions[kept.mask], mask[kept.mask] = kept.directions[kept.mask], True
    return Constraints(directions, mask, fps, skeleton.name)


def arm_bones(skeleton: Skeleton, sides: Sequence[str]) -> list[int]:
    """Bones of the arms and hands of ``sides``."""
    return [
        bone
        for bone, name in enumerate(skeleton.bone_names)
        if any(name.startswith(f"{side}_") for side in sides) and not name.endswith(("_ear", "_eye"))
    ]


def turn_head(
    directions: np.ndarray,
    cues: Sequence[Cue],
    kept: Constraints | None,
    skeleton: Skeleton,
    fps: float,
    seed: int,
) -> np.ndarray:
    """Directions (T, B, 3) with nods, shakes and tilts added to what the head does; ``kept`` bones stay."""
    events = [(number, cue) for number, cue in enumerate(cues) if cue[0] in HEAD]
    if not events:
        return directions
    times = np.arange(len(directions)) / fps
    vectors = np.zeros((len(directions), 3))
    for number, (name, time) in events:
        vectors += _head_turn(name, times - time, np.random.default_rng([seed, number, len(name)]))
    head = [
        b for b, name in enumerate(skeleton.bone_names) if name.split(">")[-1].endswith(("nose", "_eye", "_ear"))
    ]
    turned = directions.copy()
    turned[:, head] = rotation.rotate(rotation.exp(vectors)[:, None], directions[:, head])
    return turned if kept is None else np.where(kept.mask[..., None], directions, turned)


def _head_turn(name: str, t: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rotation vectors (T, 3); the main extreme is at ``t`` = 0. Sizes and rates as in composing/cues.py."""
    vectors = np.zeros((len(t), 3))
    if name == "tilt":
        held = _ease((t + 0.45) / 0.45) * (1.0 - _ease((t - rng.uniform(0.4, 1.0)) / 0.6))
        vectors[:, 2] = rng.choice([-1.0, 1.0]) * np.deg2rad(rng.uniform(9.0, 15.0)) * held
        return vectors
    frequency = rng.uniform(1.7, 2.3)
    cycles = rng.integers(2, 4) if name == "shake" else rng.integers(1, 3)
    phase = 2.0 * np.pi * frequency * t
    window = _ease((t + 0.30) / 0.25) * (1.0 - _ease((t - (cycles - 0.6) / frequency) / 0.3))
    if name == "shake":
        vectors[:, 1] = rng.choice([-1.0, 1.0]) * np.deg2rad(rng.uniform(12.0, 18.0)) * np.cos(phase) * window
    else:
        vectors[:, 0] = np.deg2rad(rng.uniform(9.0, 14.0)) * (0.35 + 0.65 * np.cos(phase)) * window
    return vectors


def _ease(x: np.ndarray) -> np.ndarray:
    """0 to 1 with the least jerk (Flash and Hogan 1985)."""
    x = x.clip(0.0, 1.0)
    return x**3 * (10.0 - 15.0 * x + 6.0 * x**2)
