# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe that a configuration asks for."""

from ..data.dataset import Dataset
from ..errors import ConfigError
from ..networks.autoencoder import AUTOENCODERS
from .autoencoder_recipe import AutoencoderRecipe
from .config import Config
from .masked_recipe import MaskedRecipe
from .official_recipe import OfficialRecipe
from .recipe import Recipe


def make_recipe(config: Config, dataset: Dataset) -> Recipe:
    """Read the dataset for the configuration's network."""
    if config.network == "masked_pose_transformer":
        if dataset.card["frame"] != "public":
            raise ConfigError(f"The network '{config.network}' needs a dataset in the public frame.")
        pairs = {split: [dataset.take(k) for k in dataset.indices(split)] for split in ("train", "val")}
        return MaskedRecipe(config, pairs["train"], pairs["val"])
    if config.network == "official":
        return OfficialRecipe(config, dataset)
    if config.network in AUTOENCODERS:
        return AutoencoderRecipe(config, dataset)
    raise ConfigError(f"There is no network '{config.network}' to train.")
