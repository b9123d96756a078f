# SPDX-License-Identifier: GPL-3.0-or-later
"""Cues made with any checkpoint: a labelled stroke as known poses around the arrival, a head cue as a turn.

The strokes come from ``backend/words/strokes.npz`` (``prepare.py strokes``); the network joins them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

import numpy as np

from ..motion import rotation
from ..motion.constraints import Constraints
from ..motion.easing import minimum_jerk
from ..motion.head_turns import HEAD_CUES, head_turn
from ..motion.motion_file import read_archive
from ..motion.skeletons import SKELETONS, Skeleton, normalize
from .vocabulary import FOLDER, Cue, vocabulary

ABSOLUTE: Final = ("you", "there", "left", "right", "point", "stop")
"""Classes that show a direction in space; all others are shown in front of the chest, wherever it faces."""
_GAP, _FADE, _SEEN = 5, 6, 5
"""Frames between two strokes of one arm, for the network to lead over; in which the turn with the trunk fades;
that a stroke has to be held to be seen."""
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


@dataclass
class Played:
    """What ``with_strokes`` says, and (bones, first, end) of the strokes that turn with the trunk."""

    told: list[str] = field(default_factory=list)
    carried: list[tuple[list[int], int, int]] = field(default_factory=list)


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
) -> tuple[Constraints | None, Played]:
    """``kept`` and the strokes of ``cues`` as what is known of ``num_frames`` frames, and the strokes.

    Poses that are kept stay; of two strokes of one arm that meet, the first ends early enough for the second.
    ``network``: classes that the checkpoint knows, which get no stroke where the vocabulary leaves them to it.
    None where nothing is known.
    """
    planned: list[_Planned] = []
    for number, (name, time) in enumerate(sorted(cues, key=lambda cue: cue[1])):
        left_to_network = name in network and vocabulary()[name].mechanism == "network"
        if name in library().strokes and not left_to_network:
            choices = library().strokes[name]
            rng = np.random.default_rng([seed, number, sum(map(ord, name))])
            first = int(rng.integers(len(choices)))
            planned.append(_plan([*choices[first:], *choices[:first]], round(time * fps), planned))
    if not planned:
        return kept, Played()
    directions = np.zeros((num_frames, skeleton.num_bones, 3), dtype=np.float32)
    mask = np.zeros((num_frames, skeleton.num_bones), dtype=bool)
    played = Played()
    for place, item in enumerate(planned):
        last = item.last
        for other in planned[place + 1 :]:
            if other.meets(item) and other.first - _GAP < last:
                last = max(other.first - _GAP, item.first)
                if last < min(item.arrival + _SEEN, item.last):
                    played.told.append(
                        f"The gesture {item.stroke.name} at {item.arrival / fps:.2f} s is cut short: "
                        f"{other.stroke.name} follows with the same hand at {other.arrival / fps:.2f} s."
                    )
                break
        # A stroke that had to give way before it arrived is shown at its arrival at least.
        last = max(last, min(item.arrival + 1, item.last))
        frames = np.arange(max(item.first, 0), min(last, num_frames))
        bones = arm_bones(skeleton, item.stroke.sides)
        cells = np.ix_(frames, np.array(bones))
        directions[cells] = item.stroke.directions[frames - item.first][:, bones]
        mask[cells] = True
        if len(frames) and item.stroke.name not in ABSOLUTE:
            played.carried.append((bones, int(frames[0]), int(frames[-1]) + 1))
    if kept is not None:
        directions[kept.mask], mask[kept.mask] = kept.directions[kept.mask], True
    return Constraints(directions, mask, fps, skeleton.name), played


@dataclass(frozen=True, eq=False)
class _Planned:
    """A stroke and the frame of the motion in which it arrives."""

    stroke: Stroke
    arrival: int

    @property
    def first(self) -> int:
        return self.arrival - self.stroke.arrival

    @property
    def last(self) -> int:
        return self.first + len(self.stroke.directions)

    def meets(self, other: "_Planned") -> bool:
        """Whether both use an arm."""
        return bool(set(self.stroke.sides) & set(other.stroke.sides))


def _plan(choices: Sequence[Stroke], arrival: int, before: Sequence[_Planned]) -> _Planned:
    """The first of ``choices`` whose arms are free, or else the first."""
    options = [_Planned(stroke, arrival) for stroke in choices]
    for option in options:
        if all(not option.meets(other) or other.last + _GAP <= option.first for other in before):
            return option
    return options[0]


def arm_bones(skeleton: Skeleton, sides: Sequence[str]) -> list[int]:
    """Bones of the arms and hands of ``sides``."""
    return [
        bone
        for bone, name in enumerate(skeleton.bone_names)
        if any(name.startswith(f"{side}_") for side in sides) and not name.endswith(("_ear", "_eye"))
    ]


def carry_with_trunk(
    directions: np.ndarray, played: Played, kept: Constraints | None, skeleton: Skeleton
) -> np.ndarray:
    """Directions (T, B, 3) with strokes that were made for an upright trunk turned as the trunk is.

    A hand that lies on the chest stays there, and hands that meet still meet. ``kept`` bones stay.
    """
    if not played.carried:
        return directions
    trunk = _trunk_turn(directions, skeleton)
    carried = directions.copy()
    frames = np.arange(len(directions))
    for bones, first, end in played.carried:
        away = np.maximum(np.maximum(first - frames, frames - (end - 1)), 0)
        weight = 1.0 - minimum_jerk(away / _FADE)
        turn = rotation.exp(trunk * weight[:, None])
        carried[:, bones] = rotation.rotate(turn[:, None], carried[:, bones])
    return carried if kept is None else np.where(kept.mask[..., None], directions, carried)


def _trunk_turn(directions: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Rotation vectors (T, 3) of the trunk from upright and facing ahead."""
    up = normalize(directions[:, skeleton.bone("spine", "neck")])
    line = directions[:, skeleton.bone("neck", "left_shoulder")]
    line = line - directions[:, skeleton.bone("neck", "right_shoulder")]
    left = normalize(line - (line * up).sum(-1, keepdims=True) * up)
    return rotation.log(rotation.from_matrix(np.stack([left, up, np.cross(left, up)], axis=-1)))


def turn_head(
    directions: np.ndarray,
    cues: Sequence[Cue],
    kept: Constraints | None,
    skeleton: Skeleton,
    fps: float,
    seed: int,
) -> np.ndarray:
    """Directions (T, B, 3) with nods, shakes and tilts added to what the head does; ``kept`` bones stay."""
    events = [(number, cue) for number, cue in enumerate(cues) if cue[0] in HEAD_CUES]
    if not events:
        return directions
    times = np.arange(len(directions)) / fps
    vectors = np.zeros((len(directions), 3))
    for number, (name, time) in events:
        vectors += head_turn(name, times - time, np.random.default_rng([seed, number, len(name)]))
    head = [
        b for b, name in enumerate(skeleton.bone_names) if name.split(">")[-1].endswith(("nose", "_eye", "_ear"))
    ]
    turned = directions.copy()
    turned[:, head] = rotation.rotate(rotation.exp(vectors)[:, None], directions[:, head])
    return turned if kept is None else np.where(kept.mask[..., None], directions, turned)
