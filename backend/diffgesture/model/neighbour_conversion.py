# SPDX-License-Identifier: GPL-3.0-or-later
"""Official Trimodal and HA2G checkpoints to safetensors with a card; the pickle is parsed, never executed."""

import re
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError
from ..motion.skeletons import Skeleton
from .hierarchical import HierarchicalNetwork, levels
from .official_files import Record
from .recurrent import TrimodalNetwork
from .word_indices import SPECIAL

State = dict[str, torch.Tensor]


def neighbour_kind(contents: dict[str, Any]) -> str:
    """``ha2g``, ``trimodal`` or nothing: what network of the paper's neighbours a file holds."""
    if "gen_dict_1" in contents and "audio_dict" in contents:
        return "ha2g"
    state = contents.get("gen_dict")
    # The official autoencoder lies under the same entry, without a recurrent part.
    return "trimodal" if isinstance(state, dict) and any("gru." in str(key) for key in state) else ""


def neighbour_network(
    source: Path, kind: str, states: dict[str, State], skeleton: Skeleton, seed_frames: int
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """The network with the file's weights and its hyper-parameters. CheckpointError where they do not fit."""
    merged = _trimodal(states) if kind == "trimodal" else _hierarchical(source, states, skeleton)
    merged = {_renamed(key): value for key, value in merged.items() if ".net." not in key}
    first = "" if kind == "trimodal" else "generators.0."
    try:
        words, embedding_dim = merged[f"{first}text_encoder.embedding.weight"].shape
        settings = {
            "words": words,
            "embedding_dim": embedding_dim,
            "speakers": merged[f"{first}speaker_embedding.0.weight"].shape[0],
            "hidden_dim": merged[f"{first}gru.weight_hh_l0"].shape[1],
            "layers": len({key for key in merged if re.fullmatch(rf"{first}gru\.weight_hh_l\d+", key)}),
        }
    except KeyError as error:
        raise CheckpointError(f"{source.name} lacks the parameter {error} of a {kind} network.") from error
    maker = TrimodalNetwork if kind == "trimodal" else HierarchicalNetwork
    settings["seed_frames"] = seed_frames
    network = maker(pose_dim=skeleton.pose_dim, **settings)  # type: ignore[arg-type]
    try:
        network.load_state_dict(merged)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:500]
        raise CheckpointError(f"The weights of {source.name} are not a {kind} network's: {reason}") from error
    return network, settings


def words_and_speakers(contents: dict[str, Any], settings: dict[str, Any]) -> dict[str, list[str]]:
    """``vocabulary`` and ``speakers`` for the card, in the order of their indices; unnamed ones are numbered."""
    return {
        "vocabulary": _names(contents.get("lang_model"), settings["words"], SPECIAL),
        "speakers": _names(contents.get("speaker_model"), settings["speakers"], ()),
    }


def _trimodal(states: dict[str, State]) -> State:
    return states["gen_dict"]


def _hierarchical(source: Path, states: dict[str, State], skeleton: Skeleton) -> State:
    count = len(levels(skeleton.pose_dim))
    merged = {f"audio_encoder.{key}": value for key, value in states["audio_dict"].items()}
    for level in range(count):
        entry = f"gen_dict_{level + 1}"
        if entry not in states:
            raise CheckpointError(f"{source.name} lacks the entry {entry} of a hierarchical network.")
        merged |= {f"generators.{level}.{key}": value for key, value in states[entry].items()}
    return merged


def _renamed(key: str) -> str:
    """Weight normalisation keeps length and direction under new names in present versions of torch."""
    key = re.sub(r"\.weight_g$", ".parametrizations.weight.original0", key)
    return re.sub(r"\.weight_v$", ".parametrizations.weight.original1", key)


def _names(model: Any, count: int, first: tuple[str, ...]) -> list[str]:
    table = model.fields.get("word2index", {}) if isinstance(model, Record) else {}
    names = [f"<{k}>" for k in range(count)]
    names[: len(first)] = first[:count]
    for name, index in table.items() if isinstance(table, dict) else ():
        if isinstance(index, int) and 0 <= index < count:
            names[index] = str(name)
    return names
