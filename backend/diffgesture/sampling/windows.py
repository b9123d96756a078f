# SPDX-License-Identifier: GPL-3.0-or-later
"""Long speech in windows: one after another as published, or all at once.

All at once: there is one noisy trajectory for the whole clip. In every denoising step all windows are cut out of
it, denoised in one batch, and their estimates are blended back where they overlap (MultiDiffusion, Bar-Tal et al.
2023). Windows therefore agree on every shared frame at every step, exactly, and no window waits for another.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Final

import numpy as np

# -- All windows at once ---------------------------------------------------------------------------------------


def window_starts(num_frames: int, window: int, overlap: int) -> list[int]:
    """First frames of the fewest windows that cover ``num_frames`` with at least ``overlap`` shared frames.

    Spacing is as even as whole frames allow, so no window is squeezed against the last one.
    """
    if not 0 <= overlap < window:
        raise ValueError(f"overlap {overlap} must lie in [0, {window})")
    if num_frames <= window:
        return [0]
    count = math.ceil((num_frames - window) / (window - overlap)) + 1
    return [round(index * (num_frames - window) / (count - 1)) for index in range(count)]


def blend_weights(num_frames: int, starts: list[int], window: int) -> np.ndarray:
    """(W, window) weights that sum to one on every frame; each window fades in and out over its overlaps.

    The fade is a raised cosine, so neither the estimate nor its velocity jumps where a window ends.
    """
    weights = np.ones((len(starts), window))
    for index, (left, right) in enumerate(pairwise(starts)):
        shared = left + window - right
        fade = 0.5 - 0.5 * np.cos(math.pi * (np.arange(shared) + 0.5) / shared)
        weights[index + 1, :shared] *= fade
        weights[index, window - shared :] *= fade[::-1]
    total = overlap_add(weights[..., None], starts, num_frames)
    return (weights / cut_windows(total, starts, window)[..., 0]).astype(np.float32)


def cut_windows(clip: np.ndarray, starts: list[int], window: int) -> np.ndarray:
    """(T, D) to (W, window, D)."""
    return np.stack([clip[start : start + window] for start in starts])


def overlap_add(windows: np.ndarray, starts: list[int], num_frames: int) -> np.ndarray:
    """(W, window, D) summed into (T, D)."""
    clip = np.zeros((num_frames, windows.shape[-1]), dtype=windows.dtype)
    for start, block in zip(starts, windows, strict=True):
        clip[start : start + block.shape[0]] += block
    return clip


class Windows:
    """A clip (T, D) as windows (W, N, D) that are cut out of it and blended back."""

    def __init__(self, num_frames: int, window: int, overlap: int) -> None:
        self.num_frames, self.window = num_frames, window
        self.starts = window_starts(num_frames, window, min(overlap, window - 1))
        self._weights = blend_weights(num_frames, self.starts, window)[..., None]

    def cut(self, clip: np.ndarray) -> np.ndarray:
        return cut_windows(clip, self.starts, self.window)

    def blend(self, windows: np.ndarray) -> np.ndarray:
        if len(self.starts) == 1:
            return windows[0]
        return overlap_add(windows * self._weights, self.starts, self.num_frames)


# -- One after another, as published ---------------------------------------------------------------------------


def sequential_windows(
    sample_window: Callable[[int, np.ndarray | None], np.ndarray],
    num_windows: int,
    seed_frames: int,
    first_seed: np.ndarray | None = None,
) -> np.ndarray:
    """Official long synthesis: (30 W + 4, D) for windows of 34 frames with 4 seed frames.

    ``sample_window(index, seed)`` returns one window (N, D). Each window is seeded with the last frames of the
    raw window before it and cross-faded with the clip so far with weights 1/5 … 4/5. As published, the fade
    reaches the shown motion only: the seed of the next window is the unfaded tail (official ``test_ted.py``).
    """
    clip: list[np.ndarray] = []
    seed = first_seed
    for index in range(num_windows):
        raw = sample_window(index, seed)
        shown = raw.copy()
        if clip:
            last = clip[-1][-seed_frames:]
            clip[-1] = clip[-1][:-seed_frames]
            weight = (np.arange(seed_frames, dtype=raw.dtype) + 1) / (seed_frames + 1)
            shown[:seed_frames] = last * (1 - weight[:, None]) + shown[:seed_frames] * weight[:, None]
        clip.append(shown)
        seed = raw[-seed_frames:]
    return np.concatenate(clip)


def count_sequential_windows(seconds: float, fps: float, window: int, seed_frames: int) -> int:
    """Windows that the official code uses for a clip."""
    unit, stride = window / fps, (window - seed_frames) / fps
    return 1 if seconds < unit else math.ceil((seconds - unit) / stride) + 1


def official_audio_window(
    audio: np.ndarray, index: int, *, fps: float, window: int, seed_frames: int, sample_rate: int
) -> tuple[np.ndarray, int]:
    """Samples of one official window, zero-padded at the end, and the number of zeros."""
    seconds = len(audio) / sample_rate
    start = math.floor(index * (window - seed_frames) / fps / seconds * len(audio))
    length = int(window / fps * sample_rate)
    samples = audio[start : start + length]
    return np.pad(samples, (0, length - len(samples))), length - len(samples)


_WINDOW_SECONDS: Final = 34 / 15


def official_samples(
    audio: np.ndarray, start: float, seconds: float = _WINDOW_SECONDS, sample_rate: int = 16_000
) -> np.ndarray:
    """Samples of one window from ``start`` on, zero-padded at the end.

    (36266,) for the published 34 frames at 15 fps: as the official long-form code does, the length is rounded
    down.
    """
    first, length = round(start * sample_rate), int(seconds * sample_rate)
    samples = audio[first : first + length]
    return np.pad(samples, (0, length - len(samples)))


def official_fade_out(
    clip: np.ndarray, end_padding: int, fps: float, seed_frames: int, sample_rate: int
) -> np.ndarray:
    """Official fade to the mean pose: (T, D) mean-subtracted directions to (T or more, D).

    Quirks kept: everything later than four frames past the end of speech becomes the mean; eight frames are
    replaced by a weighted quadratic fit that does not pass through its end points; and where the last window
    needed no padding the clip first grows by eight zero frames.
    """
    start = len(clip) - int(end_padding / sample_rate * fps)
    end = start + 2 * seed_frames
    if len(clip) < end:
        clip = np.pad(clip, ((0, end - len(clip)), (0, 0)))
    clip = clip.copy()
    clip[end - seed_frames :] = 0
    weights = np.ones(2 * seed_frames)
    weights[[0, -1]] = 5
    frames = np.arange(2 * seed_frames)
    coefficients = np.polyfit(frames, clip[start:end], 2, w=weights)
    clip[start:end] = np.vander(frames, 3) @ coefficients
    return clip
