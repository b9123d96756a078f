# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether arms follow the speech. Every number is set against the same motion with the speech shifted in time.

Without that comparison these measures say little: smooth motion that has nothing to do with the speech reaches the
beat consistency of real people. Shifts are circular within a take, at least 2 s long, so pauses,
rates and densities stay what they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.ndimage import uniform_filter1d

from .legacy_metrics import SIGMA
from .measure import Measure, undefined
from .takes import ELBOWS, RATE, SHOULDERS, STILL, WRISTS, Take

FloatArray = np.ndarray

NUM_SHUFFLES: Final = 500
LEAST_SECONDS: Final = 8.0
LEAST_SHIFT: Final = 2.0
LOCAL_SHIFTS: Final = (0.4, 1.2)
"""Seconds: shifts too short to move speech into a pause, which test the timing of beats alone."""
_SMOOTHING: Final = round(RATE)
_BEAT_RATE: Final = 15.0
_BEAT_THRESHOLD: Final = 0.03
_ANGLE_CHANGE: Final = (0.0034540758933871984, 0.007043459918349981, 0.003493624273687601, 0.007205077446997166)
"""Usual change per frame, in units of pi, of the angles at left shoulder, left elbow and the right ones (TED)."""


@dataclass(frozen=True)
class Paired:
    """A score with the right speech, the mean with shifted speech, and their difference with a one-sided p.

    ``mismatched`` is the mean with the speech of the other takes: shifted speech shares a clip's quiet ends.
    """

    paired: Measure
    shuffled: Measure
    difference: Measure
    mismatched: Measure


def _compare(
    takes: Sequence[Take],
    score: Callable[[Take, float], float | None],
    draw_shift: Callable[[Take, np.random.Generator], float],
    mismatch: Callable[[Take, Take], float | None],
    note: str,
) -> Paired:
    """``score(take, shift in seconds)`` averaged over takes, weighted by length; None leaves a take out.

    ``mismatch(take, other)`` is the score of the take's motion with the other's speech. Statues are left out.
    """
    values, weights, shuffled = [], [], []
    rng = np.random.default_rng(0)
    for take in takes:
        value = score(take, 0.0) if take.seconds >= LEAST_SECONDS and take.speed.mean() > STILL else None
        if value is None:
            continue
        values.append(value)
        weights.append(take.seconds)
        draws = [score(take, draw_shift(take, rng)) for _ in range(NUM_SHUFFLES)]
        shuffled.append([np.nan if draw is None else draw for draw in draws])
    if not values:
        return Paired(*(undefined(note) for _ in range(4)))
    paired = float(np.average(values, weights=weights))
    draws = np.average(np.nan_to_num(np.asarray(shuffled), nan=0.0), axis=0, weights=weights)
    mean = float(draws.mean())
    p_value = (1 + int((draws >= paired).sum())) / (1 + NUM_SHUFFLES)
    low, high = (paired - float(bound) for bound in np.percentile(draws, [97.5, 2.5]))
    others = [mismatch(take, other) for take in takes for other in takes if take is not other]
    known = [value for value in others if value is not None]
    mismatched = Measure(float(np.mean(known))) if known else undefined("there is no other take")
    return Paired(Measure(paired), Measure(mean), Measure(paired - mean, low, high, p_value), mismatched)


def _far_shift(take: Take, rng: np.random.Generator) -> float:
    return float(rng.uniform(LEAST_SHIFT, take.seconds - LEAST_SHIFT))


def _near_shift(_: Take, rng: np.random.Generator) -> float:
    return float(rng.choice((-1, 1)) * rng.uniform(*LOCAL_SHIFTS))


def energy_correlation(takes: Sequence[Take]) -> Paired:
    """Correlation of speech energy (RMS over 0.2 s) and mean wrist speed, both smoothed over 1 s."""
    by_shift = {id(take): _circular_correlation(take) for take in takes}

    def score(take: Take, shift: float) -> float | None:
        correlations = by_shift[id(take)]
        return None if correlations is None else float(correlations[round(shift * RATE) % len(correlations)])

    def mismatch(take: Take, other: Take) -> float | None:
        frames = min(len(take.arms), len(other.energy))
        if frames < LEAST_SECONDS * RATE or take.speed.mean() <= STILL:
            return None
        curves = [uniform_filter1d(c[:frames], _SMOOTHING) for c in (take.speed.mean(axis=1), other.energy)]
        if min(curve.std() for curve in curves) <= 1e-9:
            return None
        return float(np.corrcoef(curves)[0, 1])

    note = f"no take of at least {LEAST_SECONDS:g} s has both speech and motion that vary"
    return _compare(takes, score, _far_shift, mismatch, note)


def _circular_correlation(take: Take) -> FloatArray | None:
    """(T30,) correlation with the speech's energy k frames later, k = 0 …; None where one of them is constant."""
    curves = []
    for curve in (take.energy, take.speed.mean(axis=1)):
        smooth = uniform_filter1d(curve, _SMOOTHING)
        if smooth.std() <= 1e-6 * (smooth.mean() + 1e-12):
            return None
        curves.append(np.fft.rfft((smooth - smooth.mean()) / smooth.std()))
    energy, speed = curves
    return np.fft.irfft(np.conj(energy) * speed, len(take.arms)) / len(take.arms)


def arm_beats(take: Take) -> FloatArray:
    """Times in seconds of motion beats: where the arms' angles change least between two changes.

    The published rule (strict local minima of the mean normalised change of shoulder and elbow angles at 15 fps, a
    neighbour 0.03 higher) over the whole take, on the low-passed arms.
    """
    step = round(RATE / _BEAT_RATE)
    arms = take.arms[::step]
    change = np.zeros(len(arms))
    for side in range(2):
        shoulder, elbow, wrist = (arms[:, columns[side]] for columns in (SHOULDERS, ELBOWS, WRISTS))
        for k, (first, second) in enumerate(((shoulder, elbow - shoulder), (elbow - shoulder, wrist - elbow))):
            lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
            angle = np.arccos(np.clip((first * second).sum(-1) / np.maximum(lengths, 1e-9), -1, 1)) / np.pi
            change += np.abs(np.diff(angle, prepend=angle[:1])) / _ANGLE_CHANGE[2 * side + k] / 4
    if len(change) < 4:
        return np.zeros(0)
    here, before, after = change[2:-1], change[1:-2], change[3:]
    lowest = (here < before) & (here < after)
    clear = (before - here >= _BEAT_THRESHOLD) | (after - here >= _BEAT_THRESHOLD)
    return (np.flatnonzero(lowest & clear) + 2) / _BEAT_RATE


def _closeness(onsets: FloatArray, motion: FloatArray) -> float | None:
    if len(onsets) == 0 or len(motion) == 0:
        return None
    after = np.searchsorted(motion, onsets)
    gaps = [np.abs(onsets - motion[np.clip(after - k, 0, len(motion) - 1)]) for k in (0, 1)]
    return float(np.exp(-(np.minimum(*gaps) ** 2) / (2 * SIGMA**2)).mean())


def beat_consistency(takes: Sequence[Take]) -> tuple[Paired, Paired]:
    """BC against far shifts, and against near ones (0.4 to 1.2 s).

    Far shifts also move speech into pauses, so they reward resting in silence; near ones test timing alone.
    """
    beats = {id(take): (take.onsets, arm_beats(take)) for take in takes}

    def score(take: Take, shift: float) -> float | None:
        onsets, motion = beats[id(take)]
        return _closeness((onsets + shift) % take.seconds, motion)

    def mismatch(take: Take, other: Take) -> float | None:
        onsets, motion = beats[id(other)][0], beats[id(take)][1]
        seconds = min(take.seconds, other.seconds)
        if seconds < LEAST_SECONDS or take.speed.mean() <= STILL:
            return None
        return _closeness(onsets[onsets < seconds], motion[motion < seconds])

    note = f"no take of at least {LEAST_SECONDS:g} s has both onsets in the speech and beats in the motion"
    far = _compare(takes, score, _far_shift, mismatch, note)
    return far, _compare(takes, score, _near_shift, mismatch, note)


def rest_ratio(takes: Sequence[Take]) -> Measure:
    """Mean wrist speed in pauses longer than 1 s relative to that in speech."""
    pauses, speech = [], []
    for take in takes:
        in_speech, in_pause = take.speech_and_pauses
        speech.append(take.speed[in_speech].ravel())
        pauses.append(take.speed[in_pause].ravel())
    resting, speaking = np.concatenate(pauses), np.concatenate(speech)
    if len(resting) == 0:
        return undefined("no pause is longer than 1 s")
    if len(speaking) == 0 or speaking.mean() == 0 or all(take.speed.mean() <= STILL for take in takes):
        return undefined("there is no speech with motion to compare with")
    return Measure(float(resting.mean() / speaking.mean()))
