# SPDX-License-Identifier: GPL-3.0-or-later
"""The published metrics as the official code computes them, quirks included.

Source: ``embedding_space_evaluator.py``, ``test_ted.py`` and ``test_expressive.py`` of the official repository.
Poses are native, mean-subtracted, not re-normalised directions (N, 34, D) of windows at 15 fps.
What these numbers do not tell is written in docs/EVALUATION.md; ``panel`` holds the measures that do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import librosa
import numpy as np

from ..motion.skeletons import TED, TED_EXPRESSIVE, Skeleton, directions_to_joints, normalize
from ..speech.features import SAMPLE_RATE
from .frechet import frechet_distance

FloatArray = np.ndarray

FPS: Final = 15.0
SIGMA: Final = 0.1
"""Seconds: width of the Gaussian that scores a beat."""
_BEAT_FRAMES: Final = (2, 32)
"""First and last frame of a window in which the official code looks for motion beats."""


@dataclass(frozen=True)
class BeatSettings:
    """How motion beats are found in one layout.

    ``angle_pairs`` are pairs of bones (for ted_expressive 42 and 43 are the palm normals), ``change_angle`` the
    mean absolute change of their angle per frame on the official training split, in units of pi. A beat needs a
    neighbour that is ``threshold`` higher. ``normalize_whole_pose``: ted_expressive as published scales the whole
    pose vector, palm normals included, to length one before it is cut into directions, so all angles are near a
    right angle; the lower threshold makes up for it.
    """

    angle_pairs: tuple[tuple[int, int], ...]
    change_angle: tuple[float, ...]
    threshold: float
    normalize_whole_pose: bool


def _hand_pairs(first: int) -> list[tuple[int, int]]:
    """The bends of five fingers (bones ``first`` …), then the spread of neighbouring metacarpals."""
    bends = [(first + 3 * f + k, first + 3 * f + k + 1) for f in range(5) for k in (0, 1)]
    index, middle, pinky, ring, thumb = (first + 3 * f for f in range(5))
    return [*bends, (thumb, index), (index, middle), (middle, ring), (ring, pinky)]


_EXPRESSIVE_PAIRS: Final = (
    *((0, 1), (0, 2), (1, 3), (3, 4), *_hand_pairs(5)),
    *((2, 20), (20, 21), *_hand_pairs(22)),
    *((0, 37), (37, 38), (37, 39), (38, 40), (39, 41)),
    *((4, 42), (21, 43)),
)
_EXPRESSIVE_CHANGE: Final = (
    *(0.0027804733254015446, 0.002761547453701496, 0.005953566171228886, 0.013764726929366589),
    *(0.022748252376914024, 0.039307352155447006, 0.03733552247285843, 0.03775784373283386),
    *(0.0485558956861496, 0.032914578914642334, 0.03800227493047714, 0.03757007420063019),
    *(0.027338404208421707, 0.01640886254608631, 0.003166505601257086, 0.0017252820543944836),
    *(0.0018696568440645933, 0.0016072227153927088, 0.005681346170604229, 0.013287615962326527),
    *(0.021516695618629456, 0.033936675637960434, 0.03094293735921383, 0.03378918394446373),
    *(0.044323261827230453, 0.034706637263298035, 0.03369896858930588, 0.03573163226246834),
    *(0.02628341130912304, 0.014071882702410221, 0.0029828345868736506, 0.0015706412959843874),
    *(0.0017107439925894141, 0.0014634154504165053, 0.004873405676335096, 0.002998138777911663),
    *(0.0030240598134696484, 0.0009890805231407285, 0.0012279648799449205, 0.047324635088443756),
    0.04472292214632034,
)
BEAT_SETTINGS: Final = {
    TED.name: BeatSettings(
        angle_pairs=((3, 4), (4, 5), (6, 7), (7, 8)),
        change_angle=(0.0034540758933871984, 0.007043459918349981, 0.003493624273687601, 0.007205077446997166),
        threshold=0.03,
        normalize_whole_pose=False,
    ),
    TED_EXPRESSIVE.name: BeatSettings(
        angle_pairs=_EXPRESSIVE_PAIRS,
        change_angle=_EXPRESSIVE_CHANGE,
        threshold=0.001,
        normalize_whole_pose=True,
    ),
}
_PALM_BONES: Final = ((11, 17), (28, 34))
"""ted_expressive: metacarpals of little finger and thumb, left and right, whose cross product is a palm normal."""


def angle_change(directions: FloatArray, skeleton: Skeleton) -> FloatArray:
    """(N, T): mean change of the joint angles from the frame before, each in units of its usual change.

    ``directions`` (N, T, D) are native and have their mean. Frame 0 is 0.
    """
    settings = BEAT_SETTINGS[skeleton.name]
    vectors = np.asarray(directions).reshape(*directions.shape[:2], -1, 3)
    if skeleton.name == TED_EXPRESSIVE.name:
        palms = [np.cross(vectors[:, :, a], vectors[:, :, b]) for a, b in _PALM_BONES]
        vectors = np.concatenate([vectors, np.stack(palms, axis=2)], axis=2)
    if settings.normalize_whole_pose:
        length = np.linalg.norm(vectors.reshape(*vectors.shape[:2], -1), axis=-1)[:, :, None, None]
        vectors = vectors / np.maximum(length, 1e-12)
    else:
        vectors = normalize(vectors)
    first, second = np.asarray(settings.angle_pairs).T
    cosine = np.clip((vectors[:, :, first] * vectors[:, :, second]).sum(-1), -1, 1)
    change = np.abs(np.diff(np.arccos(cosine) / np.pi, axis=1)) / np.asarray(settings.change_angle)
    return np.pad(change.mean(axis=-1), ((0, 0), (1, 0)))


def motion_beats(change: FloatArray, threshold: float) -> FloatArray:
    """Times in seconds of strict local minima of one window's angle change (T,) with a higher neighbour.

    Only frames 2 … 32 of a window of 34 frames are looked at.
    """
    frames = np.arange(_BEAT_FRAMES[0], min(_BEAT_FRAMES[1], len(change) - 2) + 1)
    here, before, after = change[frames], change[frames - 1], change[frames + 1]
    lowest = (here < before) & (here < after)
    clear = (before - here >= threshold) | (after - here >= threshold)
    return frames[lowest & clear] / FPS


def audio_onsets(audio: FloatArray) -> FloatArray:
    """Onset times in seconds of 16 kHz speech (librosa's detector with its defaults)."""
    return librosa.onset.onset_detect(y=np.asarray(audio, dtype=np.float32), sr=SAMPLE_RATE, units="time")


def beat_score(audio_beats: FloatArray, beats: FloatArray) -> float:
    """Mean over the audio's beats of ``exp(-d^2 / 2 sigma^2)``, d the distance to the nearest motion beat."""
    gap = np.abs(np.asarray(audio_beats)[:, None] - np.asarray(beats)[None]).min(axis=1)
    return float(np.exp(-(gap**2) / (2 * SIGMA**2)).mean())


@dataclass(frozen=True)
class BeatConsistency:
    """``score`` is weighted by the number of onsets (None when no window counts); NaN windows do not count."""

    score: float | None
    per_window: FloatArray


def beat_consistency(
    directions: FloatArray, audio: Sequence[FloatArray] | FloatArray, skeleton: Skeleton
) -> BeatConsistency:
    """BC of native directions with their mean (N, 34, D) and each window's 16 kHz samples.

    A window without motion beats is skipped, as published (so standing still is not punished). One without onsets
    is skipped as well, where the official code divides by zero.
    """
    threshold = BEAT_SETTINGS[skeleton.name].threshold
    scores, weights = np.full(len(directions), np.nan), np.zeros(len(directions))
    for window, change in enumerate(angle_change(directions, skeleton)):
        beats = motion_beats(change, threshold)
        onsets = audio_onsets(audio[window]) if len(beats) else beats
        if len(onsets):
            scores[window], weights[window] = beat_score(onsets, beats), len(onsets)
    counted = weights > 0
    score = float(np.average(scores[counted], weights=weights[counted])) if counted.any() else None
    return BeatConsistency(score, scores)


def fgd(generated_features: FloatArray, real_features: FloatArray) -> float:
    """Fréchet gesture distance of features (N, F) and (M, F)."""
    return frechet_distance(generated_features, real_features)


def feature_distance(generated_features: FloatArray, real_features: FloatArray) -> float:
    """Mean L1 distance between each window's features and those of its own ground truth, both (N, F)."""
    return float(np.abs(generated_features - real_features).sum(axis=-1).mean())


def diversity(features: FloatArray, batch_size: int, permutation: Sequence[int] | FloatArray) -> float:
    """Mean L1 distance of features (N, F) to those of another batch.

    As published: batches, not windows, are shuffled, so row j of batch i meets row j of batch ``permutation[i]``;
    at most 500 batches; a batch may meet itself. Windows that fill no batch do not count.
    """
    count = min(len(features) // batch_size, 500)
    batches = np.asarray(features)[: len(features) // batch_size * batch_size]
    batches = batches.reshape(-1, batch_size, features.shape[-1])
    others = batches[np.asarray(permutation)[:count]]
    return float(np.abs(batches[:count] - others).sum(axis=-1).mean())


def joint_mae(
    generated: FloatArray, real: FloatArray, mean: FloatArray, skeleton: Skeleton, seed_frames: int = 4
) -> float:
    """Mean absolute difference of joint coordinates (metres, official bone lengths) after the seed frames."""
    difference = _joints(generated, mean, skeleton) - _joints(real, mean, skeleton)
    return float(np.abs(difference[:, seed_frames:]).mean())


def acceleration_difference(
    generated: FloatArray, real: FloatArray, mean: FloatArray, skeleton: Skeleton
) -> float:
    """Mean absolute difference of the joints' second differences (metres per frame squared)."""
    difference = _joints(generated, mean, skeleton) - _joints(real, mean, skeleton)
    return float(np.abs(np.diff(difference, n=2, axis=1)).mean())


def _joints(poses: FloatArray, mean: FloatArray, skeleton: Skeleton) -> FloatArray:
    directions = (poses + mean).reshape(*poses.shape[:2], skeleton.num_bones, 3)
    return directions_to_joints(directions, skeleton)
