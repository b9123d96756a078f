# SPDX-License-Identifier: GPL-3.0-or-later
"""Pointing and looking at something: arm, hand and head of a motion turned to a place, frame by frame. NumPy only.

What is measured (shoulders, head, lengths) comes from the evaluated rig, so the ray through the finger meets the
target on this character. Between the motion and the aim the directions are led over with the least jerk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from ..motion import Motion
from ..rig import quaternion as quat
from .torso import SIDE_NAMES, chest_rotations, head_rotations

FloatArray = np.ndarray

_RISE, _HOLD, _FALL = 0.50, 0.70, 0.60
"""Seconds from the motion to the aim, of the aim, and back."""
_OUTWARD, _ACROSS, _UP, _DOWN = np.radians(118.0), np.radians(40.0), np.radians(75.0), np.radians(70.0)
"""How far an arm points from straight ahead, to its own side and across, upwards and downwards."""
_YAW, _PITCH = np.radians(70.0), np.radians(40.0)
_HEAD_SHARE: Final = 0.9
_CALM: Final = 0.6
"""Seconds over which the head's own movement is averaged: what is faster, as a nod, stays."""
_ELBOW: Final = np.radians(7.0)
_NEARLY_AHEAD: Final = 0.04
# Bends of the curled fingers' first and second bones towards the palm, and where the thumb lies across them.
_CURLED: Final = np.radians([75.0, 170.0])


@dataclass(frozen=True)
class Aim:
    """``kind`` "point" or "look", at ``target`` (T, 3), from ``time`` (s) on; ``label`` for what is said.

    Places are in the public frame about the armature's origin, in its units: ``shoulders`` side -> (T, 3),
    ``head`` (T, 3). ``chest`` (T, 4): what the trunk is turned beyond the motion. ``lengths`` of ``upper_arm.L``
    and so on.
    """

    kind: str
    time: float
    label: str
    target: FloatArray
    shoulders: Mapping[str, FloatArray]
    head: FloatArray
    chest: FloatArray
    lengths: Mapping[str, float]


def window(motion: Motion, time: float) -> FloatArray:
    """(T,) 0..1: how much of the aim each frame has."""
    seconds = np.arange(motion.num_frames) / motion.fps - time
    return _ease((seconds + _RISE) / _RISE) * (1.0 - _ease((seconds - _HOLD) / _FALL))


def aimed(motion: Motion, aims: list[Aim]) -> tuple[Motion, list[str]]:
    """The motion with all aims, and a sentence for each target that cannot be reached."""
    told = []
    for aim in aims:
        step = _pointed if aim.kind == "point" else _looked
        motion, sentence = step(motion, aim)
        told += [sentence] if sentence else []
    return motion, told


def _ease(x: FloatArray) -> FloatArray:
    x = np.clip(x, 0.0, 1.0)
    return x**3 * (10.0 - 15.0 * x + 6.0 * x**2)


def _in_motion(aim: Aim, vectors: FloatArray) -> FloatArray:
    """Directions that the rig shows, as the motion must say them."""
    return quat.rotate(quat.inv(aim.chest), vectors)


def _pointed(motion: Motion, aim: Aim) -> tuple[Motion, str]:
    weight = window(motion, aim.time)
    at = int(np.clip(round(aim.time * motion.fps), 0, motion.num_frames - 1))
    chest = chest_rotations(motion)
    side = _nearer(aim, chest, at)
    if side is None:
        return motion, f"{aim.label}: the character has no arm to point with."
    sign = 1.0 if side == "L" else -1.0
    shoulder = aim.shoulders[side]
    wanted = _in_motion(aim, quat.normalize(aim.target - shoulder))
    way, beyond = _within_reach(quat.rotate(quat.inv(chest), wanted), sign)
    way = quat.rotate(chest, way)
    sentence = ""
    if beyond[at]:
        sentence = (
            f"{aim.label}: the target is behind the body or out of the arm's reach at {aim.time:.2f} s, so the "
            "arm points as far as it can; turn the character, or point from elsewhere."
        )
    # A target out of reach is pointed at in the direction that the arm can take, equally far away.
    distance = np.linalg.norm(aim.target - shoulder, axis=-1, keepdims=True)
    target = np.where(beyond[:, None], way * distance, wanted * distance)  # seen from the shoulder
    outward = quat.rotate(chest, np.array([sign, 0.0, 0.0]))
    sag = quat.normalize(_across(0.35 * outward - np.array([0.0, 1.0, 0.0]), way))
    upper = quat.normalize(np.cos(_ELBOW) * way + np.sin(_ELBOW) * sag)
    elbow = upper * aim.lengths[f"upper_arm.{side}"]
    fore = quat.normalize(target - elbow)
    wrist = elbow + fore * aim.lengths.get(f"forearm.{side}", 0.0)
    along = quat.normalize(target - wrist)
    palm = quat.normalize(_across(-0.8 * np.array([0.0, 1.0, 0.0]) - 0.6 * outward, along))
    turn = quat.mul(
        quat.from_two_axes(along, palm),
        quat.inv(quat.from_two_axes(np.array([sign, 0.0, 0.0]), np.array([0.0, -1.0, 0.0]))),
    )
    name = SIDE_NAMES[side]
    aims: dict[tuple[str, str], FloatArray] = {
        (f"{name}_shoulder", f"{name}_elbow"): upper,
        (f"{name}_elbow", f"{name}_wrist"): fore,
    }
    for finger in ("index", "middle", "ring", "pinky", "thumb"):
        root = motion.bone(f"{name}_wrist", f"{name}_{finger}1")
        if root is None:
            continue
        knuckle = quat.rotate(turn, motion.neutral_directions[root])
        aims[f"{name}_wrist", f"{name}_{finger}1"] = knuckle
        bends = [np.cos(bend) * along + np.sin(bend) * palm for bend in _CURLED]
        if finger == "index":
            start = wrist + quat.rotate(turn, _knuckle(motion, aim, side, root))
            bends = [quat.normalize(target - start)] * 2
        elif finger == "thumb":
            across = np.cross(palm, along) * sign
            bends = [
                quat.normalize(0.7 * along + 0.6 * palm + 0.3 * across),
                quat.normalize(along + palm - across),
            ]
        for joint, bend in enumerate(bends, 1):
            aims[f"{name}_{finger}{joint}", f"{name}_{finger}{joint + 1}"] = bend
    return _led(motion, aims, weight), sentence


def _knuckle(motion: Motion, aim: Aim, side: str, root: int) -> FloatArray:
    """(3,) from the wrist to the index finger's root, of a hand that lies as in the neutral pose."""
    return motion.neutral_directions[root] * aim.lengths.get(f"hand.{side}", 0.0)


def _nearer(aim: Aim, chest: FloatArray, at: int) -> str | None:
    sides = list(aim.shoulders)
    if len(sides) < 2:
        return sides[0] if sides else None
    middle = 0.5 * (aim.shoulders["L"][at] + aim.shoulders["R"][at])
    aside = quat.rotate(quat.inv(quat.mul(aim.chest[at], chest[at])), quat.normalize(aim.target[at] - middle))[0]
    # Straight ahead both are as near; people take the right one.
    return "L" if aside > _NEARLY_AHEAD else "R"


def _within_reach(way: FloatArray, sign: float) -> tuple[FloatArray, FloatArray]:
    """Directions (T, 3) in the chest's frame brought into what an arm can point at, and which of them were not."""
    azimuth = np.arctan2(sign * way[:, 0], way[:, 2])
    height = np.arcsin(np.clip(way[:, 1], -1.0, 1.0))
    turned, raised = np.clip(azimuth, -_ACROSS, _OUTWARD), np.clip(height, -_DOWN, _UP)
    beyond = (np.abs(turned - azimuth) > 1e-6) | (np.abs(raised - height) > 1e-6)
    flat = np.cos(raised)
    reached = np.stack([sign * np.sin(turned) * flat, np.sin(raised), np.cos(turned) * flat], axis=-1)
    return np.where(beyond[:, None], reached, way), beyond


def _across(vectors: FloatArray, axis: FloatArray) -> FloatArray:
    return vectors - np.sum(vectors * axis, axis=-1, keepdims=True) * axis


def _led(motion: Motion, aims: Mapping[tuple[str, str], FloatArray], weight: FloatArray) -> Motion:
    """The motion with some bones led over to directions (T, 3) by ``weight`` (T,)."""
    directions = motion.directions.copy()
    for pair, aim in aims.items():
        bone = motion.bone(*pair)
        if bone is not None:
            arc = quat.between(directions[:, bone], aim)
            directions[:, bone] = quat.rotate(quat.power(arc, weight), directions[:, bone])
    return replace(motion, directions=quat.normalize(directions))


def _looked(motion: Motion, aim: Aim) -> tuple[Motion, str]:
    at = int(np.clip(round(aim.time * motion.fps), 0, motion.num_frames - 1))
    wanted = _in_motion(aim, quat.normalize(aim.target - aim.head))
    turned, beyond = look_towards(motion, wanted, window(motion, aim.time))
    sentence = ""
    if beyond[at]:
        sentence = (
            f"{aim.label}: the target is too far aside at {aim.time:.2f} s; the head turns as far as it can."
        )
    return turned, sentence


def look_towards(motion: Motion, wanted: FloatArray, weight: FloatArray) -> tuple[Motion, FloatArray]:
    """The motion with the head turned to directions (T, 3) by ``weight`` (T,), and where (T,) it cannot go on."""
    chest = chest_rotations(motion)
    head = head_rotations(motion, chest)
    seen = quat.rotate(quat.inv(chest), wanted)
    yaw, pitch = np.arctan2(seen[:, 0], seen[:, 2]), np.arcsin(np.clip(seen[:, 1], -1.0, 1.0))
    turned, raised = np.clip(yaw, -_YAW, _YAW), np.clip(pitch, -_PITCH, _PITCH)
    beyond = (np.abs(turned - yaw) > 1e-6) | (np.abs(raised - pitch) > 1e-6)
    flat = np.cos(raised)
    way = quat.rotate(chest, np.stack([np.sin(turned) * flat, np.sin(raised), np.cos(turned) * flat], axis=-1))
    # The head's slow turning gives way to the look; what is quick, as a nod, stays on top of it.
    facing = quat.normalize(averaged(quat.rotate(head, np.array([0.0, 0.0, 1.0])), _CALM * motion.fps))
    turn = quat.power(quat.between(facing, way), _HEAD_SHARE * weight)
    directions = motion.directions.copy()
    for bone, (_, child) in enumerate(motion.bone_pairs):
        if motion.joint_names[child].endswith(("nose", "_eye", "_ear")) or motion.joint_names[child] == "head":
            directions[:, bone] = quat.rotate(turn, directions[:, bone])
    return replace(motion, directions=directions), beyond


def averaged(values: FloatArray, frames: float) -> FloatArray:
    """(T, 3) averaged with a Gaussian of this many frames."""
    radius = max(1, int(2.5 * frames))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(frames, 1e-6)) ** 2)
    kernel /= kernel.sum()
    padded = np.concatenate([values[:1].repeat(radius, 0), values, values[-1:].repeat(radius, 0)])
    return np.stack([np.convolve(padded[:, k], kernel, mode="valid") for k in range(values.shape[1])], axis=-1)
