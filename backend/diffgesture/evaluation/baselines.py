# SPDX-License-Identifier: GPL-3.0-or-later
"""What every model must beat: a static pose, another clip's motion, and the training clip with the nearest
speech.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from ..data.dataset import Dataset
from ..data.published_windows import WindowAudio, all_windows, filtered_windows, window_directions, window_samples
from ..errors import DataError
from ..motion.skeletons import normalize
from ..sampling.windows import official_samples, sequential_windows
from ..speech.features import audio_features
from .legacy import SEED_FRAMES, WINDOW, Windows
from .takes import Take, take_of_directions

FloatArray = np.ndarray

_LIBRARY: Final = 20_000
"""Training windows that speech is compared with at most, evenly spread."""
_STRIDE: Final = 10


def static_pose(dataset: Dataset) -> FloatArray:
    """(B, 3) the mean direction of the training takes, unit length."""
    total = sum(dataset.take(index)[1].sum(axis=0, dtype=np.float64) for index in _training(dataset))
    return normalize(np.asarray(total))


def static_takes(takes: Sequence[Take], dataset: Dataset) -> list[Take]:
    """Each take's speech with a figure that stands in the mean pose."""
    pose = static_pose(dataset)
    return [_with_motion(take, np.tile(pose, (len(take.arm_directions), 1, 1))) for take in takes]


def static_windows(windows: Windows, dataset: Dataset) -> FloatArray:
    """(N, 34, B, 3) of the mean pose."""
    return np.broadcast_to(static_pose(dataset), windows.directions.shape)


def other_takes(takes: Sequence[Take], dataset: Dataset) -> list[Take]:
    """Each take's speech with the motion of another take of the same set (GENEA's mismatched condition).

    One permutation of all without a fixed point; a motion that is too short is played forth and back.
    """
    if len(takes) < 2:
        raise DataError("The motion of another clip needs at least two takes.")
    order = _derangement(len(takes))
    return [_with_motion(take, _stretched(takes[other], take)) for take, other in zip(takes, order, strict=True)]


def other_windows(windows: Windows, dataset: Dataset) -> FloatArray:
    """Training windows drawn at random, one for each: windows of the scored set itself would have no distance to
    it.

    Every window comes once before one comes again.
    """
    rows = filtered_windows(dataset, "train", WINDOW)
    if rows is None or not len(rows):
        rows = all_windows(dataset, "train", WINDOW, _STRIDE)
    if not len(rows):
        raise DataError(f"{dataset.folder} has no training take of {WINDOW} frames to take clips from.")
    rng, count = np.random.default_rng(0), len(windows.rows)
    order = np.concatenate([rng.permutation(len(rows)) for _ in range(-(-count // len(rows)))])[:count]
    return window_directions(dataset, rows[order], WINDOW)


class NearestClip:
    """The training window whose speech sounds most alike: mean and spread of its features."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        rows = all_windows(dataset, "train", WINDOW, _STRIDE)
        if not len(rows):
            raise DataError(f"{dataset.folder} has no training take of {WINDOW} frames to take clips from.")
        if len(rows) > _LIBRARY:
            rows = rows[np.linspace(0, len(rows) - 1, _LIBRARY).round().astype(int)]
        self._rows = rows
        sound = WindowAudio(dataset, rows, window_samples(WINDOW, dataset.fps))
        summaries = np.stack([self._summary(samples) for samples in sound])
        self._mean, self._scale = summaries.mean(axis=0), np.maximum(summaries.std(axis=0), 1e-6)
        self._summaries = (summaries - self._mean) / self._scale

    def motion(self, samples: FloatArray) -> FloatArray:
        """(34, B, 3) for the samples of a window."""
        wanted = (self._summary(samples) - self._mean) / self._scale
        nearest = int(np.square(self._summaries - wanted).sum(axis=1).argmin())
        return window_directions(self._dataset, self._rows[nearest : nearest + 1], WINDOW)[0]

    def takes(self, takes: Sequence[Take]) -> list[Take]:
        """Windows one after another, cross-faded over four frames as in the published long synthesis."""
        return [self._take(take) for take in takes]

    def windows(self, windows: Windows) -> FloatArray:
        """(N, 34, B, 3)."""
        return np.stack([self.motion(samples) for samples in windows.audio])

    def _summary(self, samples: FloatArray) -> FloatArray:
        features = audio_features(samples, WINDOW, self._dataset.fps)
        return np.concatenate([features.mean(axis=0), features.std(axis=0)])

    def _take(self, take: Take) -> Take:
        frames, fps = len(take.arm_directions), take.fps
        stride = WINDOW - SEED_FRAMES
        count = max(1, -(-(frames - SEED_FRAMES) // stride))

        def window(index: int, seed: FloatArray | None) -> FloatArray:
            return self.motion(official_samples(take.audio, index * stride / fps, WINDOW / fps)).reshape(
                WINDOW, -1
            )

        clip = sequential_windows(window, count, SEED_FRAMES)[:frames]
        return _with_motion(take, normalize(clip.reshape(len(clip), -1, 3)))


BASELINES: Final = ("static", "nearest", "random")


def baseline_takes(name: str, takes: Sequence[Take], dataset: Dataset) -> list[Take]:
    """A trivial system's motion for the speech of takes; all bones of the data's layout."""
    if name == "nearest":
        return NearestClip(dataset).takes(takes)
    make: dict[str, Callable[[Sequence[Take], Dataset], list[Take]]] = {
        "static": static_takes,
        "random": other_takes,
    }
    return make[name](takes, dataset)


def baseline_windows(name: str, windows: Windows, dataset: Dataset) -> FloatArray:
    """The same for the windows of the published metrics."""
    if name == "nearest":
        return NearestClip(dataset).windows(windows)
    make: dict[str, Callable[[Windows, Dataset], FloatArray]] = {"static": static_windows, "random": other_windows}
    return make[name](windows, dataset)


def _training(dataset: Dataset) -> list[int]:
    if not (indices := dataset.indices("train")):
        raise DataError(f"{dataset.folder} has no training takes, which baselines are made from.")
    return indices


def _with_motion(take: Take, directions: FloatArray) -> Take:
    return take_of_directions(take.name, take.audio, directions, take.layout, take.fps)


def _derangement(count: int) -> FloatArray:
    """A random cycle through all: nobody keeps his own."""
    cycle = np.random.default_rng(0).permutation(count)
    order = np.empty(count, dtype=int)
    order[cycle] = np.roll(cycle, 1)
    return order


def _stretched(source: Take, take: Take) -> FloatArray:
    assert source.directions is not None
    motion, frames = np.asarray(source.directions), len(take.arm_directions)
    there_and_back = np.concatenate([np.arange(len(motion)), np.arange(len(motion) - 1)[::-1]])
    return motion[np.resize(there_and_back, frames)]
