# SPDX-License-Identifier: GPL-3.0-or-later
"""One request, from an audio file to motion files: what the command line and the worker share."""

import importlib.util
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigError, EngineError
from ..model.card import read_card
from ..model.checkpoint import DEFAULT_CHECKPOINT, ENGINES, Checkpoint, Engine, load_checkpoint
from ..motion.motion_file import Motion, write_motion
from ..reading import Real, Text, Whole, understood
from ..speech.audio import Heard, hear
from ..speech.features import SAMPLE_RATE
from ..words.vocabulary import Cue
from ..writing import written
from .spoken_cues import Spoken, directed, listen
from .synthesis import Progress, Settings, generate

MAX_VARIATIONS = 16


@dataclass(frozen=True)
class Request:
    """Speech ``audio`` (seconds ``audio_start`` to ``audio_end``) to ``variations`` motions.

    ``engine`` auto: see ``choose_engine``. ``transcript``: what is said in ``audio``; its words bring gestures
    beside the cues of ``settings``, as many as the control ``words`` says; ``word_table``: a person's own table.
    """

    audio: Path
    settings: Settings
    checkpoint: Path | None = None
    device: str = "auto"
    engine: str = "auto"
    audio_start: float = 0.0
    audio_end: float | None = None
    variations: int = 1
    transcript: Path | None = None
    word_table: Path | None = None

    def __post_init__(self) -> None:
        with understood("This cannot be generated", ConfigError):
            Whole(1, MAX_VARIATIONS)(self.variations, "variations")
            Text()(self.device, "device")
            Text()(self.engine, "engine")
            Real(0, 1e6)(self.audio_start, "audio_start")
            if self.audio_end is not None:
                Real(0, 1e6)(self.audio_end, "audio_end")
        if self.audio_start < 0 or (self.audio_end is not None and self.audio_end <= self.audio_start):
            raise ConfigError("audio_end must be later than audio_start, and neither may be negative.")
        if self.engine not in ENGINES:
            raise ConfigError(f"There is no engine '{self.engine}'; choose {', '.join(ENGINES)}.")


@dataclass
class Response:
    """The motions and what to tell the user."""

    motions: list[Motion]
    engine: str
    device: str
    steps: int
    timings: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    cues: list[Cue] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """What the worker answers and the command line prints, beside the files."""
        motion = self.motions[0]
        return {
            "frames": len(motion.directions),
            "fps": motion.fps,
            "layout": motion.layout,
            "audio_seconds": motion.audio_seconds,
            "preset": motion.preset,
            "steps": self.steps,
            "engine": self.engine,
            "device": self.device,
            "timings": {name: round(value, 4) for name, value in self.timings.items()},
            "warnings": self.warnings,
            "cues": [list(cue) for cue in self.cues],
        }


def torch_is_installed() -> bool:
    """Whether PyTorch could be imported; it is not imported."""
    return "torch" in sys.modules or importlib.util.find_spec("torch") is not None


def load_torch() -> None:
    """Import PyTorch; EngineError, with the cause and what to do, where it is there but cannot be loaded."""
    try:
        import torch  # noqa: F401
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a missing library is an OSError, a broken build anything
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise EngineError(
            f"PyTorch is installed in this Python but cannot be loaded ({said[:300]}).",
            "Reinstall PyTorch in that Python, choose another Python in the add-on's preferences, or choose the"
            " engine NumPy, which needs nothing else.",
        ) from error


def choose_engine(wanted: str, *, preset: str, device: str, official: bool) -> Engine:
    """The engine for a request.

    ``auto`` takes NumPy, which is ready at once, for the preset ``default`` with our own network on the CPU; and
    PyTorch, where it is installed, for what is slow without it or needs it: the reference preset, official
    networks, graphics cards. ConfigError when what is asked for needs PyTorch and it is not there.
    """
    if wanted not in ENGINES:
        raise ConfigError(f"There is no engine '{wanted!s:.40}'; choose {', '.join(ENGINES)}.")
    other_device = device not in ("auto", "cpu")
    if wanted == "numpy" and (official or other_device):
        what = "an official network" if official else f"the device '{device}'"
        raise ConfigError(f"The engine numpy cannot use {what}; choose the engine torch.")
    if wanted == "numpy":
        return "numpy"
    needed = wanted == "torch" or official or other_device
    if torch_is_installed():
        return "torch" if needed or preset == "reference" or "torch" in sys.modules else "numpy"
    if needed:
        raise ConfigError(
            "This needs PyTorch, which is not installed here.",
            "Install the PyTorch backend in the add-on's preferences, or pip install torch.",
        )
    return "numpy"


class Generator:
    """Keeps the last checkpoint loaded, so that a second request starts at once."""

    def __init__(self) -> None:
        self._loaded: Checkpoint | None = None
        self._key: tuple[object, ...] = ()

    def checkpoint(
        self, path: Path | None, device: str = "auto", engine: str = "auto", preset: str = "default"
    ) -> Checkpoint:
        """The checkpoint (None: the bundled one), loaded for the engine that suits the request."""
        path = DEFAULT_CHECKPOINT if path is None else path
        card = read_card(path)
        chosen = choose_engine(engine, preset=preset, device=device, official=card.is_published)
        place: object = "cpu"
        if chosen == "torch":
            load_torch()
            from ..model.devices import pick_device

            place = pick_device(device)
        key = (path, os.stat(path).st_mtime_ns, chosen, str(place))
        if self._loaded is None or key != self._key:
            self._loaded, self._key = load_checkpoint(path, place, chosen, card), key
        return self._loaded

    def run(self, request: Request, progress: Progress) -> Response:
        """Generate every variation; variation ``k`` has the seed ``seed + k``."""
        started = time.perf_counter()
        progress("audio", 0.0, "Reading the speech")
        audio = hear(
            request.audio,
            request.audio_start,
            request.audio_end,
            lambda seconds: progress("audio", 0.0, "Reading the speech"),
        )
        spoken = spoken_words(request, audio)
        read = time.perf_counter() - started
        progress("model", 0.0, "Loading the model")
        preset, seconds = request.settings.preset, len(audio) / SAMPLE_RATE
        checkpoint = self.checkpoint(request.checkpoint, request.device, request.engine, preset)
        response = Response([], checkpoint.engine, checkpoint.device, 0)
        response.timings = {"audio": read, "sampling": 0.0, "shaping": 0.0, "speech_seconds": seconds}
        for variation in range(request.variations):
            settings = request.settings.with_seed(request.settings.seed + variation)
            if checkpoint.card.is_recurrent:
                settings = settings.with_spoken([(word.text, word.start, word.end) for word in spoken.words])
            else:
                settings = directed(settings, spoken)

            def share(stage: str, fraction: float, message: str, done: int = variation) -> None:
                progress(stage, (done + fraction) / request.variations, message)

            result = generate(audio, checkpoint, settings, share)
            response.motions.append(result.motion)
            response.steps = result.steps
            for part in ("sampling", "shaping"):
                response.timings[part] += result.timings[part]
            response.warnings = [*audio.notes, *spoken.notes, *result.warnings]
            if variation == 0:
                response.cues = sorted(settings.cues, key=lambda cue: cue[1])
        response.timings["total"] = time.perf_counter() - started
        return response


def spoken_words(request: Request, audio: Heard) -> Spoken:
    """The words of the request's transcript in seconds of ``audio``."""
    return listen(audio, request.settings, request.transcript, request.word_table, request.audio_start)


def write_motions(motions: list[Motion], target: Path) -> list[Path]:
    """Write one motion to ``target``, or several to ``numbered`` targets, all or none."""
    paths = numbered(target, len(motions))
    with written(*paths) as parts:
        for part, motion in zip(parts, motions, strict=True):
            write_motion(part, motion)
    return paths


def numbered(target: Path, count: int) -> list[Path]:
    """``target`` for one, else that many with ``_1``, ``_2`` … before the suffix."""
    return [target] if count == 1 else [target.with_stem(f"{target.stem}_{k}") for k in range(1, count + 1)]
