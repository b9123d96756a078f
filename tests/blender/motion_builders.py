# SPDX-License-Identifier: GPL-3.0-or-later
"""Smooth synthetic motions inside joint limits, from a small body of rotations; no Blender."""

import itertools

import numpy as np

from diffgesture_blender.motion import Motion, motion_from_fields
from diffgesture_blender.rig import quaternion as quat

FINGERS = ("index", "middle", "pinky", "ring", "thumb")
EXPRESSIVE_JOINTS = (
    *("spine", "neck", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
    *("left_wrist", "right_wrist"),
    *(f"{side}_{finger}{i}" for side in ("left", "right") for finger in FINGERS for i in (1, 2, 3)),
    *("nose", "right_eye", "left_eye", "right_ear", "left_ear"),
)
TED_JOINTS = (
    *("spine", "neck", "nose", "head"),
    *("left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist"),
)
AXES = np.eye(3)


def _pairs(layout: str) -> list[tuple[str, str]]:
    pairs = [("spine", "neck")]
    for side in ("left", "right"):
        pairs += [("neck", f"{side}_shoulder"), (f"{side}_shoulder", f"{side}_elbow")]
        pairs.append((f"{side}_elbow", f"{side}_wrist"))
        if layout == "ted_expressive":
            for finger in FINGERS:
                chain = [f"{side}_wrist", *(f"{side}_{finger}{i}" for i in (1, 2, 3))]
                pairs += list(itertools.pairwise(chain))
    if layout == "ted":
        return [*pairs, ("neck", "nose"), ("nose", "head")]
    eyes = [("nose", f"{side}_eye") for side in ("right", "left")]
    ears = [(f"{side}_eye", f"{side}_ear") for side in ("right", "left")]
    return [*pairs, ("neck", "nose"), *eyes, *ears]


def build_motion(directions: dict[tuple[str, str], np.ndarray], layout: str, fps: float = 15.0) -> Motion:
    """A Motion from directions (T, 3) by joint names."""
    names = TED_JOINTS if layout == "ted" else EXPRESSIVE_JOINTS
    pairs = _pairs(layout)
    frames = max(len(np.atleast_2d(value)) for value in directions.values())
    array = np.stack([np.broadcast_to(directions[pair], (frames, 3)) for pair in pairs], axis=1)
    return motion_from_fields({
        "directions": array,
        "fps": fps,
        "layout": layout,
        "joint_names": np.array(names),
        "bone_pairs": np.array([[names.index(a), names.index(b)] for a, b in pairs]),
    })  # fmt: skip


def neutral(layout: str = "ted_expressive") -> dict[tuple[str, str], np.ndarray]:
    """Directions of the neutral T-pose by joint names."""
    names = TED_JOINTS if layout == "ted" else EXPRESSIVE_JOINTS
    pairs = _pairs(layout)
    blank = motion_from_fields({
        "directions": np.ones((1, len(pairs), 3)),
        "fps": 15.0,
        "joint_names": np.array(names),
        "bone_pairs": np.array([[names.index(a), names.index(b)] for a, b in pairs]),
    })  # fmt: skip
    return dict(zip(pairs, blank.neutral_directions, strict=True))


def _wave(generator: np.random.Generator, times: np.ndarray, low: float, high: float) -> np.ndarray:
    """(T,) smooth random angle in radians between two limits in degrees."""
    phases, rates = generator.uniform(0, 2 * np.pi, 3), generator.uniform(0.1, 0.9, 3)
    wave = np.sin(2 * np.pi * rates[:, None] * times + phases[:, None]).mean(axis=0)
    return np.radians(low + (high - low) * (0.5 + 0.5 * wave))


def _turn(axis: int, angle: np.ndarray) -> np.ndarray:
    return quat.from_axis_angle(np.broadcast_to(AXES[axis], (len(angle), 3)), angle)


def _chain(*turns: np.ndarray) -> np.ndarray:
    result = turns[0]
    for turn in turns[1:]:
        result = quat.mul(result, turn)
    return result


def gestures(
    seed: int = 0,
    frames: int = 60,
    layout: str = "ted_expressive",
    fps: float = 15.0,
    turns: dict | None = None,
) -> Motion:
    """Arms that rise, bend and twist, hands that turn and close, a chest and a head that move.

    ``turns``: if given, receives the rotations (T, 4) from the T-pose that the directions were made of:
    ``chest``, ``head`` and for ``L`` and ``R`` those of ``upper_arm`` and ``hand``.
    """
    turns = {} if turns is None else turns
    generator = np.random.default_rng(seed)
    times = np.arange(frames) / fps

    def wave(low: float, high: float) -> np.ndarray:
        return _wave(generator, times, low, high)

    x, y, z = 0, 1, 2
    rest = neutral(layout)
    chest = _chain(_turn(y, wave(-20, 20)), _turn(x, wave(-8, 12)), _turn(z, wave(-8, 8)))
    head = _chain(chest, _turn(y, wave(-35, 35)), _turn(x, wave(-15, 20)), _turn(z, wave(-12, 12)))
    turns.update(chest=chest, head=head)
    turned: dict[tuple[str, str], np.ndarray] = {}
    for pair, direction in rest.items():
        turned[pair] = quat.rotate(head if pair[0] in ("nose", "left_eye", "right_eye") else chest, direction)
    turned[("neck", "nose")] = quat.rotate(quat.slerp(chest, head, 0.8), rest[("neck", "nose")])
    for side, sign in (("left", 1.0), ("right", -1.0)):
        clavicle = _chain(chest, _turn(z, sign * wave(-3, 12)), _turn(y, -sign * wave(-5, 12)))
        turned[("neck", f"{side}_shoulder")] = quat.rotate(clavicle, rest[("neck", f"{side}_shoulder")])
        lowered = _turn(z, -sign * wave(20, 75))
        upper = _chain(chest, lowered, _turn(y, -sign * wave(-15, 60)), _turn(x, -wave(-10, 50)))
        elbow = _chain(upper, _turn(y, -sign * wave(5, 125)))
        wrist = _chain(
            elbow, _turn(x, wave(-60, 60)), _turn(z, sign * wave(-50, 50)), _turn(y, sign * wave(-15, 15))
        )
        turns[{"left": "L", "right": "R"}[side]] = {"upper_arm": upper, "hand": wrist}
        turned[(f"{side}_shoulder", f"{side}_elbow")] = quat.rotate(upper, sign * AXES[x])
        turned[(f"{side}_elbow", f"{side}_wrist")] = quat.rotate(elbow, sign * AXES[x])
        if layout == "ted":
            continue
        for finger in FINGERS:
            curl = wave(0, 85) if finger != "thumb" else wave(0, 25)
            turn = wrist
            chain = [f"{side}_wrist", *(f"{side}_{finger}{i}" for i in (1, 2, 3))]
            for index, pair in enumerate(itertools.pairwise(chain)):
                if index:
                    turn = _chain(turn, _turn(z, -sign * curl * (0.8 if index == 1 else 1.1)))
                turned[pair] = quat.rotate(turn, rest[pair])
    return build_motion(turned, layout, fps)
