# SPDX-License-Identifier: GPL-3.0-or-later
"""Official DiffGesture checkpoints and FGD autoencoders to safetensors with a card."""

import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from ..errors import CheckpointError, OutputError
from ..motion.skeletons import SKELETONS, Skeleton
from ..reading import Whole, understood
from ..writing import check_outputs
from .autoencoder import AUTOENCODERS, WINDOW
from .card import card_from_data, check_hyperparameters
from .embedding import save_autoencoder
from .neighbour_conversion import neighbour_kind, neighbour_network, words_and_speakers
from .official import OfficialNetwork
from .official_files import Record, read_official_file
from .saving import save_checkpoint

_FPS: Final = 15.0
_OVERLAP: Final = 8
"""Frames that neighbouring windows share when the default preset runs an official network."""
_SCHEDULE: Final = "diffusion_net.var_sched."
_UNKNOWN_LICENCE: Final = "not stated in the official file; ask its authors before sharing it"


def convert(source: Path, output: Path, *, name: str | None = None, licence: str | None = None) -> dict[str, Any]:
    """Convert ``source`` to ``output`` (.safetensors) and a card; returns what was found.

    Recognised are checkpoints of the official trainer (``state_dict``), of Trimodal (``gen_dict`` with a recurrent
    part) and HA2G (``gen_dict_1`` …), the TED autoencoder (``gen_dict``) and the TED Expressive one
    (``motion_ae``). Raises CheckpointError for anything else, OutputError for a bad ``output``.
    """
    if output.suffix != ".safetensors":
        raise OutputError(f"{output} must end in .safetensors.")
    check_outputs([output, output.with_suffix(".json")], [source], new_folders=True)
    contents = read_official_file(source)
    if not isinstance(contents, dict):
        raise CheckpointError(f"{source.name} holds no official checkpoint.")
    name, licence = name or source.stem, licence or _UNKNOWN_LICENCE
    with understood(f"{source.name} cannot be converted", CheckpointError):
        if "state_dict" in contents:
            summary = _convert_diffusion(source, contents, output, name, licence)
        elif kind := neighbour_kind(contents):
            summary = _convert_neighbour(source, contents, kind, output, name, licence)
        elif "gen_dict" in contents:
            summary = _convert_autoencoder(source, contents, "gen_dict", "embedding_net", output, name, licence)
        elif "motion_ae" in contents:
            summary = _convert_autoencoder(source, contents, "motion_ae", "motion_ae", output, name, licence)
        else:
            raise CheckpointError(
                f"{source.name} is neither an official checkpoint nor an official autoencoder: it has the entries"
                f" {', '.join(map(str, list(contents)[:8])) or 'none'}."
            )
    return {"output": str(output), "card": str(output.with_suffix(".json")), **summary}


def _convert_diffusion(
    source: Path, contents: dict[str, Any], output: Path, name: str, licence: str
) -> dict[str, Any]:
    state = _state(source, contents, "state_dict")
    state = {key: tensor for key, tensor in state.items() if not key.startswith(_SCHEDULE)}
    try:
        hidden_dim, joined = state["diffusion_net.net.linear.weight"].shape
        window = state["diffusion_net.net.pos_embedding"].shape[1]
        skeleton = _skeleton(source, (joined - 4 - 32) // 2)
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{source.name} lacks the official network's parameter {error}.") from error
    blocks = {match[0] for key in state if (match := re.match(r"diffusion_net\.net\.(decoder_)?blocks\.\d+", key))}
    hyperparameters = {
        "hidden_dim": hidden_dim,
        "block_depth": len(blocks),
        "window": window,
        "seed_frames": _setting(contents, "n_pre_poses", 4),
    }
    check_hyperparameters("official", hyperparameters)
    network = _made(source, OfficialNetwork, state, pose_dim=skeleton.pose_dim, **hyperparameters)
    card = {
        "name": name,
        "layout": skeleton.name,
        "frame": "native",
        "fps": float(_setting(contents, "motion_resampling_framerate", _FPS)),
        "window": window,
        "overlap": _OVERLAP,
        "seed_frames": hyperparameters["seed_frames"],
        "network": "official",
        "hyperparameters": hyperparameters,
        "normalisation": {"mean": _mean(source, contents, skeleton), "std": [1.0] * skeleton.pose_dim},
        "licence": licence,
        "training": _training(contents),
    }
    card_from_data(card)  # what is written can be read
    save_checkpoint(output, network, card, half=False)
    return {"kind": "DiffGesture checkpoint", "layout": skeleton.name, "parameters": _count(network)}


def _convert_neighbour(
    source: Path, contents: dict[str, Any], kind: str, output: Path, name: str, licence: str
) -> dict[str, Any]:
    entries = [entry for entry in contents if re.fullmatch(r"gen_dict(_\d)?|audio_dict", str(entry))]
    states = {entry: _state(source, contents, entry) for entry in entries if contents[entry]}
    skeleton = _skeleton(source, contents.get("pose_dim", 0))
    seed_frames = _setting(contents, "n_pre_poses", 4)
    network, settings = neighbour_network(source, kind, states, skeleton, seed_frames)
    card = {
        "name": name,
        "layout": skeleton.name,
        "frame": "native",
        "fps": float(_setting(contents, "motion_resampling_framerate", _FPS)),
        "window": WINDOW,
        "overlap": _OVERLAP,
        "seed_frames": seed_frames,
        "network": kind,
        "hyperparameters": settings,
        **words_and_speakers(contents, settings),
        "normalisation": {"mean": _mean(source, contents, skeleton), "std": [1.0] * skeleton.pose_dim},
        "licence": licence,
        "training": _training(contents),
    }
    save_checkpoint(output, network, card, half=False)
    title = {"trimodal": "Trimodal checkpoint", "ha2g": "HA2G checkpoint"}[kind]
    return {"kind": title, "layout": skeleton.name, "parameters": _count(network)}


def _convert_autoencoder(
    source: Path, contents: dict[str, Any], entry: str, kind: str, output: Path, name: str, licence: str
) -> dict[str, Any]:
    state = _state(source, contents, entry)
    # Speech and text branches of the official EmbeddingNet take no part in the metric.
    kept = ("pose_encoder.", "decoder.") if kind == "embedding_net" else ("encoder.", "decoder.")
    state = {key: tensor for key, tensor in state.items() if key.startswith(kept)}
    try:
        pose_dim = state[f"{kept[0]}net.0.0.weight"].shape[1]
        latent_dim = state["decoder.pre_net.0.weight"].shape[1]
    except (KeyError, IndexError) as error:
        raise CheckpointError(f"{source.name} lacks the autoencoder's parameter {error}.") from error
    skeleton = _skeleton(source, pose_dim)
    Whole(1, 4096)(latent_dim, "latent_dim")
    network = _made(source, AUTOENCODERS[kind], state, pose_dim=pose_dim, latent_dim=latent_dim)
    card = {
        "name": name,
        "network": kind,
        "layout": skeleton.name,
        "frame": "native",
        "fps": _FPS,
        "window": WINDOW,
        "latent_dim": latent_dim,
        "mean": _mean(source, contents, skeleton),
        "licence": licence,
        "training": _training(contents),
    }
    save_autoencoder(output, network, card)
    return {"kind": "autoencoder", "layout": skeleton.name, "parameters": _count(network)}


def _state(source: Path, contents: dict[str, Any], entry: str) -> dict[str, torch.Tensor]:
    state = contents[entry]
    if not isinstance(state, dict) or not state:
        raise CheckpointError(f"The entry '{entry}' of {source.name} holds no weights.")
    for key, tensor in state.items():
        if not isinstance(key, str) or not isinstance(tensor, torch.Tensor):
            raise CheckpointError(f"The entry '{entry}' of {source.name} holds something other than weights.")
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"The weights '{key}' of {source.name} contain NaN or infinity.")
    return {key.removeprefix("module."): tensor for key, tensor in state.items()}


def _made(source: Path, make: Any, state: dict[str, torch.Tensor], **arguments: Any) -> Any:
    """The network with these weights; described without memory first, which a file could ask too much of."""
    with torch.device("meta"):
        described = {name: value.shape for name, value in make(**arguments).state_dict().items()}
    given = {name: value.shape for name, value in state.items()}
    if given != described:
        other = sorted(set(given) ^ set(described)) or [n for n in given if given[n] != described[n]]
        raise CheckpointError(
            f"The weights of {source.name} are not the official network's: see {', '.join(other[:5])[:300]}."
        )
    network = make(**arguments)
    network.load_state_dict(state)
    return network


def _skeleton(source: Path, pose_dim: int) -> Skeleton:
    for skeleton in SKELETONS.values():
        if skeleton.pose_dim == pose_dim:
            return skeleton
    raise CheckpointError(f"{source.name} is made for poses of {pose_dim} numbers; known are 27 and 126.")


def _setting(contents: dict[str, Any], key: str, default: Any) -> Any:
    args = contents.get("args")
    return args.fields.get(key, default) if isinstance(args, Record) else default


def _mean(source: Path, contents: dict[str, Any], skeleton: Skeleton) -> list[float]:
    """``mean_dir_vec`` of the file's settings, in whatever nesting the official parser left it."""
    value = _setting(contents, "mean_dir_vec", None)
    try:
        mean = np.asarray(value, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        mean = np.empty(0)
    if mean.shape != (skeleton.pose_dim,) or not np.isfinite(mean).all():
        raise CheckpointError(
            f"The settings in {source.name} lack the field 'mean_dir_vec' with {skeleton.pose_dim} numbers,"
            " without which its output cannot be turned into directions."
        )
    return mean.tolist()


def _training(contents: dict[str, Any]) -> dict[str, Any]:
    """Epoch and scalar settings of the official trainer, without its file paths."""
    args = contents.get("args")
    fields = args.fields if isinstance(args, Record) else {}
    settings = {
        key: value
        for key, value in fields.items()
        if isinstance(value, bool | int | float | str)
        and not key.endswith("_path")
        and len(str(value)) <= 200
        and "/" not in str(value)
    }
    epoch = contents.get("epoch")
    return {"program": "official code", "epoch": epoch if isinstance(epoch, int) else None, "settings": settings}


def _count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
