# SPDX-License-Identifier: GPL-3.0-or-later
"""Trunk, shoulders and head: what follows the hands, what follows the speech, and what a listener does."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ..motion import canonical
from ..speech.prosody import Prosody
from .corpora import WORK_FPS
from .cues import HEAD, head_cue
from .idle import minimum_jerk, smooth_noise
from .plan import Plan
from .style import Style

FloatArray = np.ndarray

_CALM = 0.92
"""Of the speaker's head: with it the composed heads turn about as fast as people's."""


def _early(curve: FloatArray, seconds: float) -> FloatArray:
    """The curve (T, ...) brought forward in time."""
    shift = round(seconds * WORK_FPS)
    return np.concatenate([curve[shift:], np.repeat(curve[-1:], min(shift, len(curve)), axis=0)])[: len(curve)]


def follow_hands(moved: FloatArray, style: Style, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Rotation vectors (T, J, 3) of trunk and clavicles that go with the hands, and the trunk's sum (T, 3).

    ``moved`` (T, 2, 3) is how far the left and the right wrist are from rest in the chest's frame. A hand that
    goes up takes its shoulder along; one that reaches forward or across turns the trunk; both lean with
    their weight.
    """
    gain = style.body * rng.uniform(0.85, 1.15)
    moved = _early(gaussian_filter1d(moved, 0.075 * WORK_FPS, axis=0, mode="nearest"), 0.04)
    up, ahead, left = moved[..., 1], moved[..., 2], moved[..., 0]
    slow = gaussian_filter1d(up.mean(axis=1), 0.8 * WORK_FPS, mode="nearest")
    quick = up.mean(axis=1) - slow
    pitch = 0.14 * ahead.mean(axis=1) - 0.68 * quick
    yaw = 0.80 * (ahead[:, 1] - ahead[:, 0]) + 0.85 * left.mean(axis=1)
    roll = -0.30 * left.mean(axis=1) + 0.16 * (up[:, 1] - up[:, 0])
    trunk = gain * np.stack([pitch, yaw, roll], axis=1)
    trunk = 0.32 * np.tanh(trunk / 0.32)
    total = np.zeros((len(moved), canonical.NUM_JOINTS, 3))
    for name, share in (("pelvis", 0.2), ("spine", 0.45), ("chest", 0.35)):
        total[:, canonical.joint(name)] = share * trunk
    for k, (side, sign) in enumerate((("left", 1.0), ("right", -1.0))):
        lift = np.clip(0.33 * up[:, k] + 0.08 * np.abs(left[:, k]), -0.03, 0.24)
        total[:, canonical.joint(f"{side}_clavicle"), 2] = sign * min(gain, 1.4) * lift
        total[:, canonical.joint(f"{side}_clavicle"), 1] = -sign * min(gain, 1.4) * 0.16 * ahead[:, k]
    return total, 0.65 * trunk


def _life(frames: int, energy: FloatArray, style: Style, rng: np.random.Generator, size: float) -> FloatArray:
    """Small movement (T, 3) that never stops, more while speech is loud, and slow drift."""
    quick = smooth_noise(rng, frames, 3, 1.1) * np.deg2rad([3.2, 3.0, 2.5]) * (0.6 + 0.75 * energy[:, None])
    slow = smooth_noise(rng, frames, 3, 3.0) * np.deg2rad([2.2, 2.5, 1.8])
    return size * style.head * (quick + slow)


def _turns(
    frames: int, targets: list[tuple[float, FloatArray]], style: Style, rng: np.random.Generator
) -> FloatArray:
    """Head (T, 3) that turns to each target (time, rotation vector) in turn."""
    times = np.arange(frames) / WORK_FPS
    total = np.zeros((frames, 3))
    now = np.zeros(3)
    for time, target in sorted(targets, key=lambda item: item[0]):
        wanted = style.head * target + np.deg2rad([1.5, 0.0, 0.0])
        total += (wanted - now) * minimum_jerk((times - time) / rng.uniform(0.32, 0.7))[:, None]
        now = wanted
    return total


def _random_turn(rng: np.random.Generator) -> FloatArray:
    return rng.standard_normal(3) * np.deg2rad([6.0, 10.5, 6.0])


def _nod(times: FloatArray, size: float, rng: np.random.Generator) -> FloatArray:
    width = rng.uniform(0.15, 0.22)
    dip = np.exp(-((times / width) ** 2)) - 0.35 * np.exp(-(((times + 1.8 * width) / width) ** 2))
    return size * dip[:, None] * np.array([1.0, rng.normal(0.0, 0.35), rng.normal(0.0, 0.3)])


def head_motion(
    frames: int, prosody: Prosody, plan: Plan, energy: FloatArray, style: Style, rng: np.random.Generator
) -> FloatArray:
    """Rotation vectors (T, 3) of a speaker's head relative to the trunk.

    It turns and tilts with each phrase, now and then to the hand, away in some pauses; few and loose nods.
    """
    times = np.arange(frames) / WORK_FPS
    total = _life(frames, energy, style, rng, 1.0)
    for accent in prosody.accents:
        if rng.random() < style.nods * (0.07 + 0.2 * accent.strength):
            size = style.head * np.deg2rad(rng.uniform(4.5, 10.0)) * (0.5 + 0.6 * accent.strength)
            total += _nod(times - accent.time - rng.normal(0.06, 0.17), size, rng)
    targets = [(start + rng.uniform(-0.25, 0.25), _random_turn(rng)) for start, _ in prosody.phrases]
    period = rng.uniform(1.3, 2.2)
    steps = np.cumsum(rng.uniform(0.6 * period, 1.6 * period, size=2 + int(frames / WORK_FPS / period)))
    # In silence the head is calmer.
    targets += [
        (float(t), _random_turn(rng))
        for t in steps
        if t < frames / WORK_FPS and (rng.random() < 0.4 or energy[int(t * WORK_FPS)] > 0.3)
    ]
    for phrase in plan.phrases:
        if len(phrase.hands) == 1 and rng.random() < 0.4:
            sign = 1.0 if phrase.hands[0] == "left" else -1.0
            aside = np.deg2rad([rng.uniform(2.0, 8.0), sign * rng.uniform(5.0, 14.0), 0.0])
            targets.append((phrase.start + rng.uniform(0.1, 0.6), aside))
    for (_, end), (start, _) in zip(prosody.phrases[:-1], prosody.phrases[1:], strict=True):
        if start - end > 0.35 and rng.random() < 0.35:
            away = np.deg2rad([rng.uniform(-7.0, 9.0), rng.choice([-1.0, 1.0]) * rng.uniform(8.0, 18.0), 0.0])
            targets.append((end + rng.uniform(-0.1, 0.15), away))
    total = _CALM * (total + _turns(frames, targets, style, rng))
    return _with_cues(total, times, plan, rng)


def _with_cues(head: FloatArray, times: FloatArray, plan: Plan, rng: np.random.Generator) -> FloatArray:
    """Head cues take over from what the head does otherwise around their time."""
    for cue in plan.cues:
        if cue.name in HEAD:
            busy = minimum_jerk((times - cue.time + 0.6) / 0.3) * (
                1.0 - minimum_jerk((times - cue.time - 0.8) / 0.4)
            )
            calm = gaussian_filter1d(head, 0.5 * WORK_FPS, axis=0, mode="nearest")
            head = head + busy[:, None] * (calm - head) + head_cue(cue, times, rng)
    return head


def listening_head(
    frames: int, prosody: Prosody, plan: Plan, energy: FloatArray, style: Style, rng: np.random.Generator
) -> FloatArray:
    """Rotation vectors (T, 3) of the head of one who listens: calm life, glances, nods as phrases end."""
    times = np.arange(frames) / WORK_FPS
    # Nods are to be seen: whatever else tips the head is small.
    calm = np.array([0.5, 1.0, 1.0])
    total = calm * _life(frames, 0.25 * np.ones(frames), style, rng, 0.95)
    starts = [*(start for start, _ in prosody.phrases[1:]), np.inf]
    for (_, end), following in zip(prosody.phrases, starts, strict=False):
        if following - end > 0.2 and rng.random() < min(0.95, 0.85 * style.nods):
            size = style.head * np.deg2rad(rng.uniform(5.5, 10.0))
            first = end + rng.normal(0.15, 0.1)
            for cycle in range(int(rng.integers(1, 3))):
                total += _nod(times - first - cycle * rng.uniform(0.42, 0.5), size * 0.75**cycle, rng)
    steps = np.cumsum(rng.uniform(2.2, 5.5, size=2 + frames // 50))
    targets = [(float(t), calm * _random_turn(rng)) for t in steps if t < frames / WORK_FPS]
    total += _turns(frames, targets, style, rng)
    return _with_cues(total, times, plan, rng)
