# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows of a data set's takes, (K, 3) rows of take, first frame and first audio sample, and what is in them.

The importers list the windows that the published filters have left (42 frames, of which 34 are used). Training and
the published metrics take these; without such a list, or on request, there is a window every few frames.
"""

from collections.abc import Sequence

import numpy as np

from ..errors import DataError
from ..speech.features import SAMPLE_RATE
from .dataset import Dataset

FloatArray = np.ndarray


def filtered_windows(dataset: Dataset, split: str, frames: int) -> np.ndarray | None:
    """The listed windows of a split that hold ``frames`` frames, in the data's order; None without a list."""
    if dataset.windows is None:
        return None
    inside = np.array([take.split == split for take in dataset.takes])
    length = np.array([take.frames for take in dataset.takes])
    index, firsts = dataset.windows[:, 0], dataset.windows[:, 1]
    return np.asarray(dataset.windows[inside[index] & (firsts + frames <= length[index])])


def all_windows(dataset: Dataset, split: str, frames: int, stride: int) -> np.ndarray:
    """A window every ``stride`` frames of every take of a split."""
    rows = [np.zeros((0, 3), dtype=int)]
    for index in dataset.indices(split):
        firsts = np.arange(0, dataset.takes[index].frames - frames + 1, stride)
        samples = np.round(firsts / dataset.fps * SAMPLE_RATE).astype(int)
        rows.append(np.stack([np.full(len(firsts), index), firsts, samples], axis=1))
    return np.concatenate(rows)


def window_directions(dataset: Dataset, rows: np.ndarray, frames: int) -> FloatArray:
    """(K, frames, B, 3) in the data set's axes. DataError for numbers that are none."""
    firsts = [dataset.takes[take].frame_offset + first for take, first, _ in rows]
    directions = np.stack([dataset.directions[first : first + frames] for first in firsts])
    if not np.isfinite(directions).all():
        row = int(np.flatnonzero(~np.isfinite(directions).all(axis=(1, 2, 3)))[0])
        take = dataset.takes[rows[row][0]].name
        raise DataError(f"{dataset.folder / 'directions.npy'}: take '{take}' contains NaN or infinity.")
    return directions


def window_samples(frames: int, fps: float) -> int:
    """Samples of a window: rounded, unlike in long synthesis, as the official loader does (36,267 for 34
    frames).
    """
    return round(frames / fps * SAMPLE_RATE)


def window_audio(dataset: Dataset, rows: np.ndarray, samples: int) -> FloatArray:
    """(K, samples) float32; what is missing at the end of a take is mirrored, as in the official loader."""
    return np.stack([_audio(dataset, int(take), int(first), samples) for take, _, first in rows])


def _audio(dataset: Dataset, index: int, first: int, samples: int) -> FloatArray:
    take = dataset.takes[index]
    start = take.sample_offset + first
    sound = dataset.audio[start : min(start + samples, take.sample_offset + take.samples)]
    return np.pad(sound.astype(np.float32) / 32768, (0, samples - len(sound)), mode="symmetric")


class WindowAudio(Sequence[FloatArray]):
    """The sound of windows, read when it is asked for: the official validation set would fill 4 GB."""

    def __init__(self, dataset: Dataset, rows: np.ndarray, samples: int) -> None:
        self._dataset, self._rows, self._samples = dataset, rows, samples

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, item):  # type: ignore[no-untyped-def]
        """(samples,) of one window, or (K, samples) of a slice."""
        if isinstance(item, slice):
            return window_audio(self._dataset, self._rows[item], self._samples)
        return window_audio(self._dataset, self._rows[[item]], self._samples)[0]
