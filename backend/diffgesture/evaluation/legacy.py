# SPDX-License-Identifier: GPL-3.0-or-later
"""The published evaluation: windows of a split, seeded with their first frames, published metrics.

The windows are those that the official loader scores: 42 frames that passed the published filters, of which it
takes the first 34 and their sound; data without such a list have a window every 10 frames. Differences from the
official script, all towards meaning what the paper says: batch normalisation runs in evaluation mode (officially
it is never switched off), the last incomplete batch counts, and windows without onsets do not end in a division
by zero.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from ..data.dataset import Dataset
from ..data.published_windows import (
    WindowAudio,
    all_windows,
    filtered_windows,
    window_directions,
    window_samples,
)
from ..errors import ConfigError, DataError
from ..generation.default_preset import log_snrs_of, sampler_of, speech_guidance
from ..generation.recurrent_preset import recurrent_windows, speaker_of, vocabulary_of
from ..generation.reference_preset import seeded_clean_windows, seeded_windows
from ..model.checkpoint import Checkpoint
from ..model.embedding import Autoencoder
from ..sampling.denoiser import bounded
from ..sampling.noise import GaussianNoise
from ..sampling.reference import PUBLISHED, ReferenceSampling, sample_ddpm
from ..sampling.solver import sample_dpm_solver_pp_2m
from ..writing import file_name
from . import legacy_metrics as legacy

WINDOW: Final = 34
STRIDE: Final = 10
SEED_FRAMES: Final = 4
_BATCH: Final = 128


@dataclass(frozen=True)
class Windows:
    """``directions`` (N, 34, B, 3) in the public frame and ``audio`` (N, 36267) of the same windows.

    ``kind``: "filtered", those that the official loader scores, or "all". ``rows`` (N, 3): take, first frame,
    first sample.
    """

    directions: np.ndarray
    audio: WindowAudio
    kind: str
    rows: np.ndarray
    dataset: Dataset


def cut_windows(
    dataset: Dataset,
    split: str = "val",
    limit: int | None = None,
    kind: str | None = None,
    takes: Container[str] | None = None,
) -> Windows:
    """Windows of a split, or ``limit`` of them, evenly spread. DataError when there are none.

    ``takes``: only of those, called like files. ``kind`` None: the filtered ones where the data set lists any
    for this split, else all.
    """
    if dataset.fps != legacy.FPS:
        raise DataError(f"{dataset.folder}: the published metrics need {legacy.FPS:g} fps, not {dataset.fps:g}.")
    rows = filtered_windows(dataset, split, WINDOW)
    if kind == "filtered" and rows is None:
        raise DataError(
            f"{dataset.folder} lists no windows that passed the published filters: make it with"
            " --filters published, or score all windows (--windows all)."
        )
    if kind == "all" or rows is None or (kind is None and not len(rows)):
        kind, rows = "all", all_windows(dataset, split, WINDOW, STRIDE)
    if takes is not None:
        rows = rows[[file_name(dataset.takes[index].name) in takes for index, _, _ in rows]]
    if not len(rows):
        raise DataError(f"{dataset.folder}: the split '{split}' has no window of {WINDOW} frames.")
    if limit is not None and limit < len(rows):
        rows = rows[np.linspace(0, len(rows) - 1, limit).round().astype(int)]
    directions = np.asarray(window_directions(dataset, rows, WINDOW), dtype=np.float32)
    sound = WindowAudio(dataset, rows, window_samples(WINDOW, dataset.fps))
    return Windows(directions, sound, kind or "filtered", rows, dataset)


def whole_batches(windows: Windows) -> Windows:
    """The windows that fill batches of 128: the official loader drops the rest. DataError for fewer."""
    count = len(windows.rows) // _BATCH * _BATCH
    if not count:
        raise DataError(f"There are {len(windows.rows)} windows, which fill no batch of {_BATCH}.")
    sound = WindowAudio(windows.dataset, windows.rows[:count], window_samples(WINDOW, windows.dataset.fps))
    return replace(windows, directions=windows.directions[:count], audio=sound, rows=windows.rows[:count])


def generate_windows(
    checkpoint: Checkpoint,
    windows: Windows,
    *,
    preset: str | None = None,
    sampling: ReferenceSampling = PUBLISHED,
    seed: int = 0,
    batch_statistics: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> np.ndarray:
    """(N, 34, B, 3) generated directions in the public frame, each seeded with 4 real frames.

    ``reference``: as published (DDPM, smooth stabilizer, directions not re-normalised), with any network.
    ``default``: our own network's few steps. None: what the network was made for. ``batch_statistics``: a
    published network's batch normalisation sees batches of 128 windows, as in the official test scripts.
    """
    card = checkpoint.card
    if card.window < WINDOW:
        raise ConfigError(
            f"The published metrics need windows of {WINDOW} frames; {checkpoint.path.name} has fewer."
        )
    if card.is_published and card.window != WINDOW:
        raise ConfigError(
            f"The published metrics need windows of {WINDOW} frames; {checkpoint.path.name} was trained on"
            f" {card.window}."
        )
    preset = preset or default_preset(checkpoint)
    if preset == "default" and card.is_published:
        raise ConfigError("With a published network, --legacy takes the preset 'reference' alone.")
    if card.is_recurrent:
        return _recurrent(checkpoint, windows, seed)
    published = partial(_sample_published, batch_statistics=batch_statistics)
    sample = published if preset == "reference" else _sample_in_few_steps
    seeds = card.to_poses(windows.directions)[:, :SEED_FRAMES]
    noise = GaussianNoise(seed)
    results = []
    for start in range(0, len(seeds), _BATCH):
        report(f"generating windows {start + 1} to {min(start + _BATCH, len(seeds))} of {len(seeds)}")
        part = slice(start, start + _BATCH)
        batch = sample(checkpoint, windows.audio[part], seeds[part], sampling, noise)
        results.append(batch[:, :WINDOW])
    return card.to_directions(np.concatenate(results))


def default_preset(checkpoint: Checkpoint) -> str:
    """How windows of this network are sampled unless told otherwise."""
    return "reference" if checkpoint.card.is_published else "default"


def _recurrent(checkpoint: Checkpoint, windows: Windows, seed: int) -> np.ndarray:
    """The network's windows with the words and speakers of their takes, as far as it knows them."""
    card, data = checkpoint.card, windows.dataset
    vocabulary = vocabulary_of(checkpoint)
    takes = windows.rows[:, 0]
    speakers = np.array([speaker_of(checkpoint, data.takes[t].speaker, seed + k) for k, t in enumerate(takes)])
    words = np.stack(
        [vocabulary.of_window(data.words(t), first / data.fps, WINDOW, data.fps) for t, first, _ in windows.rows]
    )
    seeds = card.to_poses(windows.directions)[:, :SEED_FRAMES]
    parts = []
    for start in range(0, len(seeds), _BATCH):
        part = slice(start, start + _BATCH)
        poses = recurrent_windows(checkpoint, windows.audio[part], seeds[part], words[part], speakers[part])
        parts.append(card.to_directions(poses))
    return np.concatenate(parts)


def _sample_published(
    checkpoint: Checkpoint,
    audio: np.ndarray,
    seeds: np.ndarray,
    sampling: ReferenceSampling,
    noise: GaussianNoise,
    batch_statistics: bool = False,
) -> np.ndarray:
    schedule = sampling.schedule_of(checkpoint.card.diffusion)
    predict = seeded_windows(audio, seeds, checkpoint, schedule, sampling.scale, batch_statistics)
    x_T = noise.own(schedule.num_steps + 1, (len(seeds), checkpoint.card.window, seeds.shape[2]))
    return sample_ddpm(predict, x_T, schedule, noise, stabilizer=sampling.stabilizer, t0=sampling.t0)


def _sample_in_few_steps(
    checkpoint: Checkpoint,
    audio: np.ndarray,
    seeds: np.ndarray,
    sampling: ReferenceSampling,
    noise: GaussianNoise,
) -> np.ndarray:
    card = checkpoint.card
    sampler = sampler_of(card, sampling.steps, sampling.guidance)
    clean = seeded_clean_windows(audio, seeds, checkpoint, speech_guidance(sampler))
    within = bounded(clean, card.mean, card.std)

    def denoise(x: np.ndarray, log_snr: float) -> np.ndarray:
        return np.concatenate([seeds, within(x, log_snr)[:, SEED_FRAMES:]], axis=1)

    x_T = noise.own(0, (len(seeds), card.window, seeds.shape[2]))
    return sample_dpm_solver_pp_2m(denoise, x_T, log_snrs_of(sampler), noise=noise, eta=sampler.eta)


def published_metrics(
    generated: np.ndarray, windows: Windows, dataset: Dataset, autoencoder: Autoencoder | None, seed: int = 0
) -> dict[str, float | None]:
    """The published numbers; those in feature space are None without an autoencoder of the layout."""
    skeleton = dataset.skeleton
    native = [skeleton.to_native(values.astype(np.float64)) for values in (generated, windows.directions)]
    ours, real = (values.reshape(len(values), WINDOW, -1) for values in native)
    zero = np.zeros(skeleton.pose_dim)
    result: dict[str, float | None] = {
        "bc": legacy.beat_consistency(ours, windows.audio, skeleton).score,
        "bc_real": legacy.beat_consistency(real, windows.audio, skeleton).score,
        "joint_mae": legacy.joint_mae(ours, real, zero, skeleton, SEED_FRAMES),
        "acceleration_difference": legacy.acceleration_difference(ours, real, zero, skeleton),
        **dict.fromkeys(("fgd", "feature_distance", "diversity", "diversity_real")),
        "windows": float(len(ours)),
    }
    if autoencoder is None:
        return result
    if autoencoder.skeleton is not skeleton:
        raise ConfigError(
            f"The autoencoder is made for {autoencoder.skeleton.name}, the data for {skeleton.name}."
        )
    features = [autoencoder.features(autoencoder.poses(values)) for values in (generated, windows.directions)]
    if len(features[0]) > 1:
        result["fgd"] = legacy.fgd(*features)
    result["feature_distance"] = legacy.feature_distance(*features)
    batch = min(_BATCH, max(1, len(features[0]) // 4))
    order = np.random.default_rng(seed).permutation(len(features[0]) // batch)
    # So few windows that every batch meets itself say nothing about diversity.
    if (order != np.arange(len(order))).any():
        result["diversity"], result["diversity_real"] = (legacy.diversity(f, batch, order) for f in features)
    return result
