# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker can be asked: ``hello`` and ``generate``."""

import dataclasses
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import librosa
import numpy as np
import torch

from .. import __version__
from ..errors import DeviceError, GestureError, OutputError
from ..generation.engine import Engine, Request, write_motions
from ..generation.synthesis import Settings
from ..model.checkpoint import DEFAULT_CHECKPOINT, Checkpoint
from ..model.devices import available_devices
from ..motion.constraints import load_constraints
from ..motion.skeletons import neutral_directions
from ..speech.audio import SAMPLE_RATE
from ..speech.features import audio_features

if TYPE_CHECKING:
    from .server import Server

Method = Callable[[Any, dict[str, Any]], dict[str, Any]]

# Large parts of the card that a user interface has no use for.
_BULKY_CARD_FIELDS = ("normalisation", "features", "rest_directions", "training")


def make_methods(server: "Server") -> dict[str, Method]:
    """The methods of one worker, sharing one engine."""
    from .server import INVALID_PARAMS, PROTOCOL_VERSION, RpcError, path_or_none

    engine = Engine()

    def hello(identity: Any, params: dict[str, Any]) -> dict[str, Any]:
        # The first call of the audio library costs two seconds; let the greeting pay for it.
        audio_features(np.zeros(SAMPLE_RATE, dtype=np.float32), 15, 15.0)
        path = path_or_none(params.get("checkpoint"), "checkpoint") or DEFAULT_CHECKPOINT
        card, problem = None, None
        try:
            checkpoint = engine.checkpoint(path, "cpu")
            card = _public_card(path, checkpoint)
        except GestureError as error:
            problem = str(error)
        return {
            "protocol": PROTOCOL_VERSION,
            "backend_version": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "librosa": librosa.__version__,
            "devices": available_devices(),
            "threads": torch.get_num_threads(),
            "checkpoint": card,
            "checkpoint_error": problem,
        }

    def generate(identity: Any, params: dict[str, Any]) -> dict[str, Any]:
        params = dict(params)
        audio = path_or_none(params.pop("audio", None), "audio")
        folder = path_or_none(params.pop("output_dir", None), "output_dir")
        checkpoint = path_or_none(params.pop("checkpoint", None), "checkpoint")
        constraints = path_or_none(params.pop("constraints", None), "constraints")
        if audio is None or folder is None:
            raise RpcError(INVALID_PARAMS, "audio and output_dir are needed.")
        if not folder.is_dir():
            raise OutputError(f"The folder {folder} does not exist.")
        request_fields = {f.name for f in dataclasses.fields(Request)} - {"settings"}
        settings_fields = {f.name for f in dataclasses.fields(Settings)} - {"constraints"}
        if unknown := set(params) - request_fields - settings_fields:
            raise RpcError(INVALID_PARAMS, f"unknown parameters: {', '.join(sorted(unknown))}")
        try:
            settings = Settings(
                **{k: v for k, v in params.items() if k in settings_fields},
                constraints=None if constraints is None else load_constraints(constraints),
            )
            rest = {k: v for k, v in params.items() if k in request_fields}
            request = Request(audio=audio, checkpoint=checkpoint, settings=settings, **rest)
        except TypeError as error:
            raise RpcError(INVALID_PARAMS, f"a parameter has the wrong type: {error}") from error
        progress = server.progress_of(identity)
        try:
            response = engine.run(request, progress)
        except torch.OutOfMemoryError as error:
            raise DeviceError(
                "The device has not enough memory for this speech.", "Choose the device 'cpu'."
            ) from error
        progress("writing", 1.0, "Writing the motion")
        paths = write_motions(response.motions, folder / f"motion_{settings.seed}.npz")
        motion = response.motions[0]
        return {
            "motions": [
                {"path": str(path), "seed": item.seed} for path, item in zip(paths, response.motions, strict=True)
            ],
            "frames": len(motion.directions),
            "fps": motion.fps,
            "layout": motion.layout,
            "audio_seconds": motion.audio_seconds,
            "preset": motion.preset,
            "steps": response.steps,
            "device": response.device,
            "timings": {name: round(value, 4) for name, value in response.timings.items()},
            "warnings": response.warnings,
        }

    return {"hello": hello, "generate": generate}


def _public_card(path: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    """The card without its bulk, and the skeleton that the motion will have."""
    card, skeleton = checkpoint.card, checkpoint.skeleton
    small = {name: value for name, value in card.items() if name not in _BULKY_CARD_FIELDS}
    neutral = neutral_directions(skeleton)
    return {
        **small,
        "parameters": card.get("training", {}).get("parameters"),
        "path": str(path),
        "skeleton": {
            "joint_names": skeleton.joint_names,
            "bone_pairs": skeleton.bone_pairs,
            "neutral_directions": neutral.round(6).tolist(),
            "rest_directions": np.round(card.get("rest_directions", neutral), 6).tolist(),
        },
    }
