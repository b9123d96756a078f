# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the paper's neighbours, trimodal and hierarchical networks, as published: regression and a
discriminator.

Loss (Yoon et al. 2020): 500 Huber + 5 adversarial + 0.05 style (other speakers should move differently) + 0.1
divergence of the style from a normal law. For a hierarchical network the Huber losses of all levels are summed
(Liu et al. 2022); its contrastive and physical losses are left out.
"""

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.dataset import Dataset
from ..errors import ConfigError
from ..model.hierarchical import HierarchicalNetwork, columns_of
from ..model.recurrent import STYLE_DIM, Discriminator, Generated, TrimodalNetwork, seeded
from ..model.saving import save_checkpoint
from ..model.word_indices import Vocabulary, read_vectors
from .config import AdversarialConfig, Config
from .official_recipe import WindowedData, check_window
from .recipe import ALL, Batch, Split

RECURRENT: Final[dict[str, type[TrimodalNetwork] | type[HierarchicalNetwork]]] = {
    "trimodal": TrimodalNetwork,
    "ha2g": HierarchicalNetwork,
}
_TINY: Final = 1e-8


class _Adversaries(nn.Module):
    """Generator and discriminator with one backward pass: each one's loss reaches its own parameters alone."""

    def __init__(self, generator: nn.Module, pose_dim: int, window: int, seed_frames: int):
        super().__init__()
        self.generator, self.discriminator = generator, Discriminator(pose_dim, window)
        self._seed_frames = seed_frames

    def forward(self, batch: Batch, weights: AdversarialConfig, levels: list[list[int]]) -> dict[str, Tensor]:
        poses, audio, words, speakers, others, noise, judged = batch
        pre_seq = seeded(poses, self._seed_frames)
        generated, coarse = self.generator(pre_seq, audio, words, speakers, noise)
        huber = _huber(generated.poses, poses, 0.1).mean()
        for bones, estimate in zip(levels, coarse, strict=False):
            huber = huber + _huber(estimate, poses[..., columns_of(bones)], 0.1).mean()
        other, _ = self.generator(pre_seq, audio, words, others, noise)
        losses = {
            "huber": weights.regression * huber,
            "style": weights.style * _style_loss(generated, other),
            "divergence": weights.divergence * _divergence(generated),
        }
        # Nobody is judged at first, but every parameter has its part in every step, as several processes need it.
        judge = judged.float().mean()
        frozen = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        fooled = torch.func.functional_call(self.discriminator, frozen, (generated.poses,))
        losses["adversarial"] = weights.discriminator * judge * -torch.log(fooled + _TINY).mean()
        real, made = self.discriminator(poses), self.discriminator(generated.poses.detach())
        losses["discriminator"] = judge * -(torch.log(real + _TINY) + torch.log(1 - made + _TINY)).mean()
        return losses


def _huber(estimate: Tensor, target: Tensor, beta: float) -> Tensor:
    return F.smooth_l1_loss(estimate / beta, target / beta, reduction="none") * beta


def _style_loss(generated: Generated, other: Generated) -> Tensor:
    """Minus the distance of two speakers' motions over that of their styles, at most 1000."""
    motion = _huber(generated.poses, other.poses.detach(), 0.05).sum(dim=(1, 2))
    style = (generated.style - other.style).detach().abs().mean(dim=1)
    return -(motion / (style + 1e-5)).clamp(max=1000.0).mean()


def _divergence(generated: Generated) -> Tensor:
    """Kullback-Leibler divergence of the styles from a standard normal law, per number."""
    log_variance = generated.log_variance
    return -0.5 * (1 + log_variance - generated.mean.square() - log_variance.exp()).mean()


class RecurrentRecipe:
    """Windows with the words and speakers of their takes."""

    def __init__(self, config: Config, dataset: Dataset):
        if "words" not in dataset.card:
            warnings.warn(
                f"{dataset.folder} holds no words, so the network '{config.network}' hears speech and"
                " speakers alone:"
                " put transcripts beside the motion and make the data set anew, if there are any.",
                stacklevel=2,
            )
        if config.network == "trimodal":
            check_window(config.window, config.fps)
        elif config.window != 34:
            raise ConfigError(f"'window' must be 34 for '{config.network}', not {config.window}.")
        self._config, self._data, self._dataset = config, WindowedData(config, dataset), dataset
        self.hours, self.validates = self._data.hours, self._data.validates
        training = dataset.indices("train")
        self._vocabulary = Vocabulary.of_words(
            (word for index in training for word, _, _ in dataset.words(index)), config.least_words
        )
        self._speakers = sorted({dataset.takes[index].speaker for index in training})
        self._speaker_of = {name: k for k, name in enumerate(self._speakers)}
        self.rates = {"discriminator.": config.adversarial.discriminator_rate}
        self._model = {**config.model, "words": len(self._vocabulary.names), "speakers": len(self._speakers)}
        self._vectors: np.ndarray | None = None
        if config.word_vectors:
            vectors = read_vectors(Path(config.word_vectors), self._vocabulary)
            self._vectors, self._model["embedding_dim"] = vectors, vectors.shape[1]

    def _make_generator(self) -> TrimodalNetwork | HierarchicalNetwork:
        generator = RECURRENT[self._config.network](pose_dim=self._data.skeleton.pose_dim, **self._model)
        if self._vectors is not None:
            with torch.no_grad():
                for name, module in generator.named_modules():
                    if name.endswith("text_encoder.embedding"):
                        module.weight.copy_(torch.from_numpy(self._vectors))  # type: ignore[operator]
        return generator

    def make_network(self) -> nn.Module:
        config = self._config
        skeleton = self._data.skeleton
        return _Adversaries(self._make_generator(), skeleton.pose_dim, config.window, config.seed_frames)

    def draw(self, rng: np.random.Generator, split: Split, size: int, step: int, part: slice = ALL) -> Batch:
        rows = self._data.rows(split, size, step)
        speakers = np.array([self._speaker(rng, int(take)) for take, _, _ in rows])
        others = speakers[rng.permutation(size)]
        noise = rng.standard_normal((size, STYLE_DIM), dtype=np.float32)
        poses = self._data.poses(rows[part])
        audio = RECURRENT[self._config.network].prepare_audio(self._data.audio(rows[part]))
        words = np.stack([self._words(int(take), int(first)) for take, first, _ in rows[part]])
        judged = np.full(size, step >= self._config.adversarial_from)
        arrays = (poses, audio, words, speakers[part], others[part], noise[part], judged[part])
        return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)

    def _speaker(self, rng: np.random.Generator, take: int) -> int:
        """The take's speaker, or for one who is not trained on somebody else."""
        guess = int(rng.integers(len(self._speakers)))
        return self._speaker_of.get(self._dataset.takes[take].speaker, guess)

    def _words(self, take: int, first: int) -> np.ndarray:
        fps = self._config.fps
        return self._vocabulary.of_window(self._dataset.words(take), first / fps, self._config.window, fps)

    def loss(self, network: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """In training all losses, in validation the regression alone."""
        inner = network.module if hasattr(network, "module") else network
        levels = getattr(inner.generator, "bones", [])
        losses = network(batch, self._config.adversarial, levels)
        parts = {name: value.detach() for name, value in losses.items()}
        if not inner.training:
            return losses["huber"], parts
        return sum(losses.values()), parts  # type: ignore[return-value]

    def save(self, path: Path, state: dict[str, Tensor], training: dict[str, Any]) -> None:
        config = self._config
        generator = self._make_generator()
        prefix = "generator."
        generator.load_state_dict({k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)})
        mean = self._data.mean
        card = {
            "name": config.name,
            "layout": config.layout,
            "frame": "native",
            "fps": config.fps,
            "window": config.window,
            "overlap": config.overlap,
            "seed_frames": config.seed_frames,
            "network": config.network,
            "hyperparameters": self._model,
            "vocabulary": list(self._vocabulary.names),
            "speakers": self._speakers,
            "adversarial": asdict(config.adversarial),
            "normalisation": {"mean": mean.tolist(), "std": [1.0] * len(mean)},
            "licence": config.licence,
            "training": training,
        }
        save_checkpoint(path, generator, card, half=False)
