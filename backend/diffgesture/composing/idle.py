# SPDX-License-Identifier: GPL-3.0-or-later
"""The living base under all gestures: rest poses of the arms, idle motion, breathing, sway, posture shifts."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ..motion import canonical, rotation
from ..motion.easing import minimum_jerk
from .arm_pose import reach
from .corpora import WORK_FPS, Clip

FloatArray = np.ndarray

# Clips of people who stand with relaxed arms; (set, start of the name).
_SIDES: Final = (
    ("smartbody_female", "IdleStand01"),
    ("smartbody_male", "IdleStand01"),
    ("smartbody_gestures2", "Idle01_WeightShift"),
    ("smartbody_gestures", "Idle01_WeightShift"),
    ("smartbody_pn", "idle"),
    ("smartbody_utah", "HandsAtSide_Motex"),
    ("hifi_67", "idle_"),
    ("hifi_76", "idle_LFF"),
    ("hifi_76", "idle_RFF"),
    ("rocketbox_idle", "f_idle"),
)
# Frames (set, name, frame) of quiet moments in which the hands are held lightly in front of the belly.
_FRONT: Final = (
    ("hifi_67", "talk_2016-04-19", 266),
    ("hifi_67", "talk_2016-05-09", 380),
    ("hifi_76", "talk04", 80),
    ("hifi_76", "talk04", 400),
)
# They are lowered by this share of the way to hanging arms.
_FRONT_LOWERED: Final = 0.18
# Idle clips whose small movements are used, all of them alive.
_LIVING: Final = (
    ("smartbody_gestures", "Idle03"),
    ("smartbody_pn", "idle"),
    ("smartbody_utah", "HandsAtSide_Motex"),
    ("hifi_67", "idle_2016-05-09"),
    ("hifi_76", "idle_once_lookaround"),
    ("hifi_76", "idle_LFF_all"),
    ("hifi_76", "idle_RFF_all"),
    ("rocketbox_idle", "f_idle"),
)


@dataclass(frozen=True)
class RestPose:
    """Arm pose of a standing person at rest: ``local`` (J, 4); torso and head are neutral."""

    name: str
    style: str
    local: FloatArray


@dataclass(frozen=True)
class IdleMotion:
    """Small movements of a resting person as rotation vectors (T, J, 3) about the clip's mean pose, 30 fps."""

    name: str
    deltas: FloatArray


def _select(clips: list[Clip], wanted: tuple[tuple[str, str], ...]) -> list[Clip]:
    return [
        c
        for c in clips
        if any(c.motion_set == s and c.name.startswith(n) for s, n in wanted) and c.kind in ("idle", "idle_shift")
    ]


def _neutral_torso(local: FloatArray) -> FloatArray:
    torso = [*canonical.TORSO, canonical.joint("left_clavicle"), canonical.joint("right_clavicle")]
    result = local.copy()
    result[torso] = rotation.IDENTITY
    return result


def rest_poses(clips: list[Clip]) -> list[RestPose]:
    """Rest poses, style "sides" or "front" from the idle clips, "folded" posed; deterministic order."""
    poses = []
    for clip in _select(clips, _SIDES):
        local = rotation.mean(clip.local) if clip.kind == "idle" else clip.local[0]
        poses.append(RestPose(f"{clip.motion_set}:{clip.name}", "sides", _neutral_torso(local)))
    hanging = poses[0].local if poses else canonical.t_pose()
    for motion_set, name, frame in _FRONT:
        for clip in clips:
            if (clip.motion_set, clip.name) == (motion_set, name) and frame < len(clip.local):
                local = rotation.slerp(_neutral_torso(clip.local[frame]), hanging, _FRONT_LOWERED)
                poses.append(RestPose(f"{motion_set}:{name}@{frame}", "front", local))
                poses.append(RestPose(f"{motion_set}:{name}@{frame}~mirror", "front", canonical.mirror(local)))
    for name, height, depth in (("low", -0.30, 0.185), ("middle", -0.26, 0.20)):
        local = folded(hanging, height, depth)
        poses.append(RestPose(f"folded:{name}", "folded", local))
        poses.append(RestPose(f"folded:{name}~mirror", "folded", canonical.mirror(local)))
    return poses


def folded(hanging: FloatArray, height: float, depth: float) -> FloatArray:
    """Rest pose (J, 4): the left hand lies in front of the right one, ``height`` and ``depth`` (m) from the chest.

    Fingers are those of ``hanging``.
    """
    local = hanging.copy()
    for side, sign, ahead in (("left", 1.0, 0.035), ("right", -1.0, 0.0)):
        wrist = np.array([sign * 0.075, height, depth + ahead])
        reach(local, side, wrist, np.array([0.0, -0.35, -1.0]), np.array([-sign, -0.25, 0.1]), elbow_out=0.5)
    return local


def idle_motions(clips: list[Clip]) -> list[IdleMotion]:
    """Movements about the mean pose of the living idle clips, and their mirror images."""
    motions = []
    for clip in _select(clips, _LIVING):
        mean = rotation.mean(clip.local)
        deltas = rotation.log(rotation.mul(rotation.inv(mean), clip.local))
        # A stretch or a step is not idling: large excursions are compressed.
        size = np.linalg.norm(deltas, axis=-1, keepdims=True)
        deltas = deltas * np.tanh(size / 0.12) * 0.12 / np.maximum(size, 1e-6)
        deltas = gaussian_filter1d(deltas, 1.5, axis=0, mode="nearest")
        motions.append(IdleMotion(clip.name, deltas))
        swapped = deltas[:, canonical.mirror_order()] * np.array([1.0, -1.0, -1.0])
        motions.append(IdleMotion(f"{clip.name}~mirror", swapped))
    return motions


def smooth_noise(rng: np.random.Generator, frames: int, channels: int, period_s: float) -> FloatArray:
    """Band-limited noise (frames, channels) of unit variance with periods of about ``period_s``."""
    sigma = period_s * WORK_FPS / 6.0
    pad = int(4 * sigma) + 1
    noise = gaussian_filter1d(rng.standard_normal((frames + 2 * pad, channels)), sigma, axis=0)[pad : pad + frames]
    # Variance of white noise after a Gaussian of this width.
    return noise * np.sqrt(2.0 * np.sqrt(np.pi) * sigma)


def idle_track(motions: list[IdleMotion], frames: int, rng: np.random.Generator) -> FloatArray:
    """Rotation vectors (frames, J, 3): random pieces of idle motion, cross-faded over 1.5 s."""
    fade = round(1.5 * WORK_FPS)
    total = np.zeros((frames, canonical.NUM_JOINTS, 3))
    start = 0
    previous: FloatArray | None = None
    while start < frames:
        motion = motions[int(rng.integers(len(motions)))]
        length = int(min(len(motion.deltas), rng.integers(4 * 30, 14 * 30)))
        offset = int(rng.integers(0, len(motion.deltas) - length + 1))
        piece = motion.deltas[offset : offset + length]
        if rng.random() < 0.5:
            piece = piece[::-1]
        end = min(frames, start + length)
        if previous is None:
            total[start:end] = piece[: end - start]
        else:
            overlap = min(fade, end - start, length)
            weight = minimum_jerk(np.arange(overlap) / fade)[:, None, None]
            kept = total[start : start + overlap]
            total[start : start + overlap] = kept * (1.0 - weight) + piece[:overlap] * weight
            total[start + overlap : end] = piece[overlap : end - start]
        previous = piece
        if end == frames:
            break
        start = max(end - fade, start + 1)
    return total


def breathing(frames: int, rng: np.random.Generator) -> FloatArray:
    """Rotation vectors (frames, J, 3) of quiet breathing: the chest opens, the shoulders lift a little."""
    rate = rng.uniform(0.2, 0.3) * (1.0 + 0.15 * smooth_noise(rng, frames, 1, 8.0)[:, 0])
    phase = 2.0 * np.pi * (np.cumsum(rate) / WORK_FPS + rng.random())
    wave = np.sin(phase) - 0.2 * np.sin(2.0 * phase)
    total = np.zeros((frames, canonical.NUM_JOINTS, 3))
    total[:, canonical.joint("chest"), 0] = -0.008 * wave
    total[:, canonical.joint("neck"), 0] = 0.006 * wave
    total[:, canonical.joint("left_clavicle"), 2] = 0.012 * wave
    total[:, canonical.joint("right_clavicle"), 2] = -0.012 * wave
    return total


def sway(frames: int, rng: np.random.Generator, shifts: list[float]) -> FloatArray:
    """Rotation vectors (frames, J, 3): slow sway of the trunk, and a change of posture at each time of ``shifts``.

    The head compensates most of the trunk's roll and turn, as people keep their gaze level.
    """
    total = np.zeros((frames, canonical.NUM_JOINTS, 3))
    slow = smooth_noise(rng, frames, 3, 7.0) * np.array([0.010, 0.012, 0.009])
    posture = np.zeros((frames, 3))
    current = np.zeros(3)
    times = np.arange(frames) / WORK_FPS
    for shift in [0.0, *shifts]:
        target = rng.standard_normal(3) * np.array([0.030, 0.045, 0.030])
        duration = rng.uniform(0.9, 1.6)
        posture += (target - current) * minimum_jerk((times - shift) / duration if shift else times + 1.0)[:, None]
        current = target
    trunk = slow + posture
    total[:, canonical.joint("pelvis")] = 0.3 * trunk
    total[:, canonical.joint("spine")] = 0.4 * trunk
    total[:, canonical.joint("chest")] = 0.3 * trunk
    total[:, canonical.joint("neck")] = -0.3 * trunk
    total[:, canonical.joint("head")] = -0.4 * trunk
    return total
