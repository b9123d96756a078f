# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of other papers: GENEA's numerical measures (2022) and EMAGE's BC and L1div, by their definitions.

Functions take positions (T, J, 3); the panel gives them shoulders, elbows and wrists at 30 fps, since these are
what every source has. Their joints are others (GENEA: all but the hips, EMAGE: 13 of SMPL-X and 55), so values are
comparable between columns of one table, not with a table that was made with other joints.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import argrelextrema

from .kinematics import hellinger
from .legacy_metrics import audio_onsets
from .measure import Measure, undefined
from .takes import RATE, SAMPLE_RATE, Take

FloatArray = np.ndarray

GENEA_BINS: Final = np.arange(50.0)
"""cm/s: the bins of the velocity histogram; what is faster than 49 is left out, as there."""
EMAGE_SIGMA: Final = 0.3
EMAGE_ORDER: Final = 7
EMAGE_MASK: Final = 60
"""Frames at either end of a clip that EMAGE leaves out."""
_EMAGE_THRESHOLD: Final = 0.3


def positions_at_30(take: Take) -> FloatArray:
    """(T30, 6, 3) metres of shoulders, elbows and wrists, unfiltered."""
    arms = take.raw_arms
    if take.fps == RATE or len(arms) < 2:
        return arms
    times = np.minimum(np.arange(round(take.seconds * RATE)) / RATE * take.fps, len(arms) - 1)
    return CubicSpline(np.arange(len(arms)), arms.reshape(len(arms), -1))(times).reshape(-1, *arms.shape[1:])


def mean_derivative(positions: FloatArray, order: int, fps: float = RATE) -> float:
    """Mean over frames and joints of the norm of the ``order``-th difference (GENEA: 2 acceleration, 3 jerk)."""
    return float(np.linalg.norm(np.diff(positions, n=order, axis=0), axis=-1).mean() * fps**order)


def over_clips(clips: Sequence[FloatArray], order: int) -> Measure:
    """The mean over clips with plus and minus one standard deviation, as GENEA tables have it."""
    values = [mean_derivative(clip, order) for clip in clips if len(clip) > order]
    if not values:
        return undefined("the takes are too short")
    mean, spread = float(np.mean(values)), float(np.std(values))
    return Measure(mean, mean - spread, mean + spread)


def velocity_histogram(clips: Sequence[FloatArray]) -> FloatArray:
    """Shares of the joints' velocities (positions in cm) in bins of 1 cm/s, all joints together."""
    speeds = [np.linalg.norm(np.diff(clip, axis=0), axis=-1).ravel() * RATE for clip in clips]
    counts = np.histogram(np.concatenate(speeds), GENEA_BINS)[0].astype(np.float64)
    return counts / max(counts.sum(), 1.0)


def canonical_correlation(a: FloatArray, b: FloatArray) -> float:
    """The first canonical correlation of rows (N, P) and (N, Q), constant columns left out (GENEA's "global
    CCA").
    """
    bases = []
    for values in (a, b):
        moving = values[:, values.std(axis=0) > 1e-8]
        u, s, _ = np.linalg.svd(moving - moving.mean(axis=0), full_matrices=False)
        bases.append(u[:, s > 1e-9 * max(s.max(initial=0.0), 1e-12)])
    return float(np.linalg.svd(bases[0].T @ bases[1], compute_uv=False).max(initial=0.0))


def genea(takes: Sequence[Take], real: Sequence[Take]) -> dict[str, Measure]:
    """Average jerk and acceleration, Hellinger distance of velocity, global CCA with the people's motion."""
    ours, theirs = ([100 * positions_at_30(take) for take in group] for group in (takes, real))
    result = {"genea_acceleration": over_clips(ours, 2), "genea_jerk": over_clips(ours, 3)}
    if not real:
        none = undefined("there are no real takes to compare with")
        return {**result, "genea_hellinger": none, "genea_cca": none}
    distance = hellinger(velocity_histogram(ours), velocity_histogram(theirs))
    partners = {take.name: clip for take, clip in zip(real, theirs, strict=True)}
    pairs = [(clip, partners[take.name]) for take, clip in zip(takes, ours, strict=True) if take.name in partners]
    if not pairs or all(clip is partner for clip, partner in pairs):
        correlation = undefined("there is no other motion of the same speech")
    else:
        lengths = [min(len(clip), len(partner)) for clip, partner in pairs]
        sides = (
            np.concatenate([pair[side][:n].reshape(n, -1) for pair, n in zip(pairs, lengths, strict=True)])
            for side in (0, 1)
        )
        value = canonical_correlation(*sides)
        correlation = Measure(value) if value else undefined("nothing moves")
    return {**result, "genea_hellinger": Measure(distance), "genea_cca": correlation}


def emage_speed(positions: FloatArray, fps: float = RATE) -> FloatArray:
    """(T, J) speeds by central differences, one-sided at the ends."""
    return np.linalg.norm(np.gradient(positions, axis=0), axis=-1) * fps


def emage_bc(
    positions: FloatArray, audio: FloatArray, mean_speed: FloatArray, *, mask: int = EMAGE_MASK, fps: float = RATE
) -> float | None:
    """EMAGE's beat consistency of one clip (class ``alignment``, sigma 0.3, order 7); None without onsets.

    Beats of a joint are minima of its speed (lower than 7 frames to either side) where it is faster than 0.3 of
    its ``mean_speed`` (J,). As there, the ends are cut off before minima are looked for but not before the speed
    is compared, which is off by ``mask`` frames; and a joint without beats scores 0.
    """
    speed = emage_speed(positions, fps) / mean_speed
    frames = len(speed)
    if frames <= 2 * mask:
        return None
    start = int(mask * SAMPLE_RATE / fps)
    onsets = audio_onsets(audio[: int(SAMPLE_RATE / fps * frames)][start : len(audio) - start])
    if not len(onsets):
        return None
    scores = []
    for joint in range(speed.shape[1]):
        lowest = argrelextrema(speed[mask : frames - mask, joint], np.less, order=EMAGE_ORDER)[0]
        beats = lowest[speed[lowest, joint] > _EMAGE_THRESHOLD] / fps
        if len(beats):
            gaps = np.abs(onsets[:, None] - beats[None]).min(axis=1)
            scores.append(float(np.exp(-(gaps**2) / (2 * EMAGE_SIGMA**2)).mean()))
        else:
            scores.append(0.0)
    return float(np.mean(scores))


def emage_l1div(clips: Sequence[FloatArray]) -> float:
    """EMAGE's L1div: per frame, the summed absolute deviations of all coordinates from their mean over the
    clip.
    """
    total = sum(float(np.abs(clip - clip.mean(axis=0)).sum()) for clip in clips)
    return total / sum(map(len, clips))


def emage(takes: Sequence[Take], real: Sequence[Take]) -> dict[str, Measure]:
    """BC, averaged by length, with the people's mean speeds as normaliser; and L1div."""
    clips = [positions_at_30(take) for take in takes]
    result = {"emage_l1div": Measure(emage_l1div(clips))}
    if not real:
        return {**result, "emage_bc": undefined("there are no real takes to take mean speeds from")}
    mean_speed = np.concatenate([emage_speed(positions_at_30(take)) for take in real]).mean(axis=0)
    if (mean_speed == 0).any():
        return {**result, "emage_bc": undefined("the real takes do not move")}
    scored = [
        (emage_bc(clip, take.audio, mean_speed), len(clip) - 2 * EMAGE_MASK)
        for clip, take in zip(clips, takes, strict=True)
        if len(take.audio)
    ]
    known = [(value, weight) for value, weight in scored if value is not None]
    if not known:
        return {**result, "emage_bc": undefined("no take of more than 4 s has onsets")}
    values, weights = zip(*known, strict=True)
    return {**result, "emage_bc": Measure(float(np.average(values, weights=weights)))}
