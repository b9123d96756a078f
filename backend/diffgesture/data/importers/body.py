# SPDX-License-Identifier: GPL-3.0-or-later
"""From the joints of any skeleton to the bone directions of a layout, in the public frame.

Which way is up is seen from the trunk, which way is ahead from hips or shoulders, left and right from the names.
A skeleton without face landmarks gets nose, eyes and ears that are rigid on its head; one without fingers gets
slightly curled ones that are rigid on its hand. Only directions leave this module, so units do not matter.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfiltfilt

from ...errors import DataError
from ...motion import rotation
from ...motion.armature import Armature
from ...motion.joint_names import FINGERS, SIDES, JointMap
from ...motion.skeletons import Skeleton, neutral_directions, normalize
from .resample import sample_linear

FloatArray = np.ndarray

# Proportions, per length of the arm (shoulder to wrist), of an adult: trunk bone, nose from the base of the neck,
# and the base of the neck above the line between the shoulders when there is no joint for it.
_SPINE_TO_NECK: Final = 0.55
_NECK_TO_NOSE: Final = 0.39
_SHOULDERS_TO_NECK: Final = 0.085
# The heading is followed slowly, so that turns of the trunk while standing stay in the motion.
_HIP_SECONDS: Final = 0.5
_SHOULDER_SECONDS: Final = 2.0
_SHORTEST_FILTERED: Final = 16
# A relaxed finger: how far middle and last joint are bent, degrees.
_CURL: Final = (0.0, 20.0, 40.0)
_UP: Final = np.array([0.0, 1.0, 0.0])


@dataclass
class Body:
    """Named joints (T, 3) of one performance, in any units and axes, at ``fps``.

    Parts: neck, head, pelvis, ``{side}_shoulder`` (of the upper arm), ``_elbow``, ``_wrist``, ``_hip`` and
    ``{side}_{finger}{1..3}``; ``spine`` lists the trunk joints from the hips upwards. ``turns``: global rotations
    (T, 4) of "pelvis", "head", "left_wrist" and "right_wrist" relative to the ``rest`` pose, joints (3,).
    """

    fps: float
    joints: dict[str, FloatArray]
    spine: list[FloatArray]
    turns: dict[str, FloatArray] = field(default_factory=dict)
    rest: dict[str, FloatArray] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def frames(self) -> int:
        return len(self.joints["left_wrist"])

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


def named_body(armature: Armature, joint_map: JointMap) -> Body:
    """The parts of the body among an armature's joints."""
    parts, positions = joint_map.parts, armature.positions
    body = Body(
        armature.fps,
        {part: positions[:, j] for part, j in parts.items()},
        [positions[:, j] for j in joint_map.spine],
    )
    if armature.rotations is not None and armature.rest is not None:
        turning = [part for part in ("pelvis", "head", "left_wrist", "right_wrist") if part in parts]
        body.turns = {part: armature.rotations[:, parts[part]] for part in turning}
        body.rest = {part: armature.rest[j] for part, j in parts.items()}
    return body


def layout_directions(body: Body, skeleton: Skeleton, fps: float, *, low_pass: bool = False) -> FloatArray:
    """Unit directions (T, B, 3) of ``skeleton`` in the public frame at ``fps``; adds remarks to ``body.notes``.

    T is the body's length in seconds times ``fps``. ``low_pass``: what is faster than ``fps`` can show is taken
    away before frames are left out; otherwise they are picked as they are, as published. Raises DataError for
    joints that are not numbers or coincide.
    """
    for part, track in body.joints.items():
        if not np.isfinite(track).all():
            frame = int(np.nonzero(~np.isfinite(track).all(axis=1))[0][0])
            raise DataError(f"joint '{part}', frame {frame}: the position is not a number")
    body = _at_rate(_without_fast(body, fps) if low_pass else body, fps)
    _complete(body)
    body = _upright_and_ahead(body)
    bones = _arm_bones(body)
    bones |= _face_bones(body, skeleton)
    if skeleton.name == "ted_expressive":
        bones |= _finger_bones(body, skeleton)
    lengths = {name: np.linalg.norm(bones[name], axis=1) for name in skeleton.bone_names}
    for name, length in lengths.items():
        if not length.min() > 0:
            raise DataError(f"bone '{name}', frame {int(np.argmin(length))}: its ends coincide")
    return normalize(np.stack([bones[name] for name in skeleton.bone_names], axis=1))


def _without_fast(body: Body, fps: float) -> Body:
    """The body without frequencies above 0.45 ``fps`` (Butterworth of fourth order, forwards and backwards)."""
    if body.fps <= fps or body.frames < _SHORTEST_FILTERED:
        return body
    sections = butter(4, 0.45 * fps, fs=body.fps, output="sos")

    def smooth(track: FloatArray) -> FloatArray:
        return sosfiltfilt(sections, track.astype(float), axis=0)

    def smooth_turn(turn: FloatArray) -> FloatArray:
        # One sign for each rotation, so that neighbours can be averaged.
        flips = np.sign((turn[1:] * turn[:-1]).sum(-1))
        signs = np.concatenate([[1.0], np.cumprod(np.where(flips == 0, 1.0, flips))])
        return normalize(smooth(turn * signs[:, None]))

    return Body(
        body.fps,
        {part: smooth(track) for part, track in body.joints.items()},
        [smooth(track) for track in body.spine],
        {part: smooth_turn(turn) for part, turn in body.turns.items()},
        body.rest,
        body.notes,
    )


def _at_rate(body: Body, fps: float) -> Body:
    places = np.arange(round(body.seconds * fps)) * body.fps / fps
    return Body(
        fps,
        {part: sample_linear(track.astype(float), places) for part, track in body.joints.items()},
        [sample_linear(track.astype(float), places) for track in body.spine],
        {part: rotation.sample(turn.astype(float), places) for part, turn in body.turns.items()},
        body.rest,
        body.notes,
    )


def _arm_length(joints: dict[str, FloatArray]) -> float:
    """Median length of upper arm and forearm together."""
    lengths = []
    for side in SIDES:
        shoulder, elbow, wrist = (joints[f"{side}_{part}"] for part in ("shoulder", "elbow", "wrist"))
        lengths.append(np.linalg.norm(elbow - shoulder, axis=-1) + np.linalg.norm(wrist - elbow, axis=-1))
    return float(np.median(lengths))


def _complete(body: Body) -> None:
    """Adds the joints "spine" and, if there is none, "neck"."""
    arm = _arm_length(body.joints)
    if not arm > 0:
        raise DataError("the arms have no length")
    if "neck" not in body.joints:
        middle = 0.5 * (body.joints["left_shoulder"] + body.joints["right_shoulder"])
        body.joints["neck"] = middle + _SHOULDERS_TO_NECK * arm * normalize(middle - body.spine[0])
    neck = body.joints["neck"]
    distances = [float(np.median(np.linalg.norm(neck - track, axis=1))) / arm for track in body.spine]
    candidates = [(abs(d - _SPINE_TO_NECK), k) for k, d in enumerate(distances) if d > 0.1]
    if not candidates:
        raise DataError("there is no trunk joint below the neck")
    body.joints["spine"] = body.spine[min(candidates)[1]]


def _upright_and_ahead(body: Body) -> Body:
    """The body turned so that +Y is up and hips (or shoulders) face +Z."""
    trunk = np.mean(body.joints["neck"] - body.spine[0], axis=0)
    axis = int(np.argmax(np.abs(trunk)))
    up = np.sign(trunk[axis]) * np.eye(3)[axis]
    upright = rotation.between(up, _UP) if up[1] > -1 else rotation.about(np.eye(3)[0], np.pi)
    if axis != 1:
        body.notes.append(f"{'-' if up[axis] < 0 else ''}{'xyz'[axis]} is up")
    left, seconds = _left(body)
    left = rotation.rotate(upright, left)
    # Ahead is left x up: (-left_z, 0, left_x); its angle about +Y from +Z is the heading.
    heading = np.unwrap(np.arctan2(-left[:, 2], left[:, 0]))
    heading = gaussian_filter1d(heading, seconds * body.fps, mode="nearest")
    turn = rotation.mul(rotation.about(_UP, -heading), upright)
    joints = {part: rotation.rotate(turn, track) for part, track in body.joints.items()}
    spine = [rotation.rotate(turn, track) for track in body.spine]
    turns = {part: rotation.mul(turn, track) for part, track in body.turns.items()}
    result = Body(body.fps, joints, spine, turns, body.rest, body.notes)
    reach = np.mean([joints[f"{side}_wrist"] - joints["neck"] for side in SIDES], axis=(0, 1))
    if reach[2] < -0.15 * _arm_length(joints):
        result.notes.append("the hands are behind the back on average: are left and right swapped?")
    return result


def _left(body: Body) -> tuple[FloatArray, float]:
    """(the body's left side (T, 3) in its own axes, how slowly it is followed in seconds)."""
    if "left_hip" in body.joints and "right_hip" in body.joints:
        return body.joints["left_hip"] - body.joints["right_hip"], _HIP_SECONDS
    rest = _rest_frame(body)
    if rest is not None and "pelvis" in body.turns:
        return rotation.rotate(body.turns["pelvis"], np.broadcast_to(rest[:, 0], (body.frames, 3))), _HIP_SECONDS
    return body.joints["left_shoulder"] - body.joints["right_shoulder"], _SHOULDER_SECONDS


def _arm_bones(body: Body) -> dict[str, FloatArray]:
    joints = body.joints
    pairs = [("spine", "neck")]
    for side in SIDES:
        chain = ["neck", *(f"{side}_{part}" for part in ("shoulder", "elbow", "wrist"))]
        pairs += list(pairwise(chain))
    return {f"{a}>{b}": joints[b] - joints[a] for a, b in pairs}


def _frame(left: FloatArray, up: FloatArray) -> FloatArray:
    """(..., 3, 3) matrices with the columns left, up, ahead; ``up`` is kept, ``left`` made perpendicular."""
    up = normalize(up)
    left = normalize(left - np.sum(left * up, axis=-1, keepdims=True) * up)
    return np.stack([left, up, np.cross(left, up)], axis=-1)


def _trunk_frame(joints: dict[str, FloatArray]) -> FloatArray:
    return _frame(joints["left_shoulder"] - joints["right_shoulder"], joints["neck"] - joints["spine"])


def _rest_frame(body: Body) -> FloatArray | None:
    """Left, up and ahead (3, 3) of the rest pose, None when that is not a person who stands upright."""
    rest = body.rest
    needed = ("neck", "pelvis", "head", "left_shoulder", "right_shoulder")
    if any(part not in rest for part in needed):
        return None
    up, left = rest["neck"] - rest["pelvis"], rest["left_shoulder"] - rest["right_shoulder"]
    head = rest["head"] - rest["neck"]
    sizes = np.linalg.norm([up, left, head], axis=1)
    if sizes.min() < 1e-6 * max(sizes.max(), 1e-12):
        return None
    if abs(up @ left) > 0.3 * sizes[0] * sizes[1] or up @ head < 0.5 * sizes[0] * sizes[2]:
        return None
    return _frame(left, up)


def _matrices(turns: FloatArray) -> FloatArray:
    """Rotations (T, 4) to matrices (T, 3, 3)."""
    return np.stack([rotation.rotate(turns, np.broadcast_to(axis, (len(turns), 3))) for axis in np.eye(3)], -1)


def _head_frame(body: Body) -> FloatArray:
    """Left, up and ahead (T, 3, 3) of the head."""
    trunk = _trunk_frame(body.joints)
    if "head" not in body.turns:
        body.notes.append("no rotation of the head: it follows the trunk")
        return trunk
    turns = _matrices(body.turns["head"])
    rest = _rest_frame(body)
    if rest is not None:
        return turns @ rest
    # No usable rest pose: on average, the head looks where the trunk faces.
    body.notes.append("the rest pose does not stand upright: the head is measured from its mean")
    u, _, vt = np.linalg.svd(np.einsum("tji,tjk->ik", turns, trunk))
    return turns @ (u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt)


def _face_bones(body: Body, skeleton: Skeleton) -> dict[str, FloatArray]:
    neutral = dict(zip(skeleton.bone_names, neutral_directions(skeleton), strict=True))
    frame = _head_frame(body)
    length = _NECK_TO_NOSE * _arm_length(body.joints)
    nose = length * neutral["neck>nose"]
    if "head" in body.joints:
        offset = body.joints["head"] - body.joints["neck"]
        rest = _rest_frame(body)
        scale = _arm_length(body.joints) / (_arm_length(body.rest) or 1.0) if rest is not None else 1.0
        if rest is not None:
            still = scale * (body.rest["head"] - body.rest["neck"]) @ rest
        else:
            still = np.mean(np.einsum("tji,tj->ti", frame, offset), axis=0)
        bones = {"neck>nose": offset + frame @ (nose - still)}
    else:
        bones = {"neck>nose": frame @ nose}
    for name, direction in neutral.items():
        if name.startswith(("nose", "left_eye", "right_eye")):
            bones[name] = frame @ direction
    return bones


def _finger_bones(body: Body, skeleton: Skeleton) -> dict[str, FloatArray]:
    bones, missing = {}, []
    for side in SIDES:
        relaxed: dict[str, FloatArray] | None = None
        for finger in FINGERS:
            chain = [f"{side}_wrist", *(f"{side}_{finger}{k}" for k in (1, 2, 3))]
            pairs = list(pairwise(chain))
            if all(part in body.joints for part in chain):
                bones |= {f"{a}>{b}": body.joints[b] - body.joints[a] for a, b in pairs}
                continue
            missing.append(f"{side} {finger}")
            relaxed = relaxed or _relaxed_hand(body, skeleton, side)
            bones |= {f"{a}>{b}": relaxed[f"{a}>{b}"] for a, b in pairs}
    if missing:
        which = "all fingers" if len(missing) == 2 * len(FINGERS) else ", ".join(missing)
        body.notes.append(f"{which} missing: given a relaxed curl")
    return bones


def _relaxed_hand(body: Body, skeleton: Skeleton, side: str) -> dict[str, FloatArray]:
    """Bones of a relaxed hand that is rigid on the wrist: the T-pose's hand, its fingers bent a little."""
    frame = _hand_frame(body, side)
    neutral = dict(zip(skeleton.bone_names, neutral_directions(skeleton), strict=True))
    sign = 1.0 if side == "left" else -1.0
    bones = {}
    for finger in FINGERS:
        chain = [f"{side}_wrist", *(f"{side}_{finger}{k}" for k in (1, 2, 3))]
        for k, (a, b) in enumerate(pairwise(chain)):
            # In the T-pose fingers bend about z; the thumb stays as it is.
            angle = 0.0 if finger == "thumb" else -sign * np.deg2rad(_CURL[k])
            direction = rotation.rotate(rotation.about(np.eye(3)[2], angle), neutral[f"{a}>{b}"])
            bones[f"{a}>{b}"] = frame @ direction
    return bones


def _hand_frame(body: Body, side: str) -> FloatArray:
    """(T, 3, 3): turns what is said of a hand in the T-pose (public frame) to where the hand is."""
    out = np.array([1.0 if side == "left" else -1.0, 0.0, 0.0])
    shoulder, elbow, wrist = (f"{side}_{part}" for part in ("shoulder", "elbow", "wrist"))
    rest = _rest_frame(body)
    if rest is not None and wrist in body.turns and {elbow, wrist} <= set(body.rest):
        forearm = normalize((body.rest[wrist] - body.rest[elbow]) @ rest)
        if forearm @ out > -0.9:
            from_t_pose = _matrices(rotation.between(out, forearm)[None])[0]
            return _matrices(body.turns[wrist]) @ rest @ from_t_pose
    # Without it, the least turn from the T-pose: the upper arm's, then the elbow's.
    trunk = _trunk_frame(body.joints)
    upper = normalize(body.joints[elbow] - body.joints[shoulder])
    fore = normalize(body.joints[wrist] - body.joints[elbow])
    upper_in_trunk = np.einsum("tji,tj->ti", trunk, upper)
    raised = _least_turn(np.broadcast_to(out, upper.shape), upper_in_trunk)
    return _least_turn(upper, fore) @ trunk @ raised


def _least_turn(start: FloatArray, end: FloatArray) -> FloatArray:
    """Matrices (T, 3, 3) of the smallest rotations between unit vectors; opposite ones are kept just off."""
    axis = np.where(np.abs(start[:, :1]) < 0.9, np.eye(3)[0], np.eye(3)[1])
    opposite = np.sum(start * end, axis=1, keepdims=True) < -0.999
    nearly = normalize(end + 0.06 * normalize(np.cross(start, axis)))
    return _matrices(rotation.between(start, np.where(opposite, nearly, end)))
