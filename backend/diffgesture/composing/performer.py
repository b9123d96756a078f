# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a plan into motion: units, co-articulation, holds, retractions, beats and head over the living base."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfiltfilt

from ..motion import rotation
from ..speech.prosody import RATE, Accent, Prosody
from . import canonical
from .composer import REST_PAUSE, Library, Placement, Plan, Style, preparation_time
from .contact import limit_elbows, resolve
from .corpora import WORK_FPS
from .idle import breathing, idle_track, minimum_jerk, smooth_noise, sway
from .units import wrists_in_chest

FloatArray = np.ndarray

LOW_PASS_HZ: Final = 4.5
# Without a new stroke a hand stays up this long (s) before it goes back to rest.
MAX_HOLD: Final = 2.5


@dataclass(frozen=True)
class _Layer:
    """One placement on one arm: fades in over ``fade`` (start, end), back to rest over ``retract`` if given."""

    placement: Placement
    fade: tuple[float, float]
    first_frame: float
    retract: tuple[float, float] | None


def _run_of(time: float, runs: tuple[tuple[float, float], ...]) -> tuple[float, float]:
    for start, end in runs:
        if time <= end + 0.3:
            return start, end
    return runs[-1]


def _schedule(
    placements: list[Placement],
    runs: tuple[tuple[float, float], ...],
    rest: FloatArray,
    side: int,
    style: Style,
    rng: np.random.Generator,
) -> list[_Layer]:
    """When each placement of one arm takes over, and when the arm goes back to rest."""
    layers: list[_Layer] = []
    place = rest
    hand = canonical.joint(f"{canonical.SIDES[side]}_hand")
    hand_pose = style.rest.local[hand]
    at_rest = True
    for k, placement in enumerate(placements):
        unit, arrival, tempo = placement.unit, placement.arrival, placement.tempo
        run = _run_of(arrival, runs)
        # A clip that begins with hanging arms brings its own rise.
        follows_rise = unit.from_rest and style.rest.style == "sides"
        distance = float(np.linalg.norm(unit.wrists[side] - place))
        turned = rotation.mul(rotation.inv(hand_pose), unit.local[unit.arrival, hand])
        turn = float(np.linalg.norm(rotation.log(turned)))
        # A hand that also turns over (in the extreme palm down to palm up) needs its time as well.
        lead_in = max(preparation_time(distance, tempo), (0.22 + 0.17 * turn) / tempo)
        if at_rest and follows_rise:
            # The clip brings its own rise from rest: follow it.
            lead_in = max(lead_in, (unit.arrival - unit.rise) / WORK_FPS / tempo)
            first = float(unit.rise)
        else:
            first = float(unit.core)
        start = arrival - lead_in - 0.04
        if at_rest:
            start = max(start, min(run[0] - 0.15, arrival - 0.40))
        elif layers:
            start = max(start, layers[-1].placement.arrival + 0.05)
        if at_rest and follows_rise:
            # Early in, so that the clip's own rise is seen and not multiplied by the fade.
            fade = (start, start + 0.65 * (arrival - start))
        else:
            fade = (start, max(arrival - 0.04, start + 0.25))
        following = placements[k + 1] if k + 1 < len(placements) else None
        held = (unit.hold_end - unit.arrival) / WORK_FPS / tempo
        release = None
        if following is None or following.arrival > run[1] + REST_PAUSE * 0.9:
            # The arm goes down as the speech runs out, but never before its stroke is done.
            release = max(arrival + 0.16, min(run[1] - rng.uniform(0.25, 0.45), arrival + max(MAX_HOLD, held)))
        elif following.arrival - arrival > MAX_HOLD + 0.9:
            release = arrival + max(min(held, MAX_HOLD), rng.uniform(0.6, MAX_HOLD))
        retract = None
        if release is not None:
            way = float(np.linalg.norm(unit.wrists[side] - rest))
            retract = (release, release + 0.42 + 0.75 * way)
        layers.append(_Layer(placement, fade, first, retract))
        at_rest = retract is not None
        place = rest if at_rest else unit.wrists[side]
        hand_pose = style.rest.local[hand] if at_rest else unit.local[unit.hold_end, hand]
    return layers


def _soft_clamp(x: FloatArray, low: float, high: float, softness: float) -> FloatArray:
    x = low + softness * np.logaddexp(0.0, (x - low) / softness)
    return high - softness * np.logaddexp(0.0, (high - x) / softness)


def _clip_frames(layer: _Layer, times: FloatArray) -> FloatArray:
    unit = layer.placement.unit
    frames = unit.arrival + (times - layer.placement.arrival) * WORK_FPS * layer.placement.tempo
    high = max(unit.hold_end, unit.arrival + 3)
    frames = _soft_clamp(frames, min(layer.first_frame, unit.arrival - 2.0), float(high), 2.0)
    return np.clip(frames, 0.0, len(unit.local) - 1.0)


def _fade(times: FloatArray, window: tuple[float, float]) -> FloatArray:
    return minimum_jerk((times - window[0]) / (window[1] - window[0]))


def _play_arm(base: FloatArray, layers: list[_Layer], side: str, style: Style) -> tuple[FloatArray, FloatArray]:
    """Arm rotations (T, 18, 4) and how much the arm is away from rest (T,)."""
    joints = list(canonical.arm_joints(side))
    rest = base[:, joints]
    pose = rest.copy()
    activity = np.zeros(len(base))
    for k, layer in enumerate(layers):
        start = max(0, int(np.floor(layer.fade[0] * WORK_FPS)))
        # A later layer at full weight hides this one.
        end = len(base) if k + 1 == len(layers) else min(len(base), int(layers[k + 1].fade[1] * WORK_FPS) + 2)
        if layer.retract is not None:
            end = min(end, int(layer.retract[1] * WORK_FPS) + 2)
        if end <= start:
            continue
        times = np.arange(start, end) / WORK_FPS
        target = rotation.sample(layer.placement.unit.local[:, joints], _clip_frames(layer, times))
        here = rest[start:end]
        size = np.full(len(joints), 1.0)
        size[:3] = layer.placement.amplitude, layer.placement.amplitude, 1.0
        size[3:] = 1.0 - style.relaxed_fingers
        target = rotation.slerp(here, target, size)
        weight = _fade(times, layer.fade)
        mixed = rotation.slerp(pose[start:end], target, weight[:, None])
        level = activity[start:end] * (1.0 - weight) + weight
        if layer.retract is not None:
            down = _fade(times, layer.retract)
            mixed = rotation.slerp(mixed, here, down[:, None])
            level = level * (1.0 - down)
        pose[start:end], activity[start:end] = mixed, level
        if layer.retract is not None:
            pose[end:], activity[end:] = rest[end:], 0.0
    return pose, activity


def _play_torso(frames: int, layers: list[_Layer], amount: float) -> FloatArray:
    """Rotation vectors (T, 7, 3) that units add to trunk, head and clavicles."""
    joints = [*canonical.TORSO, canonical.joint("left_clavicle"), canonical.joint("right_clavicle")]
    total = np.zeros((frames, len(joints), 3))
    for layer in sorted(layers, key=lambda item: item.placement.arrival):
        start = max(0, int(layer.fade[0] * WORK_FPS))
        times = np.arange(start, frames) / WORK_FPS
        if len(times) == 0:
            continue
        local = layer.placement.unit.local
        turned = rotation.mul(rotation.inv(local[:1, joints]), local[:, joints])
        moved = rotation.log(rotation.sample(turned, _clip_frames(layer, times)))
        size = np.linalg.norm(moved, axis=-1, keepdims=True)
        moved = moved * np.tanh(size / 0.30) * 0.30 / np.maximum(size, 1e-6)
        weight = _fade(times, layer.fade)[:, None, None]
        total[start:] = total[start:] * (1.0 - weight) + amount * moved * weight
        if layer.retract is not None:
            total[start:] *= 1.0 - _fade(times, layer.retract)[:, None, None]
    return total


def _beat_kernel(t: FloatArray) -> FloatArray:
    """A small raise before, a quick drop that ends on, and a slow return after the accent (t = 0 s)."""
    raise_ = np.exp(-(((t + 0.19) / 0.13) ** 2))
    drop = np.exp(-(((t - 0.05) / 0.13) ** 2))
    recoil = np.exp(-(((t - 0.28) / 0.18) ** 2))
    return raise_ - 0.8 * drop - 0.15 * recoil


def _add_beats(
    local: FloatArray, plan: Plan, activity: FloatArray, energy: FloatArray, rng: np.random.Generator
) -> None:
    """Superimposes the plan's beats on raised arms (in place): elbow first, wrist a little later."""
    times = np.arange(len(local)) / WORK_FPS
    for k, (side, sign) in enumerate((("left", 1.0), ("right", -1.0))):
        upper, fore, hand = canonical.arm_joints(side)[:3]
        vectors = np.zeros((3, len(local), 3))
        for beat in plan.beats:
            size = (beat.left, beat.right)[k] * np.deg2rad(14.0)
            near = np.flatnonzero(np.abs(times - beat.time) < 0.8)
            wave, late = _beat_kernel(times[near] - beat.time), _beat_kernel(times[near] - beat.time - 0.05)
            outward = rng.normal(0.0, 0.45)
            # Elbow flexion, a swing of the upper arm (forward and inward or outward), a flick of the wrist.
            vectors[1, near] += np.stack([0.0 * wave, -sign * size * wave, 0.0 * wave], axis=1)
            vectors[0, near] += 0.4 * np.stack([-size * wave, sign * outward * size * wave, 0.0 * wave], axis=1)
            vectors[2, near] += 0.7 * np.stack([0.0 * late, 0.0 * late, sign * size * late], axis=1)
        # Hands that are up never hold quite still: they move on with the loudness of the speech.
        drift = smooth_noise(rng, len(local), 9, 1.0).reshape(-1, 3, 3) * np.deg2rad([[2.6], [3.4], [4.2]])
        drift *= (0.25 + energy)[:, None, None]
        level = activity[:, k, None]
        for j, joint in enumerate((upper, fore, hand)):
            vector = (vectors[j] + drift[:, j]) * level
            # The upper arm turns in the chest's frame, the others in their own.
            turn = rotation.exp(vector)
            local[:, joint] = (
                rotation.mul(turn, local[:, joint]) if joint == upper else rotation.mul(local[:, joint], turn)
            )


def loudness_curve(prosody: Prosody, frames: int) -> FloatArray:
    """Speech loudness (frames,) at 30 fps: 0 in silence to 1 where it is loud, smoothed over about 0.3 s."""
    loud = np.percentile(prosody.energy_db, 95) if len(prosody.energy_db) else 0.0
    level = np.clip((prosody.energy_db - loud + 25.0) / 25.0, 0.0, 1.0) if prosody.phrases else np.zeros(1)
    level = gaussian_filter1d(level, 0.15 * RATE)
    return np.interp(np.arange(frames) / WORK_FPS * RATE, np.arange(len(level)), level)


def _head(
    frames: int, prosody: Prosody, accents: tuple[Accent, ...], style: Style, rng: np.random.Generator
) -> FloatArray:
    """Rotation vectors (T, 3) of the head relative to the trunk: nods on accents, gaze shifts, slow drift."""
    times = np.arange(frames) / WORK_FPS
    total = smooth_noise(rng, frames, 3, 2.5) * np.deg2rad([1.0, 1.2, 0.8])
    for accent in accents:
        if rng.random() > 0.25 + 0.6 * accent.strength:
            continue
        size = style.head * np.deg2rad(rng.uniform(2.0, 5.5)) * (0.4 + 0.8 * accent.strength)
        t = times - accent.time - rng.uniform(-0.04, 0.06)
        nod = np.exp(-((t / 0.14) ** 2)) - 0.35 * np.exp(-(((t + 0.24) / 0.13) ** 2))
        total += size * nod[:, None] * np.array([1.0, rng.normal(0.0, 0.3), rng.normal(0.0, 0.25)])
    gaze = np.zeros(3)
    shifts = [start + rng.uniform(-0.15, 0.2) for start, _ in prosody.phrases]
    shifts += [t for t in np.cumsum(rng.uniform(2.5, 6.0, size=1 + frames // 60)) if t < frames / WORK_FPS]
    for time in sorted(shifts):
        target = rng.standard_normal(3) * np.deg2rad([3.5, 8.0, 2.5]) * style.head + np.deg2rad([1.5, 0.0, 0.0])
        total += (target - gaze) * minimum_jerk((times - time) / rng.uniform(0.35, 0.8))[:, None]
        gaze = target
    return total


def perform(
    plan: Plan, prosody: Prosody, library: Library, style: Style, frames: int, rng: np.random.Generator
) -> FloatArray:
    """Local rotations (frames, J, 4) at 30 fps of the whole performance."""
    rest_wrists = wrists_in_chest(style.rest.local[None])[0]
    schedules = [
        _schedule([p for p in plan.placements if side in p.sides], plan.runs, rest_wrists[k], k, style, rng)
        for k, side in enumerate(canonical.SIDES)
    ]
    shifts = [start + rng.uniform(-0.4, 0.1) for start, _ in plan.runs if rng.random() < 0.55]
    vectors = idle_track(list(library.idles), frames, rng)
    vectors[:, list(canonical.TORSO)] *= 0.7
    vectors += breathing(frames, rng) + sway(frames, rng, [max(t, 0.05) for t in shifts])
    torso = [*canonical.TORSO, canonical.joint("left_clavicle"), canonical.joint("right_clavicle")]
    lead = {id(layer.placement): layer for schedule in schedules for layer in schedule}
    vectors[:, torso] += _play_torso(frames, list(lead.values()), 0.7)
    head = _head(frames, prosody, prosody.accents, style, rng)
    vectors[:, canonical.joint("neck")] += 0.4 * head
    vectors[:, canonical.joint("head")] += 0.6 * head
    local = rotation.mul(style.rest.local[None], rotation.exp(vectors))
    activity = np.zeros((frames, 2))
    for k, side in enumerate(canonical.SIDES):
        pose, activity[:, k] = _play_arm(local, schedules[k], side, style)
        local[:, list(canonical.arm_joints(side))] = pose
    _add_beats(local, plan, activity, loudness_curve(prosody, frames), rng)
    local = resolve(limit_elbows(local))
    return low_pass(local, LOW_PASS_HZ)


def low_pass(local: FloatArray, cutoff_hz: float) -> FloatArray:
    """Zero-phase second-order Butterworth low-pass of rotations (T, J, 4), applied to continuous quaternions."""
    smooth = butter(2, cutoff_hz, fs=WORK_FPS, output="sos")
    return rotation.unit(sosfiltfilt(smooth, rotation.continuous(local), axis=0))
