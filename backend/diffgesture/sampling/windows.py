# SPDX-License-Identifier: GPL-3.0-or-later
"""Long speech in windows: one after another as published, or all at once.

All at once: there is one noisy trajectory for the whole clip. In every denoising step all windows are cut out of
it, denoised in one batch, and their estimates are blended back where they overlap (MultiDiffusion, Bar-Tal et al.
2023). Windows therefore agree on every shared frame at every step, exactly, and no window waits for another.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

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


def blend_weights(num_frames: int, starts: list[int], window: int) -> Tensor:
    """(W, window) weights that sum to one on every frame; each window fades in and out over its overlaps.

    The fade is a raised cosine, so neither the estimate nor its velocity jumps where a window ends.
    """
    weights = torch.ones(len(starts), window, dtype=torch.float64)
    for index, (left, right) in enumerate(pairwise(starts)):
        shared = left + window - right
        fade = 0.5 - 0.5 * torch.cos(math.pi * (torch.arange(shared, dtype=torch.float64) + 0.5) / shared)
        weights[index + 1, :shared] *= fade
        weights[index, window - shared :] *= fade.flip(0)
    total = overlap_add(weights.unsqueeze(-1), starts, num_frames).squeeze(-1)
    return (weights / cut_windows(total.unsqueeze(-1), starts, window).squeeze(-1)).float()


def cut_windows(clip: Tensor, starts: list[int], window: int) -> Tensor:
    """(T, D) to (W, window, D)."""
    return torch.stack([clip[start : start + window] for start in starts])


def overlap_add(windows: Tensor, starts: list[int], num_frames: int) -> Tensor:
    """(W, window, D) summed into (T, D)."""
    clip = windows.new_zeros(num_frames, windows.shape[-1])
    for start, block in zip(starts, windows, strict=True):
        clip[start : start + block.shape[0]] += block
    return clip


# -- One after another, as published ---------------------------------------------------------------------------


def sequential_windows(
    sample_window: Callable[[int, Tensor | None], Tensor],
    num_windows: int,
    seed_frames: int,
    first_seed: Tensor | None = None,
) -> Tensor:
    """Official long synthesis: (30 W + 4, D) for windows of 34 frames with 4 seed frames.

    ``sample_window(index, seed)`` returns one window (N, D). Each window is seeded with the last frames of the
    raw window before it and cross-faded with the clip so far with weights 1/5 … 4/5. As published, the fade
    reaches the shown motion only: the seed of the next window is the unfaded tail (official ``test_ted.py``).
    """
    clip: list[Tensor] = []
    seed = first_seed
    for index in range(num_windows):
        raw = sample_window(index, seed)
        shown = raw.clone()
        if clip:
            last = clip[-1][-seed_frames:]
            clip[-1] = clip[-1][:-seed_frames]
            weight = (torch.arange(seed_frames, dtype=raw.dtype, device=raw.device) + 1) / (seed_frames + 1)
            shown[:seed_frames] = last * (1 - weight[:, None]) + shown[:seed_frames] * weight[:, None]
        clip.append(shown)
        seed = raw[-seed_frames:]
    return torch.cat(clip)


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
