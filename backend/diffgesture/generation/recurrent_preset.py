# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows of recurrent networks (trimodal, hierarchical): one pass each, from seeds, speech, words and a
speaker.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch

from ..model.checkpoint import Checkpoint
from ..model.word_indices import TimedWord, Vocabulary
from ..sampling.windows import count_sequential_windows, official_audio_window, sequential_windows
from ..speech.features import SAMPLE_RATE

_BATCH: Final = 64


def recurrent_windows(
    checkpoint: Checkpoint, audio: np.ndarray, seeds: np.ndarray | None, words: np.ndarray, speakers: np.ndarray
) -> np.ndarray:
    """Samples (W, S), seeds (W, 4, D) or none, word indices (W, N) and speakers (W,) to poses (W, N, D)."""
    card, network = checkpoint.card, checkpoint.network
    pre_seq = np.zeros((len(audio), card.window, len(card.mean) + 1), dtype=np.float32)
    if seeds is not None:
        pre_seq[:, : seeds.shape[1], :-1], pre_seq[:, : seeds.shape[1], -1] = seeds, 1
    device = next(network.parameters()).device
    parts = []
    for start in range(0, len(audio), _BATCH):
        chosen = slice(start, start + _BATCH)
        arrays = (pre_seq[chosen], network.prepare_audio(audio[chosen]), words[chosen], speakers[chosen])
        with torch.inference_mode():
            generated, _ = network(*(torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in arrays))
        parts.append(generated.poses.cpu().numpy())
    return np.concatenate(parts)


def vocabulary_of(checkpoint: Checkpoint) -> Vocabulary:
    """The words that the network was trained with."""
    return Vocabulary(tuple(checkpoint.card.data.get("vocabulary", ())))


def speaker_of(checkpoint: Checkpoint, name: str | None, seed: int) -> int:
    """A speaker's number in the network: the named one, if it was trained with him, else one by the seed."""
    known = list(checkpoint.card.data.get("speakers", ()))
    if name in known:
        return known.index(name)
    count = int(checkpoint.card.hyperparameters["speakers"])
    return int(np.random.default_rng(seed).integers(count))


def sample_recurrent(
    audio: np.ndarray,
    checkpoint: Checkpoint,
    num_frames: int,
    *,
    seed: int,
    words: Sequence[TimedWord] = (),
    first_seed: np.ndarray | None = None,
    on_window: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """(samples,) of 16 kHz speech to poses (num_frames, D), windows one after another by the published rule.

    ``on_window(window, windows)`` is called before each.
    """
    card = checkpoint.card
    vocabulary = vocabulary_of(checkpoint)
    speakers = np.array([speaker_of(checkpoint, None, seed)])
    count = count_sequential_windows(num_frames / card.fps, card.fps, card.window, card.seed_frames)

    def window(index: int, seeds: np.ndarray | None) -> np.ndarray:
        if on_window:
            on_window(index, count)
        place = {"fps": card.fps, "window": card.window, "seed_frames": card.seed_frames}
        samples, _ = official_audio_window(audio, index, sample_rate=SAMPLE_RATE, **place)  # type: ignore[arg-type]
        start = index * (card.window - card.seed_frames) / card.fps
        row = vocabulary.of_window(words, start, card.window, card.fps)
        given = None if seeds is None else seeds[None]
        return recurrent_windows(checkpoint, samples[None], given, row[None], speakers)[0]

    return sequential_windows(window, count, card.seed_frames, first_seed)[:num_frames]
