# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands and head of a motion in the chest's frame, and the moments at which a hand arrives.

Positions are metres from the middle of the shoulders, made of directions with one common set of bone lengths. What
each gesture looks like is in ``cue_tests``.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from ..motion.skeletons import Skeleton, directions_to_joints, normalize
from .anatomy import body_frame, human_lengths

FloatArray = np.ndarray

SIDES: Final = ("left", "right")
FINGERS: Final = ("index", "middle", "ring", "pinky")
_RESTING: Final = -0.40
_PEAK: Final = 0.30
_STOPPED: Final = 0.35


@dataclass(frozen=True, eq=False)
class Hand:
    """One arm in the chest's frame, with x mirrored so that it counts outwards for both: arrays (T, ...)."""

    side: str
    wrist: FloatArray
    centre: FloatArray
    tip: FloatArray
    fingers: FloatArray
    palm: FloatArray
    index: FloatArray
    thumb: FloatArray
    forearm: FloatArray
    upper_arm: FloatArray
    pinch: FloatArray
    """(T,) metres between the last joints of thumb and index finger."""
    curls: FloatArray
    """(T, 4) degrees between the hand and the last bones of index, middle, ring and little finger."""

    @cached_property
    def raised(self) -> FloatArray:
        return self.wrist[:, 1] > _RESTING


@dataclass(frozen=True, eq=False)
class Body:
    """A motion as hands and head at ``fps``."""

    fps: float
    hands: tuple[Hand, Hand]
    head: FloatArray
    """(T, 3) degrees of the face in the chest's frame: yaw, pitch (up), roll."""

    def hand(self, side: str) -> Hand:
        return self.hands[SIDES.index(side)]


def body_of(directions: FloatArray, skeleton: Skeleton, fps: float) -> Body:
    """The hands and the head of directions (T, B, 3) in the public frame."""
    directions = normalize(directions.astype(np.float64))
    frame = body_frame(directions, skeleton)
    local = np.einsum("tij,tbj->tbi", frame, directions)
    joints = directions_to_joints(local, skeleton, human_lengths(skeleton))
    place = {name: k for k, name in enumerate(skeleton.joint_names)}
    middle = 0.5 * (joints[:, place["left_shoulder"]] + joints[:, place["right_shoulder"]])
    bone = {name: local[:, k] for k, name in enumerate(skeleton.bone_names)}
    hands = []
    for side in SIDES:
        out = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])

        def point(name: str, side: str = side, out: FloatArray = out) -> FloatArray:
            return (joints[:, place[f"{side}_{name}"]] - middle) * out

        def way(a: str, b: str, side: str = side, out: FloatArray = out) -> FloatArray:
            return bone[f"{side}_{a}>{side}_{b}"] * out

        index, pinky, along = way("wrist", "index1"), way("wrist", "pinky1"), way("wrist", "middle1")
        palm = normalize(np.cross(pinky, index))
        curls = [degrees_between(along, way(f"{finger}2", f"{finger}3")) for finger in FINGERS]
        hands.append(
            Hand(
                side,
                point("wrist"),
                0.5 * (point("wrist") + point("middle1")),
                point("index3"),
                along,
                palm,
                way("index2", "index3"),
                way("thumb2", "thumb3"),
                way("elbow", "wrist"),
                way("shoulder", "elbow"),
                np.linalg.norm(point("index3") - point("thumb3"), axis=-1),
                np.stack(curls, axis=-1),
            )
        )
    across = normalize(bone["nose>left_eye"] - bone["nose>right_eye"])
    nose = bone["neck>nose"]
    yaw = np.degrees(np.arctan2(across[:, 2], across[:, 0]))
    pitch = np.degrees(np.arctan2(nose[:, 1], nose[:, 2]))
    roll = np.degrees(np.arctan2(across[:, 1], np.hypot(across[:, 0], across[:, 2])))
    return Body(fps, (hands[0], hands[1]), np.stack([yaw, pitch, roll], axis=-1))


def degrees_between(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.degrees(np.arccos(np.clip((a * b).sum(-1), -1.0, 1.0)))


def angle_to(vectors: FloatArray, x: float, y: float, z: float) -> FloatArray:
    """(T,) degrees between vectors and (outwards, up, forward)."""
    target = np.array([x, y, z]) / np.linalg.norm([x, y, z])
    return np.degrees(np.arccos(np.clip(vectors @ target, -1.0, 1.0)))


def arrivals(body: Body, side: str) -> FloatArray:
    """Frames (N,) at which a hand has come to where it was going: slow again after a peak of its speed."""
    hand = body.hand(side)
    speed = np.linalg.norm(np.gradient(hand.wrist, axis=0), axis=-1) * body.fps
    found, at = [], 0
    while at < len(speed) - 1:
        if speed[at] < _PEAK or speed[at] < speed[max(at - 1, 0)] or speed[at] < speed[at + 1]:
            at += 1
            continue
        peak = at
        while (
            at < len(speed) - 1
            and speed[at] > _STOPPED * speed[peak]
            and not (
                speed[at] > speed[peak] or (at > peak and speed[at] <= speed[at - 1] and speed[at] < speed[at + 1])
            )
        ):
            at += 1
        if speed[at] <= speed[peak]:
            found.append(at)
        at = max(at, peak + 1)
    return np.array(found, dtype=int)
