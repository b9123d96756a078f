# SPDX-License-Identifier: GPL-3.0-or-later
"""How arms move, whatever is said: speed and acceleration histograms, jerk, diversity, seams, Fréchet distance."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.fft import dct

from .frechet import bootstrap_frechet, split_floor
from .measure import Measure, undefined
from .takes import ELBOWS, RATE, WRISTS, Take

FloatArray = np.ndarray

SPEED_EDGES: Final = np.arange(31) * 0.1
"""m/s; what is faster than 3 m/s falls into the last bin."""
ACCELERATION_EDGES: Final = np.arange(41) * 0.5
"""m/s², up to 20."""
_CHUNK_SECONDS: Final = 10.0


def histogram(values: Sequence[FloatArray], edges: FloatArray) -> FloatArray:
    """Share of all values in each bin; larger ones count in the last."""
    pooled = np.concatenate([value.ravel() for value in values])
    counts = np.histogram(np.minimum(pooled, edges[-1] * (1 - 1e-9)), edges)[0]
    return counts / counts.sum()


def hellinger(p: FloatArray, q: FloatArray) -> float:
    """Hellinger distance ``sqrt(1 - sum sqrt(p q))`` of two histograms, 0 to 1."""
    return float(np.sqrt(max(0.0, 1.0 - np.sqrt(p * q).sum())))


def speed_distance(takes: Sequence[Take], real: Sequence[Take]) -> Measure:
    """Hellinger distance of the wrists' speed histograms."""
    histograms = [histogram([take.speed for take in group], SPEED_EDGES) for group in (takes, real)]
    return Measure(hellinger(*histograms))


def acceleration_distance(takes: Sequence[Take], real: Sequence[Take]) -> Measure:
    """Hellinger distance of the wrists' acceleration histograms."""
    histograms = [histogram([take.acceleration for take in group], ACCELERATION_EDGES) for group in (takes, real)]
    return Measure(hellinger(*histograms))


def mean_speed(takes: Sequence[Take]) -> Measure:
    """Mean wrist speed, m/s."""
    return Measure(float(_pool(takes, "speed").mean()))


def fast_speed(takes: Sequence[Take]) -> Measure:
    """95th percentile of wrist speed, m/s."""
    return Measure(float(np.percentile(_pool(takes, "speed"), 95)))


def jerk_ratio(takes: Sequence[Take], real: Sequence[Take]) -> Measure:
    """Mean wrist jerk relative to real takes."""
    reference = float(_pool(real, "jerk").mean())
    if reference == 0:
        return undefined("the real takes do not move")
    return Measure(float(_pool(takes, "jerk").mean()) / reference)


def raw_jerk_ratio(takes: Sequence[Take], real: Sequence[Take]) -> Measure:
    """The same without the low-pass, at 15 fps: what a film at that rate would show."""
    means = [np.mean([_raw_jerk(take) for take in group]) for group in (takes, real)]
    return undefined("the real takes do not move") if means[1] == 0 else Measure(float(means[0] / means[1]))


def _raw_jerk(take: Take) -> float:
    """Mean jerk (m/s³) of the unfiltered wrists, every other frame where the take has about 30 a second."""
    step = max(1, round(take.fps / 15.0))
    wrists = take.raw_arms[::step, WRISTS]
    if len(wrists) < 4:
        return 0.0
    return float(np.linalg.norm(np.diff(wrists, n=3, axis=0), axis=-1).mean() * (take.fps / step) ** 3)


def _pool(takes: Sequence[Take], name: str) -> FloatArray:
    return np.concatenate([getattr(take, name).ravel() for take in takes])


def l1_diversity(takes: Sequence[Take]) -> float:
    """Mean over frames of the L1 distance of elbows and wrists (metres) from their mean over 10 s.

    The published "L1 diversity" is taken over whole clips, which makes long clips look more diverse.
    """
    total, frames = 0.0, 0
    for take in takes:
        points = take.arms[:, ELBOWS + WRISTS].reshape(len(take.arms), -1)
        chunks = max(1, round(take.seconds / _CHUNK_SECONDS))
        for chunk in np.array_split(points, chunks):
            total += float(np.abs(chunk - chunk.mean(axis=0)).sum())
        frames += len(points)
    return total / frames


def diversity_ratio(takes: Sequence[Take], real: Sequence[Take]) -> Measure:
    """L1 diversity relative to real takes."""
    reference = l1_diversity(real)
    return undefined("the real takes do not move") if reference == 0 else Measure(l1_diversity(takes) / reference)


def seam_ratio(takes: Sequence[Take]) -> Measure:
    """Mean velocity jump of the wrists where windows begin or end, relative to all other frames.

    A velocity jump is the norm of the second difference of the unfiltered positions at the take's own rate; at a
    seam in front of frame s the jumps around s - 1 and s count.
    """
    if takes and all(take.seams is None for take in takes):
        return Measure(1.0, note="made in one piece, so that no frame is a seam")
    at_seams, inside = [], []
    for take in takes:
        jumps = np.linalg.norm(np.diff(take.raw_arms[:, WRISTS], n=2, axis=0), axis=-1).mean(axis=1)
        seam = np.zeros(len(jumps), dtype=bool)
        for frame in take.seams or ():
            seam[max(0, frame - 2) : frame] = True
        at_seams.append(jumps[seam])
        inside.append(jumps[~seam])
    seams, others = np.concatenate(at_seams), np.concatenate(inside)
    if len(seams) == 0:
        return undefined("no take is longer than one window")
    if others.mean() == 0:
        return undefined("nothing moves")
    return Measure(float(seams.mean() / others.mean()))


# -- Fréchet distance in a fixed feature space -----------------------------------------------------------------

FEATURE_ORDERS: Final = 6
FEATURE_SCALES: Final = (0.105, 0.053, 0.040, 0.028, 0.020, 0.013)
"""Metres: usual spread of each cosine order on real takes, frozen; see :func:`gesture_features`."""
_WINDOW, _STRIDE, _BLOCK = round(2 * RATE), round(RATE), 10


def gesture_features(take: Take) -> FloatArray:
    """(windows, 36) features of windows of 2 s, one a second: where the wrists are and how they sweep.

    The first six coefficients of the orthonormal cosine transform of each wrist coordinate, divided by the root of
    the window's length (so that they are metres) and by the frozen spread of their order. A fixed transform in
    place of a trained autoencoder: it needs no data, favours no model and is the same in every version.
    """
    wrists = take.arms[:, WRISTS].reshape(len(take.arms), 6)
    starts = range(0, len(wrists) - _WINDOW + 1, _STRIDE)
    if not starts:
        return np.zeros((0, 6 * FEATURE_ORDERS))
    windows = np.stack([wrists[start : start + _WINDOW] for start in starts])
    orders = dct(windows, axis=1, norm="ortho")[:, :FEATURE_ORDERS] / np.sqrt(_WINDOW)
    return (orders / np.asarray(FEATURE_SCALES)[:, None]).reshape(len(windows), -1)


def feature_blocks(takes: Sequence[Take]) -> list[FloatArray]:
    """Features in blocks of about 10 s, which a bootstrap may draw as units."""
    features = [gesture_features(take) for take in takes]
    return [block for rows in features if len(rows) for block in np.array_split(rows, -(-len(rows) // _BLOCK))]


def gesture_distance(takes: Sequence[Take], real: Sequence[Take]) -> Measure:
    """Fréchet distance per feature to the real takes, with a 95 % bootstrap interval."""
    ours, theirs = feature_blocks(takes), feature_blocks(real)
    features = 6 * FEATURE_ORDERS
    if min(sum(map(len, ours)), sum(map(len, theirs))) <= features:
        return undefined(f"a Fréchet distance of {features} features needs more than {features} s on either side")
    distance, low, high = bootstrap_frechet(ours, theirs)
    return Measure(distance / features, low / features, high / features)


def gesture_distance_floor(real: Sequence[Take]) -> Measure:
    """The same distance between random halves of the real takes: the least that can be expected."""
    blocks = feature_blocks(real)
    floor = split_floor(blocks)
    if floor is None:
        return undefined("the real takes are too short to be halved")
    return Measure(floor / (6 * FEATURE_ORDERS))
