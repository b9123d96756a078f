# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks in PyTorch, made from a card and weights."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from torch import nn

from .card import Card
from .hierarchical import HierarchicalNetwork
from .masked import MaskedPoseTransformer
from .official import OfficialNetwork
from .recurrent import TrimodalNetwork

NETWORK_CLASSES: Final[dict[str, type[nn.Module]]] = {
    "masked_pose_transformer": MaskedPoseTransformer,
    "official": OfficialNetwork,
    "trimodal": TrimodalNetwork,
    "ha2g": HierarchicalNetwork,
}


def make_network(card: Card, weights: Mapping[str, np.ndarray]) -> nn.Module:
    """The card's network in evaluation mode with these weights.

    TypeError for hyper-parameters that it does not have, ValueError for weights that do not fit.
    """
    make = NETWORK_CLASSES[card.network]
    with torch.device("meta"):  # without memory: it is taken only for what the file really holds
        described = make(pose_dim=card.skeleton.pose_dim, **card.hyperparameters).state_dict()
    if {name: tuple(value.shape) for name, value in described.items()} != {n: w.shape for n, w in weights.items()}:
        raise ValueError("the weights have other shapes")
    network = make(pose_dim=card.skeleton.pose_dim, **card.hyperparameters)
    network.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    return network.eval().requires_grad_(False)
