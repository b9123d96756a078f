# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe that a configuration asks for."""

from ..data.dataset import Dataset
from ..errors import ConfigError
from ..model.autoencoder import AUTOENCODERS
from ..model.checkpoint import Checkpoint
from .autoencoder_recipe import AutoencoderRecipe
from .config import Config
from .masked_recipe import MaskedRecipe
from .official_recipe import OfficialRecipe
from .recipe import Recipe
from .recurrent_recipe import RECURRENT, RecurrentRecipe


def make_recipe(config: Config, dataset: Dataset, start: Checkpoint | None = None) -> Recipe:
    """Read the dataset for the configuration's network; ``start`` is a checkpoint to fine-tune."""
    if start is not None and (start.card.network, start.card.skeleton.name, start.card.fps) != (
        "masked_pose_transformer",
        config.layout,
        config.fps,
    ):
        raise ConfigError(
            f"{start.path.name} (network {start.card.network}, {start.card.skeleton.name} at {start.card.fps:g}"
            f" fps) cannot be fine-tuned with this configuration ({config.layout} at {config.fps:g} fps); only"
            " networks 'masked_pose_transformer' can."
        )
    if config.network == "masked_pose_transformer":
        if dataset.card["frame"] != "public":
            raise ConfigError(f"The network '{config.network}' needs a dataset in the public frame.")
        pairs = {split: [dataset.take(k) for k in dataset.indices(split)] for split in ("train", "val")}
        streams = {split: [dataset.streams(k) for k in dataset.indices(split)] for split in ("train", "val")}
        return MaskedRecipe(
            config, pairs["train"], pairs["val"], start, columns=dataset.stream_columns, streams=streams
        )
    if config.network == "official":
        return OfficialRecipe(config, dataset)
    if config.network in RECURRENT:
        return RecurrentRecipe(config, dataset)
    if config.network in AUTOENCODERS:
        return AutoencoderRecipe(config, dataset)
    raise ConfigError(f"There is no network '{config.network}' to train.")
