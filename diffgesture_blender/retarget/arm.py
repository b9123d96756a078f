# SPDX-License-Identifier: GPL-3.0-or-later
"""Arms: where they point is the model's word, how they roll is anatomy's.

Directions leave the roll about each bone open. It is set by the hinge of the elbow for the upper arm and by the
palm for the hand; the forearm takes a part of the turn between them, which ``limb`` shares out over its bones. All
are measured against the same anatomical reference at rest and in motion, so it does not matter in which pose the
rig was built.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ..errors import DiffGestureError
from ..motion import Motion
from ..rig import quaternion as quat
from .rest import RestBody
from .torso import SIDE_NAMES

FloatArray = np.ndarray

# Sine of the elbow's bend between which its plane goes from meaningless to certain.
_BEND_SINES: Final = (0.05, 0.30)
# Weights of the smoothing of the hinge over time (per 1/15 s) and of the anatomical default against the plane.
_HINGE_SMOOTHING: Final = 0.3
_HINGE_DEFAULT: Final = 0.02
# No forearm turns farther from the thumb-up position than this, whatever a capture says.
_PRONATION_LIMIT: Final = np.radians(135)
# Without a palm in the layout, hands are held half-way between thumb up and palm down.
_RELAXED_PRONATION: Final = np.radians(35)
_KNUCKLES: Final = ("index", "middle", "ring", "pinky")


@dataclass(frozen=True)
class ArmTurns:
    """How an arm goes over time, in the public frame.

    (T, 4) turns from rest: ``upper_arm`` without any twist, ``forearm`` as it leaves the elbow, ``hand``. (T,)
    radians that ``upper_arm_twist`` reaches at the elbow and ``forearm_twist`` at the wrist, about the (T, 3)
    directions ``upper_arm_aim`` and ``forearm_aim``. (T, 3) ``along`` the hand and out of the ``palm``.
    """

    upper_arm: FloatArray
    upper_arm_twist: FloatArray
    upper_arm_aim: FloatArray
    forearm: FloatArray
    forearm_twist: FloatArray
    forearm_aim: FloatArray
    hand: FloatArray
    along: FloatArray
    palm: FloatArray


def default_hinge(upper_arm: FloatArray, side: str) -> FloatArray:
    """(..., 3) elbow axis of an arm that was raised from an A-pose by the shortest arc.

    Turning about it bends the elbow. In the A-, T- and I-pose this is the axis that brings the hand forwards.
    """
    sign = 1.0 if side == "L" else -1.0
    a_pose = np.array([sign, -1.0, 0.0]) / np.sqrt(2)
    axis = np.array([-1.0, -sign, 0.0]) / np.sqrt(2)
    arc = quat.between(np.broadcast_to(a_pose, upper_arm.shape), upper_arm)
    return quat.rotate(arc, np.broadcast_to(axis, upper_arm.shape))


def elbow_hinge(upper_arm: FloatArray, forearm: FloatArray, side: str, fps: float) -> FloatArray:
    """(T, 3) elbow axis over time: that of the arm's plane, smoothly the default where the elbow is straight.

    The plane's angle against the default is averaged as a unit vector in the plane across the upper arm,
    weighted by how far the elbow bends, with a penalty on its change between frames: it cannot flip.
    """
    first = default_hinge(upper_arm, side)
    second = np.cross(upper_arm, first)
    normal = np.cross(upper_arm, forearm)
    seen = np.stack([np.sum(normal * first, axis=-1), np.sum(normal * second, axis=-1)], axis=-1)
    sine = np.linalg.norm(seen, axis=-1)
    seen = seen / np.maximum(sine, 1e-9)[:, None]
    # An elbow cannot bend backwards: a plane far from the default is more likely noise than anatomy.
    weight = _smoothstep(sine, *_BEND_SINES) * _smoothstep(seen[:, 0], -1.0, -0.3)
    smoothing = _HINGE_SMOOTHING * (fps / 15.0) ** 2
    angle = _smooth_series(seen, weight, smoothing, np.array([_HINGE_DEFAULT, 0.0]), _HINGE_DEFAULT)
    angle = quat.normalize(angle)
    return angle[:, :1] * first + angle[:, 1:] * second


def _smooth_series(
    values: FloatArray, weights: FloatArray, smoothing: float, pull: FloatArray, pull_weight: float
) -> FloatArray:
    """Minimum over x of sum w |x - v|^2 + smoothing sum |x_t+1 - x_t|^2 + pull_weight |x - pull / pull_weight|^2.

    ``values`` (T, N), ``weights`` (T,). A tridiagonal system, solved by Thomas's algorithm.
    """
    count = len(values)
    neighbours = np.full(count, 2.0)
    neighbours[[0, -1]] = 1.0 if count > 1 else 0.0
    diagonal = (weights + pull_weight + smoothing * neighbours).tolist()
    right = weights[:, None] * values + pull
    ratios = np.zeros(count)
    for t in range(1, count):
        ratios[t] = smoothing / diagonal[t - 1]
        diagonal[t] -= smoothing * ratios[t]
        right[t] += ratios[t] * right[t - 1]
    right[-1] /= diagonal[-1]
    for t in range(count - 2, -1, -1):
        right[t] = (right[t] + smoothing * right[t + 1]) / diagonal[t]
    return right


def _rest_hinge(upper_arm: FloatArray, forearm: FloatArray, side: str) -> FloatArray:
    """(3,) elbow axis of the rest pose: its plane if the elbow is bent the right way, else the default."""
    default = default_hinge(upper_arm, side)
    normal = np.cross(upper_arm, forearm)
    sine = float(np.linalg.norm(normal))
    if sine < _BEND_SINES[0] or normal @ default < 0:
        return default
    weight = float(_smoothstep(np.array(sine), *_BEND_SINES))
    return quat.normalize((1 - weight) * default + weight * normal / sine)


def _smoothstep(x: FloatArray, low: float, high: float) -> FloatArray:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _twist(axis: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
    """(...) signed angle about the unit ``axis`` from ``start`` to ``end``."""
    sine = np.sum(axis * np.cross(start, end), axis=-1)
    cosine = np.sum(start * end, axis=-1) - np.sum(start * axis, axis=-1) * np.sum(end * axis, axis=-1)
    return np.arctan2(sine, cosine)


def _pronation(
    forearm: FloatArray, hinge: FloatArray, along: FloatArray, palm: FloatArray, sign: float
) -> FloatArray:
    """(...) twist of the hand against the elbow's hinge about the forearm, 0 with the thumb up.

    The wrist's bend is undone first, so that it is not taken for twist.
    """
    straightened = quat.rotate(quat.between(along, forearm), palm)
    return _twist(forearm, sign * hinge, straightened)


def _possible(pronation: FloatArray) -> FloatArray:
    """Pronation that a forearm passes on: all within the limit, beyond it ever less, none at half a turn.

    Continuous all around, so that a hand that is turned through its back brings no flip of the forearm.
    """
    beyond = _PRONATION_LIMIT * (np.pi - np.abs(pronation)) / (np.pi - _PRONATION_LIMIT)
    return np.sign(pronation) * np.minimum(np.abs(pronation), beyond)


def _palm(along: FloatArray, first: FloatArray, last: FloatArray, side: str) -> FloatArray:
    """Out of the palm, from the knuckles nearest to and farthest from the thumb, square to the hand."""
    normal = np.cross(last, first) if side == "L" else np.cross(first, last)
    return quat.normalize(normal - np.sum(normal * along, axis=-1, keepdims=True) * along)


def arm_bones(motion: Motion, side: str) -> tuple[int, int]:
    """The layout's bones of upper arm and forearm. DiffGestureError if it has none."""
    name = SIDE_NAMES[side]
    upper = motion.bone(f"{name}_shoulder", f"{name}_elbow")
    fore = motion.bone(f"{name}_elbow", f"{name}_wrist")
    if upper is None or fore is None:
        raise DiffGestureError(
            f"The motion's layout {motion.layout or '(unnamed)'} has no {name} arm; generate with another model."
        )
    return upper, fore


def solve_arm(body: RestBody, motion: Motion, side: str) -> ArmTurns:
    """Rotations of upper arm, forearm and hand of one side."""
    sign = 1.0 if side == "L" else -1.0
    upper, fore = (motion.directions[:, bone] for bone in arm_bones(motion, side))
    rest_upper = body.direction(f"upper_arm.{side}", f"forearm.{side}")
    has_hand = body.has(f"hand.{side}")
    if has_hand:
        rest_fore = body.direction(f"forearm.{side}", f"hand.{side}")
    else:
        rest_fore = body.leaf_direction(f"forearm.{side}", rest_upper, f"upper_arm.{side}")

    hinge = elbow_hinge(upper, fore, side, motion.fps)
    rest_hinge = _rest_hinge(rest_upper, rest_fore, side)
    upper_turn, upper_twist = _upper_arm(upper, hinge, rest_upper, rest_hinge, side)
    # The forearm swings from the upper arm: its hinge is the upper arm's, carried along by the bend.
    hinge = quat.rotate(quat.between(upper, fore), hinge)
    rest_hinge = quat.rotate(quat.between(rest_upper, rest_fore), rest_hinge)
    fore_turn = quat.mul(quat.from_two_axes(fore, hinge), quat.inv(quat.from_two_axes(rest_fore, rest_hinge)))
    if not has_hand:
        still = np.zeros(len(fore))
        return ArmTurns(
            upper_turn, upper_twist, upper, fore_turn, still, fore, fore_turn, along=fore, palm=sign * hinge
        )

    knuckles = _knuckle_bones(body, motion, side)
    rest_along, rest_palm = _rest_hand(body, side, list(knuckles), sign * rest_hinge, rest_fore)
    if knuckles:
        ends = {finger: motion.directions[:, bone] for finger, bone in knuckles.items()}
        along = ends["middle"] if "middle" in ends else quat.normalize(np.sum(list(ends.values()), axis=0))
        palm = _palm(along, ends[next(iter(ends))], ends[list(ends)[-1]], side)
    else:
        along = fore
        palm = quat.rotate(quat.from_axis_angle(fore, sign * _RELAXED_PRONATION), sign * hinge)
    hand_turn = quat.mul(quat.from_two_axes(along, palm), quat.inv(quat.from_two_axes(rest_along, rest_palm)))
    pronation = _pronation(fore, hinge, along, palm, sign)
    rest_pronation = _pronation(rest_fore, rest_hinge, rest_along, rest_palm, sign)
    fore_twist = _possible(pronation) - _possible(rest_pronation)
    return ArmTurns(upper_turn, upper_twist, upper, fore_turn, fore_twist, fore, hand_turn, along=along, palm=palm)


def _upper_arm(
    upper: FloatArray, hinge: FloatArray, rest_upper: FloatArray, rest_hinge: FloatArray, side: str
) -> tuple[FloatArray, FloatArray]:
    """(T, 4) turn of the upper arm as it leaves the shoulder, and (T,) its twist down to the elbow's hinge."""
    swung = quat.mul(
        quat.from_two_axes(upper, default_hinge(upper, side)),
        quat.inv(quat.from_two_axes(rest_upper, default_hinge(rest_upper, side))),
    )
    twist = _twist(upper, quat.rotate(swung, np.broadcast_to(rest_hinge, upper.shape)), hinge)
    return swung, np.unwrap(twist)


def _knuckle_bones(body: RestBody, motion: Motion, side: str) -> dict[str, int]:
    """Finger -> bone of the layout from the wrist to its knuckle; nothing if they cannot show a palm.

    Only the fingers that the rig has too, so that both palms are measured alike; all if the rig has no fingers.
    """
    name = SIDE_NAMES[side]
    bones = {finger: motion.bone(f"{name}_wrist", f"{name}_{finger}1") for finger in _KNUCKLES}
    found = {finger: bone for finger, bone in bones.items() if bone is not None}
    shared = {finger: bone for finger, bone in found.items() if body.has(f"{finger}.{side}")}
    best = shared if len(shared) >= 2 else found
    return best if len(best) >= 2 else {}


def _rest_hand(
    body: RestBody, side: str, fingers: list[str], default_palm: FloatArray, forearm: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(3,), (3,): along the hand and out of the palm at rest, by the same knuckles as in motion where possible."""
    present = [finger for finger in (fingers or _KNUCKLES) if body.has(f"{finger}.{side}")]
    if len(present) < 2:
        along = body.leaf_direction(f"hand.{side}", forearm, f"forearm.{side}")
        palm = quat.rotate(quat.between(forearm, along), default_palm)
        return along, quat.normalize(palm - (palm @ along) * along)
    ends = {finger: body.direction(f"hand.{side}", f"{finger}.{side}") for finger in present}
    along = ends["middle"] if "middle" in ends else quat.normalize(np.sum(list(ends.values()), axis=0))
    return along, _palm(along, ends[present[0]], ends[present[-1]], side)
