# SPDX-License-Identifier: GPL-3.0-or-later
"""The denoiser that a sampler asks, composed once: network, then guided, then bounded, then constrained.

Each step is a function from a denoiser to a denoiser; the sampler knows none of them. Arrays are NumPy's whatever
computes the network.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from ..model.arithmetic import row_blocks
from ..model.conditioning import Conditioning
from .known_poses import KnownPoses
from .solver import Denoise
from .windows import Windows

CHUNK: Final = 12_000
"""Frames of a banded network that are computed at once; a clip up to this long is one sequence."""
_ROWS: Final = 8192


class PoseNetwork(Protocol):
    """A network that estimates clean poses under conditions: ``MaskedPoseTransformer``, ``NumpyPoseNetwork``."""

    pose_dim: int
    reach: int
    depth: int

    def bind(self, conditions: np.ndarray, known: np.ndarray, mask: np.ndarray) -> Denoise:
        """Conditions (W, N, C), known poses (W, N, D) and their mask (W, N, D/3) given: (W, N, D) to (W, N, D)."""
        ...


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance by ``scale`` between two log-SNRs and not at all outside.

    Guidance everywhere costs twice the time, and at the noisiest steps variety (Kynkäänniemi et al. 2024).
    """

    scale: float
    lowest: float = -math.inf
    highest: float = math.inf

    def at(self, log_snr: float) -> float:
        return self.scale if self.lowest <= log_snr <= self.highest else 1.0


def guided(full: Denoise, without: Mapping[str, tuple[Denoise, Guidance]]) -> Denoise:
    """Away from what the network says without a stream: ``full + sum (w - 1) (full - without)`` over streams.

    With one stream this is ``without + w (full - without)`` (Ho and Salimans 2022). A stream whose weight is 1 at
    a noise level costs nothing there.
    """

    def denoise(x: np.ndarray, log_snr: float) -> np.ndarray:
        estimate = conditional = full(x, log_snr)
        for unconditional, guidance in without.values():
            scale = guidance.at(log_snr)
            if scale != 1.0:
                difference = conditional - unconditional(x, log_snr)
                difference *= np.float32(scale - 1)
                difference += estimate
                estimate = difference
        return estimate

    return denoise


def bounded(denoise: Denoise, mean: np.ndarray, std: np.ndarray) -> Denoise:
    """Standardised poses (..., D) with no direction longer than 1; ``mean`` and ``std`` (D,).

    A clean-pose estimate is a mean of unit vectors, so it is shorter the less is known, and never longer. (Made
    unit length in every step, it would decide too early: the hands of the bundled model then move a quarter less.)
    """

    def bound(x: np.ndarray, log_snr: float) -> np.ndarray:
        estimate = denoise(x, log_snr)
        rows = estimate.reshape(-1, estimate.shape[-1])
        out = np.empty(rows.shape, dtype=np.result_type(rows, mean))
        for part in row_blocks(len(rows), _ROWS):
            vectors = rows[part] * std + mean
            triples = vectors.reshape(len(vectors), -1, 3)
            length = np.sqrt(np.einsum("...i,...i->...", triples, triples))[..., None]
            out[part] = ((triples / np.maximum(length, 1.0)).reshape(vectors.shape) - mean) / std
        return out.reshape(estimate.shape)

    return bound


def constrained(denoise: Denoise, known: KnownPoses | None) -> Denoise:
    """With known poses (T, D) in their place in every estimate."""
    if known is None:
        return denoise
    return lambda x, log_snr: known.impose(denoise(x, log_snr))


def clip_denoiser(
    network: PoseNetwork,
    conditioning: Conditioning,
    guidance: Mapping[str, Guidance],
    known: KnownPoses | None = None,
    *,
    window: int = 0,
    overlap: int = 0,
    on_part: Callable[[], None] | None = None,
) -> Denoise:
    """Our network for a whole clip (T, D): one sequence if its attention is banded, else blended windows.

    ``guidance``: stream -> its guidance. ``on_part`` is called within a step of a long clip; it may raise.
    """
    frames = conditioning.num_frames
    if network.reach > 0 and frames > CHUNK:
        return _long_clip(network, conditioning, guidance, known, on_part)
    windows = Windows(frames, frames if network.reach > 0 else window, overlap)
    poses = np.zeros((frames, network.pose_dim), dtype=np.float32) if known is None else known.poses
    mask = np.zeros((frames, network.pose_dim // 3), dtype=np.float32) if known is None else known.mask[:, ::3]
    given = windows.cut(poses), windows.cut(mask)

    def bind(values: np.ndarray) -> Denoise:
        evaluate = network.bind(windows.cut(values), *given)
        return lambda x, log_snr: windows.blend(evaluate(windows.cut(x), log_snr))

    active = {name: value for name, value in guidance.items() if value.scale != 1.0}
    without = {name: (bind(conditioning.without(name)), value) for name, value in active.items()}
    return guided(bind(conditioning.values), without)


def _long_clip(
    network: PoseNetwork,
    conditioning: Conditioning,
    guidance: Mapping[str, Guidance],
    known: KnownPoses | None,
    on_part: Callable[[], None] | None,
) -> Denoise:
    """A sequence in parts that see as far to both sides as the network does, so that they fit without a seam.

    What a frame becomes depends on ``depth * reach`` frames to each side. Memory is that of one part.
    """
    frames, halo = conditioning.num_frames, network.depth * network.reach

    def bind(values: np.ndarray) -> Denoise:
        def denoise(x: np.ndarray, log_snr: float) -> np.ndarray:
            result = np.empty(x.shape, dtype=np.float32)
            for start in range(0, frames, CHUNK):
                stop, first = min(frames, start + CHUNK), max(0, start - halo)
                seen = slice(first, min(frames, stop + halo))
                shape = (1, seen.stop - seen.start, network.pose_dim)
                poses = np.zeros(shape, dtype=np.float32) if known is None else known.poses[None, seen]
                mask = np.zeros((*shape[:2], shape[2] // 3), dtype=np.float32)
                if known is not None:
                    mask = known.mask[None, seen, ::3]
                part = network.bind(values[None, seen], poses, mask)(x[None, seen], log_snr)
                result[start:stop] = part[0, start - first : stop - first]
                if on_part:
                    on_part()
            return result

        return denoise

    active = {name: value for name, value in guidance.items() if value.scale != 1.0}
    without = {name: (bind(conditioning.without(name)), value) for name, value in active.items()}
    return guided(bind(conditioning.values), without)


def seeded_denoiser(
    network: PoseNetwork,
    conditions: np.ndarray,
    without: Mapping[str, tuple[np.ndarray, Guidance]],
    seeds: np.ndarray | None,
) -> Denoise:
    """Our network for unrelated windows (W, N, D) with their first poses ``seeds`` (W, S, D) given.

    ``conditions`` (W, N, C); ``without``: stream -> the conditions that lack it, and its guidance.
    """
    count, frames = conditions.shape[:2]
    known = np.zeros((count, frames, network.pose_dim), dtype=np.float32)
    mask = np.zeros((count, frames, network.pose_dim // 3), dtype=np.float32)
    if seeds is not None:
        known[:, : seeds.shape[1]], mask[:, : seeds.shape[1]] = seeds, 1
    full = network.bind(conditions, known, mask)
    return guided(full, {name: (network.bind(c, known, mask), g) for name, (c, g) in without.items()})
