# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator sees first: size, hands, phrase ends, body, head and variety of the motion.

Strokes are speed peaks of a wrist; where nothing moves, there is nothing to say, and a measure is undefined.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, find_peaks, sosfiltfilt

from ..motion.skeletons import SKELETONS, normalize
from ..speech.prosody import analyse
from .anatomy import body_frame
from .measure import Measure, undefined
from .takes import RATE, SHOULDERS, STILL, WRISTS, Take

FloatArray = np.ndarray

HANGING: Final = -0.40
"""Metres from the middle of the shoulders: a wrist below hangs."""
_LOWEST: Final = -0.52
STROKE_SPEED: Final = 0.30
"""m/s: slower movements of a wrist are no strokes."""
LARGE, SMALL = 0.25, 0.10
_TOGETHER: Final = 0.25
_SAMPLE: Final = 60
_ALIKE: Final = 0.22


@dataclass(frozen=True)
class Stroke:
    """One movement of a wrist (side 0 left, 1 right): frames at 30 fps and metres."""

    side: int
    start: int
    peak: int
    arrival: int
    size: float
    speed: float


def wrist_places(take: Take) -> FloatArray:
    """(T30, 2, 3) metres of the wrists from the middle of the shoulders."""
    return take.arms[:, WRISTS] - take.arms[:, SHOULDERS].mean(axis=1, keepdims=True)


def strokes(take: Take) -> list[Stroke]:
    """Speed peaks of each wrist with where they start and arrive (below 30 % of the peak, or at a minimum)."""
    found, places = [], wrist_places(take)
    for side in range(2):
        speed = take.speed[:, side]
        for peak in find_peaks(speed, height=STROKE_SPEED, prominence=0.15, distance=4)[0]:
            start = _ebb(speed[: peak + 1][::-1])
            arrival = _ebb(speed[peak:])
            a, b = peak - start, peak + arrival
            size = float(np.linalg.norm(places[b, side] - places[a, side]))
            found.append(Stroke(side, int(a), int(peak), int(b), size, float(speed[peak])))
    return found


def _ebb(speed: FloatArray) -> int:
    """Frames from a peak (the first value) to where the speed is below 30 % of it or rises again."""
    k = 0
    while k + 1 < len(speed) and speed[k] > 0.3 * speed[0]:
        if speed[k + 1] > speed[k] and speed[k] < 0.7 * speed[0]:
            break
        k += 1
    return k


def gestures(take: Take) -> list[Stroke]:
    """Strokes with those of both hands at the same time taken as one, the faster."""
    waiting = sorted(strokes(take), key=lambda stroke: stroke.peak)
    taken: set[int] = set()
    result = []
    for k, stroke in enumerate(waiting):
        if k in taken:
            continue
        best = stroke
        for j in range(k + 1, len(waiting)):
            other = waiting[j]
            if other.peak - stroke.peak >= _TOGETHER * RATE:
                break
            slower, faster = sorted((stroke.speed, other.speed))
            if j not in taken and other.side != stroke.side and slower > 0.4 * faster:
                taken.add(j)
                best = max(stroke, other, key=lambda candidate: candidate.speed)
                break
        result.append(best)
    return result


def _moving(takes: Sequence[Take]) -> list[Take]:
    return [take for take in takes if take.speed.mean() > STILL]


def stroke_sizes(takes: Sequence[Take]) -> dict[str, Measure]:
    """Median size of gestures (m), shares of large and small ones, and how many a minute of speech."""
    names = ("stroke_size", "strokes_large", "strokes_small", "strokes_per_minute")
    moving = _moving(takes)
    sizes = np.array([g.size for take in moving for g in gestures(take)])
    if len(sizes) < 5:
        return dict.fromkeys(names, undefined("there are hardly any strokes"))
    seconds = sum(end - start for take in moving for start, end in analyse(take.audio).phrases)
    rate = Measure(60.0 * len(sizes) / seconds) if seconds > 1 else undefined("nobody speaks")
    shares = (Measure(float(np.mean(sizes > LARGE))), Measure(float(np.mean(sizes < SMALL))))
    return dict(zip(names, (Measure(float(np.median(sizes))), *shares, rate), strict=True))


def hands(takes: Sequence[Take]) -> dict[str, Measure]:
    """Share of frames with exactly one hand raised; correlation of the vertical velocities while both are."""
    moving = _moving(takes)
    if not moving:
        return dict.fromkeys(("one_hand", "hands_together"), undefined("nothing moves"))
    raised = [wrist_places(take)[..., 1] > HANGING for take in moving]
    one = float(np.concatenate([r.any(axis=1) & ~r.all(axis=1) for r in raised]).mean())
    pairs = np.concatenate([t.velocity[r.all(axis=1)][..., 1] for t, r in zip(moving, raised, strict=True)])
    if len(pairs) < 2 * RATE:
        return {"one_hand": Measure(one), "hands_together": undefined("both hands are hardly ever up")}
    return {"one_hand": Measure(one), "hands_together": Measure(float(np.corrcoef(pairs.T)[0, 1]))}


def phrase_ends(takes: Sequence[Take]) -> dict[str, Measure]:
    """Height that the higher hand keeps 0.6 s after a last word; share of pauses of 1 to 1.6 s that drop both."""
    kept, dropped = [], []
    for take in _moving(takes):
        height = wrist_places(take)[..., 1].max(axis=1) - _LOWEST
        phrases = analyse(take.audio).phrases
        following = [*(start for start, _ in phrases[1:]), take.seconds]
        for (_, end), start in zip(phrases, following, strict=False):
            frame = round(end * RATE)
            before = height[max(0, frame - 15)]
            if start - end >= 1.0 and before > 0.15 and frame + 18 < len(height):
                kept.append(height[frame + 18] / before)
            if 1.0 <= start - end < 1.6 and before > HANGING - _LOWEST + 0.03 and start < take.seconds:
                dropped.append(bool((height[frame : round((start + 0.15) * RATE)] < HANGING - _LOWEST).any()))
    few = undefined("there are fewer than 3 such pauses with a hand up")
    return {
        "height_kept": Measure(float(np.mean(kept))) if len(kept) >= 3 else few,
        "pause_drop": Measure(float(np.mean(dropped))) if len(dropped) >= 3 else few,
    }


def body(takes: Sequence[Take]) -> dict[str, Measure]:
    """Degrees: spread of shoulder yaw (changes within 5 s) and clavicle lift; degrees a second: trunk and head."""
    rows = [_body_of(take) for take in takes if take.directions is not None and len(take.arm_directions) > RATE]
    names = ("shoulder_yaw", "clavicle_lift", "trunk_rate", "head_rate")
    if not rows:
        return dict.fromkeys(names, undefined("only arms are known"))
    weights, values = zip(*rows, strict=True)
    means = np.average(np.array(values), axis=0, weights=weights)
    return {name: Measure(float(mean)) for name, mean in zip(names, means, strict=True)}


def _body_of(take: Take) -> tuple[float, tuple[float, float, float, float]]:
    assert take.directions is not None
    skeleton = SKELETONS[take.layout]
    directions = take.directions.astype(np.float64)
    smooth = butter(2, min(4.0, 0.4 * take.fps), fs=take.fps, output="sos")
    up = normalize(sosfiltfilt(smooth, directions[:, skeleton.bone("spine", "neck")], axis=0))
    sides = [directions[:, skeleton.bone("neck", f"{side}_shoulder")] for side in ("left", "right")]
    line = sides[0] - sides[1]
    yaw = np.unwrap(np.arctan2(-line[:, 2], line[:, 0]))
    yaw = np.degrees(yaw - gaussian_filter1d(yaw, 2.5 * take.fps))
    lifts = [np.degrees(np.arcsin(np.clip((side * up).sum(-1), -1.0, 1.0))) for side in sides]
    nose = directions[:, skeleton.bone("neck", "nose")]
    nose = sosfiltfilt(smooth, np.einsum("tij,tj->ti", body_frame(directions, skeleton), nose), axis=0)
    rates = [
        float(np.degrees(np.linalg.norm(np.diff(curve, axis=0), axis=-1)).mean() * take.fps)
        for curve in (up, normalize(nose))
    ]
    return take.seconds, (float(yaw.std()), float(np.mean([lift.std() for lift in lifts])), *rates)


def variety(takes: Sequence[Take], draws: int = 20) -> Measure:
    """Distinct gestures among 60: clusters (average linkage, 0.22 m) of where from and to they lead, both hands.

    Mean over random draws; gestures of less than 8 cm do not count, and a left hand's are mirrored.
    """
    features = np.array([f for take in _moving(takes) for f in _gesture_features(take)])
    if len(features) < _SAMPLE:
        return undefined(f"there are fewer than {_SAMPLE} strokes")
    rng = np.random.default_rng(0)
    counts = []
    for _ in range(draws):
        sample = features[rng.choice(len(features), _SAMPLE, replace=False)]
        counts.append(fcluster(linkage(sample, "average"), _ALIKE, "distance").max())
    return Measure(float(np.mean(counts)))


def _gesture_features(take: Take) -> list[FloatArray]:
    places, rows = wrist_places(take), []
    for stroke in gestures(take):
        if stroke.size < 0.08:
            continue
        sign = np.array([1.0 if stroke.side == 0 else -1.0, 1.0, 1.0])
        start, end = (places[frame, stroke.side] * sign for frame in (stroke.start, stroke.arrival))
        other = places[stroke.arrival, 1 - stroke.side] * sign * np.array([-1.0, 1.0, 1.0])
        other = other if other[1] > HANGING else np.array([0.2, -0.5, 0.0])
        rows.append(np.concatenate([end, end - start, 0.5 * other]))
    return rows


CHARACTER: Final[tuple[Callable[[Sequence[Take]], dict[str, Measure]], ...]] = (
    stroke_sizes,
    hands,
    phrase_ends,
    body,
    lambda takes: {"distinct_strokes": variety(takes)},
)


def character(takes: Sequence[Take]) -> dict[str, Measure]:
    """All measures of this module by name."""
    return {name: value for part in CHARACTER for name, value in part(takes).items()}
