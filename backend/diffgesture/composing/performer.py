# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a plan into motion: units, co-articulation, holds, retractions and beats over a living body."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfiltfilt

from ..motion import canonical, rotation
from ..motion.contact import limit_elbows, limit_wrists, resolve
from ..speech.prosody import RATE, Prosody
from .arm_pose import palm_direction
from .body import follow_hands, head_motion, listening_head
from .composer import ISOLATED, preparation_time
from .corpora import WORK_FPS
from .idle import breathing, idle_track, minimum_jerk, smooth_noise, sway
from .plan import Library, Placement, Plan
from .style import Style
from .units import wrists_in_chest

FloatArray = np.ndarray

LOW_PASS_HZ: Final = 4.5
# Without a new stroke a hand stays up this long (s) at most before it goes back to rest.
MAX_HOLD: Final = (3.0, 5.0)
# After a sentence most hands first sink by a share of the way to rest, and wait there some seconds for more.
SINKS: Final = 0.8
SINK: Final = (0.15, 0.4)
SINK_WAIT: Final = (1.6, 3.2)
# Strokes from the side of which a palm is turned up by at most this angle.
_MOST_SUPINATION: Final = np.deg2rad(105.0)


@dataclass(frozen=True)
class _Layer:
    """One placement on one arm: fades in over ``fade`` (start, end), towards rest over ``retract`` if given.

    ``depth`` is how far: 1 all the way, less for hands that wait half lowered. Before a late ``retract`` the hands
    sink by ``settle`` (start, end, share of the way).

    ``turn`` (rad) is how far the hand is turned about the forearm so that the palm faces up.
    """

    placement: Placement
    fade: tuple[float, float]
    first_frame: float
    retract: tuple[float, float] | None
    depth: float
    turn: float
    settle: tuple[float, float, float] | None = None

    def lowered(self, times: FloatArray) -> FloatArray:
        """How far the arm is back at rest at ``times`` (T,) s: 0 to 1."""
        if self.retract is None:
            return np.zeros(len(times))
        down = _fade(times, self.retract)
        if self.settle is None:
            return self.depth * down
        start, end, share = self.settle
        return share * _fade(times, (start, end)) + (self.depth - share) * down


def _run_of(time: float, runs: tuple[tuple[float, float], ...]) -> tuple[float, float]:
    for start, end in runs:
        if time <= end + 0.4:
            return start, end
    return runs[-1] if runs else (time, time)


def _supination(placement: Placement, side: int) -> float:
    """Radians about the forearm (sign as rotation about +x) that bring the palm up, by ``palm_up``."""
    if placement.palm_up <= 0.0:
        return 0.0
    name = canonical.SIDES[side]
    pose = placement.unit.local[placement.unit.arrival]
    hand = canonical.arm_joints(name)[2]
    axis = np.array([1.0, 0.0, 0.0])
    angles = np.linspace(-_MOST_SUPINATION, _MOST_SUPINATION, 43)
    turned = np.tile(pose, (len(angles), 1, 1))
    turned[:, hand] = rotation.mul(rotation.about(axis, angles), pose[hand])
    up = palm_direction(turned, name)[:, 1]
    best = int(np.argmax(up - 0.15 * np.abs(angles)))
    return float(placement.palm_up * angles[best])


def _release(
    placement: Placement,
    following: Placement | None,
    drop: float | None,
    run: tuple[float, float],
    style: Style,
    rng: np.random.Generator,
) -> float | None:
    """When the arm goes back to rest after ``placement``; None when it goes on to the next one."""
    arrival = placement.arrival
    held = (placement.unit.hold_end - placement.unit.arrival) / WORK_FPS / placement.tempo
    if drop is not None and drop > arrival - 0.3:
        return max(arrival + 0.3, drop)
    longest = max(float(rng.uniform(*MAX_HOLD)), held)
    if following is None or following.arrival > run[1] + style.rest_pause * 0.9:
        # The hands stay up until the sentence is over, and a little longer.
        linger = 0.1 if run[1] - run[0] < ISOLATED else float(rng.uniform(*style.linger))
        return max(arrival + 0.25, min(run[1] + linger, arrival + max(longest, linger + 1.0)))
    if following.arrival - arrival > longest + 1.2:
        return arrival + longest
    return None


def _schedule(
    plan: Plan, side: int, begins: FloatArray, rest: FloatArray, style: Style, rng: np.random.Generator
) -> list[_Layer]:
    """When each placement of one arm takes over, and when the arm goes back to rest.

    ``begins`` are the times at which speech sets in after a pause: hands hardly move before.
    """
    name = canonical.SIDES[side]
    placements = [p for p in plan.placements if name in p.sides]
    drops = sorted(time for s, time in plan.drops if s == name)
    layers: list[_Layer] = []
    place = rest
    hand = canonical.joint(f"{name}_hand")
    hand_pose = style.rest.local[hand]
    at_rest = True
    for k, placement in enumerate(placements):
        unit, arrival, tempo = placement.unit, placement.arrival, placement.tempo
        following = placements[k + 1] if k + 1 < len(placements) else None
        run = _run_of(arrival, plan.runs)
        # A clip that begins with hanging arms brings its own rise.
        follows_rise = unit.from_rest and style.rest.style == "sides"
        distance = float(np.linalg.norm(unit.wrists[side] - place))
        turned = rotation.mul(rotation.inv(hand_pose), unit.local[unit.arrival, hand])
        turn = float(np.linalg.norm(rotation.log(turned)))
        # A hand that also turns over (in the extreme palm down to palm up) needs its time as well.
        lead_in = max(preparation_time(distance, tempo), (0.24 + 0.17 * turn) / tempo)
        if at_rest:
            lead_in = max(1.4 * lead_in, 0.85 / tempo)
        if at_rest and follows_rise:
            lead_in = max(lead_in, (unit.arrival - unit.rise) / WORK_FPS / tempo)
        # From elsewhere the arm comes its own way, and joins the clip in the last part of its stroke.
        first = float(unit.rise) if at_rest and follows_rise else 0.35 * unit.core + 0.65 * unit.arrival
        start = arrival - lead_in - 0.04
        if at_rest:
            start = max(start, min(run[0] - rng.uniform(0.05, 0.5), arrival - 0.7))
            if layers:
                start = max(start, layers[-1].placement.arrival + 0.3)
        elif layers:
            start = max(start, layers[-1].placement.arrival + 0.05)
            before = begins[(begins < arrival) & (begins > layers[-1].placement.arrival)]
            if len(before):
                start = max(start, min(float(before[-1]) - 0.1, arrival - 0.45))
        # With a rise of its own early in, so that the clip's rise is seen and not multiplied by the fade.
        share = 0.8 if at_rest and follows_rise else 1.0
        fade = (start, max(start + share * (arrival - 0.02 - start), start + 0.28))
        end = following.arrival if following is not None else np.inf
        drop = next((t for t in drops if arrival - 0.3 < t < end), None)
        release = _release(placement, following, drop, run, style, rng)
        retract, depth, settle = None, 1.0, None
        if release is not None:
            way = float(np.linalg.norm(unit.wrists[side] - rest))
            share = float(rng.uniform(*SINK))
            wait = float(rng.uniform(*SINK_WAIT))
            if drop is None and rng.random() < SINKS:
                sunk = (release, release + 0.6 + 1.1 * share * way)
                if following is not None and following.arrival < release + wait + 1.2:
                    retract, depth = sunk, share
                else:
                    settle = (*sunk, share)
                    release += wait
                    way *= 1.0 - share
            elif following is not None and drop is None and rng.random() < 0.4:
                depth = float(rng.uniform(0.35, 0.65))
            if retract is None:
                retract = (release, release + (0.50 + 0.85 * depth * way) / min(tempo, 1.1))
        layers.append(_Layer(placement, fade, first, retract, depth, _supination(placement, side), settle))
        at_rest = retract is not None and depth == 1.0
        place = rest if at_rest else unit.wrists[side]
        if retract is not None and not at_rest:
            place = place + depth * (rest - place)
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


def _target(layer: _Layer, times: FloatArray, rest: FloatArray, side: int, style: Style) -> FloatArray:
    """Where the layer wants the arm (T, 18, 4): the unit, sized and varied."""
    placement, sign = layer.placement, (1.0, -1.0)[side]
    joints = list(canonical.arm_joints(canonical.SIDES[side]))
    target = rotation.sample(placement.unit.local[:, joints], _clip_frames(layer, times))
    size = np.full(len(joints), 1.0)
    # Beyond full size the upper arm goes further; elbow and wrist stay in their range.
    size[:3] = placement.amplitude, min(placement.amplitude, 1.12), min(placement.amplitude, 1.0)
    size[3:] = (1.0 - style.relaxed_fingers) * min(placement.amplitude, 1.0)
    target = rotation.slerp(rest, target, size)
    # At the end the hand goes a little too far, and settles.
    settle = 0.10 * np.exp(-(((times - layer.fade[1] - 0.07) / 0.10) ** 2)) - 0.05
    vector = placement.swing[side] * (1.0 + settle[:, None])
    vector[:, 0] -= placement.lift * 0.9
    target[:, 0] = rotation.mul(rotation.exp(vector), target[:, 0])
    bend = np.zeros((len(times), 3))
    bend[:, 1] = -sign * (placement.lift + 0.5 * np.deg2rad(9.0) * settle)
    target[:, 1] = rotation.mul(target[:, 1], rotation.exp(bend))
    if layer.turn:
        target[:, 2] = rotation.mul(rotation.about(np.array([1.0, 0.0, 0.0]), layer.turn), target[:, 2])
    # Fingers open as the hand arrives, and relax on the way to the next place.
    opening = np.exp(-(((times - layer.fade[1]) / 0.22) ** 2))
    curl = placement.fingers + np.deg2rad(24.0) * (0.7 - opening)
    return _bend_fingers(target, np.repeat(curl[:, None], 4, axis=1), sign)


def _bend_fingers(arm: FloatArray, curl: FloatArray, sign: float) -> FloatArray:
    """Arm rotations (T, 18, 4) with the four fingers bent by ``curl`` (T, 4) more in each joint, radians.

    What would bend a finger backwards is left out.
    """
    arm = arm.copy()
    for finger in range(4):
        for k, share in enumerate((0.8, 1.0, 0.7)):
            joint = 6 + 3 * finger + k
            vector = rotation.log(arm[:, joint])
            now = -sign * vector[:, 2]
            wanted = np.clip(now + share * curl[:, finger], np.minimum(now, np.deg2rad(-6.0)), np.deg2rad(88.0))
            vector[:, 2] = -sign * np.where(curl[:, finger] < 0, wanted, np.maximum(wanted, now))
            arm[:, joint] = rotation.exp(vector)
    return arm


def _play_arm(base: FloatArray, layers: list[_Layer], side: int, style: Style) -> tuple[FloatArray, FloatArray]:
    """Arm rotations (T, 18, 4) and how much the arm is away from rest (T,)."""
    rest = base[:, list(canonical.arm_joints(canonical.SIDES[side]))]
    pose = rest.copy()
    activity = np.zeros(len(base))
    for k, layer in enumerate(layers):
        start = max(0, int(np.floor(layer.fade[0] * WORK_FPS)))
        # A later layer at full weight hides this one.
        end = len(base) if k + 1 == len(layers) else min(len(base), int(layers[k + 1].fade[1] * WORK_FPS) + 2)
        whole = layer.retract is not None and layer.depth == 1.0
        if whole:
            end = min(end, int(layer.retract[1] * WORK_FPS) + 2)
        if end <= start:
            continue
        times = np.arange(start, end) / WORK_FPS
        here = rest[start:end]
        target = _target(layer, times, here, side, style)
        weight = _fade(times, layer.fade)
        mixed = rotation.slerp(pose[start:end], target, weight[:, None])
        # Half-way the hand is off the straight line.
        bow = (4.0 * weight * (1.0 - weight))[:, None] * layer.placement.bow[side]
        mixed[:, 0] = rotation.mul(rotation.exp(bow), mixed[:, 0])
        level = activity[start:end] * (1.0 - weight) + weight
        if layer.retract is not None:
            down = layer.lowered(times)
            mixed = rotation.slerp(mixed, here, down[:, None])
            level = level * (1.0 - down)
        pose[start:end], activity[start:end] = mixed, level
        if whole:
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
        if not layer.placement.unit.from_rest:
            turned = local[:, joints]
        moved = rotation.log(rotation.sample(turned, _clip_frames(layer, times)))
        size = np.linalg.norm(moved, axis=-1, keepdims=True)
        moved = moved * np.tanh(size / 0.30) * 0.30 / np.maximum(size, 1e-6)
        weight = _fade(times, layer.fade)[:, None, None]
        total[start:] = total[start:] * (1.0 - weight) + amount * moved * weight
        if layer.retract is not None:
            total[start:] *= 1.0 - layer.lowered(times)[:, None, None]
    return total


def _beat_kernel(t: FloatArray) -> FloatArray:
    """A small raise before, a quick drop that ends on, and a slow return after the accent (t = 0 s)."""
    raise_ = np.exp(-(((t + 0.21) / 0.15) ** 2))
    drop = np.exp(-(((t - 0.05) / 0.14) ** 2))
    recoil = np.exp(-(((t - 0.30) / 0.18) ** 2))
    return raise_ - 0.8 * drop - 0.15 * recoil


def _add_beats(
    local: FloatArray, plan: Plan, activity: FloatArray, energy: FloatArray, rng: np.random.Generator
) -> None:
    """Superimposes the plan's beats on raised arms (in place): elbow first, wrist a little later."""
    times = np.arange(len(local)) / WORK_FPS
    for k, (side, sign) in enumerate((("left", 1.0), ("right", -1.0))):
        joints = canonical.arm_joints(side)
        upper, fore, hand = joints[:3]
        vectors = np.zeros((3, len(local), 3))
        for beat in plan.beats:
            size = (beat.left, beat.right)[k] * np.deg2rad(14.0)
            near = np.flatnonzero(np.abs(times - beat.time) < 0.8)
            wave, late = _beat_kernel(times[near] - beat.time), _beat_kernel(times[near] - beat.time - 0.05)
            outward = rng.normal(0.2, 0.6)
            # Elbow flexion, a swing of the upper arm (forward and inward or outward), a flick of the wrist.
            vectors[1, near] += np.stack([0.0 * wave, -sign * size * wave, 0.0 * wave], axis=1)
            vectors[0, near] += 0.5 * np.stack([-size * wave, sign * outward * size * wave, 0.0 * wave], axis=1)
            vectors[2, near] += 0.7 * np.stack([0.0 * late, 0.0 * late, sign * size * late], axis=1)
        # Hands that are up never hold quite still: they move on with the loudness of the speech.
        drift = smooth_noise(rng, len(local), 9, 1.0).reshape(-1, 3, 3) * np.deg2rad([[2.6], [3.4], [5.0]])
        drift *= (0.3 + 1.9 * energy)[:, None, None]
        level = activity[:, k, None]
        for j, joint in enumerate((upper, fore, hand)):
            vector = (vectors[j] + drift[:, j]) * level
            # The upper arm turns in the chest's frame, the others in their own.
            turn = rotation.exp(vector)
            local[:, joint] = (
                rotation.mul(turn, local[:, joint]) if joint == upper else rotation.mul(local[:, joint], turn)
            )
        play = smooth_noise(rng, len(local), 5, 0.75)
        curl = np.deg2rad(9.0) * (play[:, :1] + 0.6 * play[:, 1:]) * (0.15 + level * (0.4 + energy[:, None]))
        local[:, list(joints)] = _bend_fingers(local[:, list(joints)], curl, sign)


def loudness_curve(prosody: Prosody, frames: int) -> FloatArray:
    """Speech loudness (frames,) at 30 fps: 0 in silence to 1 where it is loud, smoothed over about 0.3 s."""
    loud = np.percentile(prosody.energy_db, 95) if len(prosody.energy_db) else 0.0
    level = np.clip((prosody.energy_db - loud + 25.0) / 25.0, 0.0, 1.0) if prosody.phrases else np.zeros(1)
    level = gaussian_filter1d(level, 0.15 * RATE)
    return np.interp(np.arange(frames) / WORK_FPS * RATE, np.arange(len(level)), level)


def perform(
    plan: Plan,
    prosody: Prosody,
    library: Library,
    style: Style,
    frames: int,
    rng: np.random.Generator,
    listening: bool = False,
) -> FloatArray:
    """Local rotations (frames, J, 4) at 30 fps of the whole performance, or of a listener to that speech."""
    rest_wrists = wrists_in_chest(style.rest.local[None])[0]
    pauses = zip(prosody.phrases[:-1], prosody.phrases[1:], strict=True)
    begins = np.array([b[0] for a, b in pauses if b[0] - a[1] > 0.35])
    schedules = [_schedule(plan, k, begins, rest_wrists[k], style, rng) for k in range(2)]
    energy = loudness_curve(prosody, frames)
    vectors = idle_track(list(library.idles), frames, rng)
    vectors[:, list(canonical.TORSO)] *= 0.7
    vectors += breathing(frames, rng)
    if listening:
        shifts = [float(t) for t in np.cumsum(rng.uniform(5.0, 14.0, 1 + frames // 200)) if t < frames / WORK_FPS]
    else:
        shifts = [p.start + rng.uniform(-0.4, 0.2) for p in plan.phrases if rng.random() < 0.6]
    swaying = (0.7 if listening else 1.0) * min(style.body, 1.5)
    vectors += swaying * sway(frames, rng, [max(t, 0.05) for t in shifts])
    torso = [*canonical.TORSO, canonical.joint("left_clavicle"), canonical.joint("right_clavicle")]
    # A unit of both arms is on two schedules; its trunk counts once.
    lead = {(id(x.placement.unit), round(x.placement.arrival, 1)): x for schedule in schedules for x in schedule}
    vectors[:, torso] += min(style.body, 1.3) * _play_torso(frames, list(lead.values()), 0.6)
    head = (listening_head if listening else head_motion)(frames, prosody, plan, energy, style, rng)
    local = np.tile(style.rest.local, (frames, 1, 1))
    arms = rotation.mul(style.rest.local[None], rotation.exp(vectors))
    activity = np.zeros((frames, 2))
    for k, side in enumerate(canonical.SIDES):
        joints = list(canonical.arm_joints(side))
        pose, activity[:, k] = _play_arm(arms, schedules[k], k, style)
        local[:, joints] = pose
    _add_beats(local, plan, activity, energy, rng)
    arm_joints = [j for side in canonical.SIDES for j in canonical.arm_joints(side)]
    follow, compensation = follow_hands(wrists_in_chest(local) - rest_wrists, style, rng)
    vectors += follow
    head -= compensation
    vectors[:, canonical.joint("neck")] += 0.4 * head
    vectors[:, canonical.joint("head")] += 0.6 * head
    body = rotation.mul(style.rest.local[None], rotation.exp(vectors))
    body[:, arm_joints] = local[:, arm_joints]
    return low_pass(resolve(limit_wrists(limit_elbows(body))), LOW_PASS_HZ)


def low_pass(local: FloatArray, cutoff_hz: float) -> FloatArray:
    """Zero-phase second-order Butterworth low-pass of rotations (T, J, 4), applied to continuous quaternions."""
    smooth = butter(2, cutoff_hz, fs=WORK_FPS, output="sos")
    return rotation.unit(sosfiltfilt(smooth, rotation.continuous(local), axis=0))
