# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker can be asked: ``hello``, ``generate``, ``find_cues``, ``draft_transcript``, ``bvh``."""

import dataclasses
import json
import platform
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .. import __version__
from ..controls import is_control
from ..errors import DeviceError, EngineError, GestureError, OutputError
from ..generation.engine import Generator, Request, torch_is_installed, write_motions
from ..generation.spoken_cues import listen, words_cues
from ..generation.synthesis import Settings
from ..model.arithmetic import has_blas, num_threads
from ..model.card import Card
from ..model.checkpoint import DEFAULT_CHECKPOINT
from ..motion.bvh import save_bvh
from ..motion.constraints import load_constraints
from ..motion.motion_file import load_motion
from ..motion.skeletons import neutral_directions
from ..reading import Real
from ..speech.audio import Heard, hear
from ..words import forced
from ..words.forced import phrases
from ..words.vocabulary import parse_cues

if TYPE_CHECKING:
    from .server import Server

Method = Callable[[Any, dict[str, Any]], dict[str, Any]]

_REQUEST_FIELDS: Final = {f.name for f in dataclasses.fields(Request)} - {
    "settings",
    "audio",
    "checkpoint",
    "transcript",
    "word_table",
}
_MOST_OF_A_FIELD: Final = 4000
# Large parts of the card that a user interface has no use for.
_BULKY_CARD_FIELDS: Final = ("normalisation", "features", "streams", "rest_directions", "training")


def make_methods(server: "Server") -> dict[str, Method]:
    """The methods of one worker, sharing one engine."""
    from .server import INVALID_PARAMS, PROTOCOL_VERSION, RpcError, path_or_none

    generator = Generator()

    def hello(identity: Any, params: dict[str, Any]) -> dict[str, Any]:
        engine = params.get("engine", "auto")
        path = path_or_none(params.get("checkpoint"), "checkpoint") or DEFAULT_CHECKPOINT
        card, problem, chosen = None, None, "numpy"
        try:
            checkpoint = generator.checkpoint(path, "auto" if engine == "auto" else "cpu", engine)
            chosen, card = checkpoint.engine, _public_card(path, checkpoint.card)
        except EngineError:
            raise
        except GestureError as error:
            problem = str(error)
        return {
            "protocol": PROTOCOL_VERSION,
            "backend_version": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "blas": has_blas(),
            "torch": _version("torch"),
            "engine": chosen,
            "engines": ["numpy", *(["torch"] if torch_is_installed() else [])],
            "devices": _devices(),
            "threads": num_threads(),
            "checkpoint": card,
            "checkpoint_error": problem,
        }

    def generate(identity: Any, params: dict[str, Any]) -> dict[str, Any]:
        params = dict(params)
        audio = path_or_none(params.pop("audio", None), "audio")
        folder = path_or_none(params.pop("output_dir", None), "output_dir")
        checkpoint = path_or_none(params.pop("checkpoint", None), "checkpoint")
        constraints = path_or_none(params.pop("constraints", None), "constraints")
        transcript = path_or_none(params.pop("transcript", None), "transcript")
        word_table = path_or_none(params.pop("word_table", None), "word_table")
        if audio is None or folder is None:
            raise RpcError(INVALID_PARAMS, "audio and output_dir are needed.")
        if not folder.is_dir():
            raise OutputError(f"The folder {folder} does not exist.")
        cues = _cues(params.pop("cues", None))
        turns = params.pop("turns", None)
        given = {name: params.pop(name) for name in list(params) if is_control(name)}
        if unknown := set(params) - _REQUEST_FIELDS:
            raise RpcError(INVALID_PARAMS, f"unknown parameters: {', '.join(sorted(unknown))}")
        kept = None if constraints is None else load_constraints(constraints)
        try:
            settings = Settings(kept, cues, turns=turns, **given)
            request = Request(
                audio=audio,
                checkpoint=checkpoint,
                settings=settings,
                transcript=transcript,
                word_table=word_table,
                **params,
            )
        except TypeError as error:
            raise RpcError(INVALID_PARAMS, f"a parameter has the wrong type: {error}") from error
        progress = server.progress_of(identity)
        try:
            response = generator.run(request, progress)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            raise DeviceError(
                "The device has not enough memory for this speech.", "Choose the device 'cpu'."
            ) from error
        progress("writing", 1.0, "Writing the motion")
        paths = write_motions(response.motions, folder / f"motion_{settings.seed}.npz")
        return {
            "motions": [
                {"path": str(path), "seed": item.seed} for path, item in zip(paths, response.motions, strict=True)
            ],
            **response.summary(),
        }

    def heard_part(identity: Any, audio: Path, params: dict[str, Any]) -> tuple[Heard, float]:
        """The part of a recording that ``audio_start`` and ``audio_end`` name, and where it begins."""
        try:
            start = Real(0, 1e6)(params.get("audio_start") or 0.0, "audio_start")
            end = params.get("audio_end")
            end = None if end is None else Real(0, 1e6)(end, "audio_end")
        except ValueError as error:
            raise RpcError(INVALID_PARAMS, str(error)) from error
        return hear(audio, start, end, lambda _: server.check_cancelled(identity)), start

    def find_cues(identity: Any, params: dict[str, Any]) -> dict[str, Any]:
        audio = path_or_none(params.get("audio"), "audio")
        transcript = path_or_none(params.get("transcript"), "transcript")
        if audio is None or transcript is None:
            raise RpcError(INVALID_PARAMS, "audio and transcript are needed.")
        settings = Settings(**{name: value for name, value in params.items() if is_control(name)})
        heard, start = heard_part(identity, audio, params)
        table = path_or_none(params.get("word_table"), "word_table")
        spoken = listen(heard, settings, transcript, table, start)
        return {
            "cues": [[item.name, round(time, 3), item.said] for item, time in words_cues(spoken, settings)],
            "language": spoken.language,
            "warnings": list(spoken.notes),
        }

    def draft_transcript(identity: Any, params: dict[str, Any]) -> dict[str, Any]:
        audio = path_or_none(params.get("audio"), "audio")
        if audio is None:
            raise RpcError(INVALID_PARAMS, "audio is needed.")
        heard, _ = heard_part(identity, audio, params)
        drafted = phrases(forced.drafted(heard.samples))
        return {"captions": [[p[0].start, p[-1].end, " ".join(word.text for word in p)] for p in drafted]}

    def bvh(identity: Any, params: dict[str, Any]) -> dict[str, Any]:
        source = path_or_none(params.get("motion"), "motion")
        folder = path_or_none(params.get("output_dir"), "output_dir")
        if source is None or folder is None:
            raise RpcError(INVALID_PARAMS, "motion and output_dir are needed.")
        target = folder / f"{source.stem}.bvh"
        save_bvh(target, load_motion(source))
        return {"path": str(target)}

    return {
        "hello": hello,
        "generate": generate,
        "find_cues": find_cues,
        "draft_transcript": draft_transcript,
        "bvh": bvh,
    }


def _cues(value: Any) -> list[tuple[str, float]]:
    """``[[name, seconds], ...]``, in which a text stands for cues written as on the command line."""
    from .server import INVALID_PARAMS, RpcError

    cues = []
    try:
        for item in value or ():
            cues += parse_cues(item) if isinstance(item, str) else [(str(item[0]), float(item[1]))]
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise RpcError(INVALID_PARAMS, "cues must be a list of [name, seconds].") from error
    return cues


def _version(package: str) -> str | None:
    """The version of an installed package, which is not imported for it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> list[str]:
    """What torch can compute on if it is loaded already; the engine numpy knows the CPU alone."""
    if "torch" not in sys.modules:
        return ["cpu"]
    from ..model.devices import available_devices

    return available_devices()


def _public_card(path: Path, card: Card) -> dict[str, Any]:
    """The card without its bulk, and the skeleton that the motion will have."""
    small = {
        name: value
        for name, value in card.data.items()
        if name not in _BULKY_CARD_FIELDS and len(json.dumps(value)) <= _MOST_OF_A_FIELD
    }
    return {
        **small,
        "sampler": dataclasses.asdict(card.sampler),
        "streams": {stream.name: list(stream.columns) for stream in card.streams},
        "parameters": card.training.get("parameters"),
        "path": str(path),
        "skeleton": {
            "joint_names": card.skeleton.joint_names,
            "bone_pairs": card.skeleton.bone_pairs,
            "neutral_directions": neutral_directions(card.skeleton).round(6).tolist(),
            "rest_directions": card.rest.round(6).tolist(),
        },
    }
