# SPDX-License-Identifier: GPL-3.0-or-later
"""One request, from an audio file to motion files: what the command line and the worker share."""

import dataclasses
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ConfigError, OutputError
from ..model.checkpoint import DEFAULT_CHECKPOINT, Checkpoint, load_checkpoint
from ..model.devices import pick_device
from ..motion.motion_file import Motion, save_motion
from ..speech.audio import SAMPLE_RATE, load_audio
from .synthesis import Progress, Settings, generate

MAX_VARIATIONS = 16


@dataclass(frozen=True)
class Request:
    """Speech ``audio`` (seconds ``audio_start`` to ``audio_end``) to ``variations`` motions."""

    audio: Path
    settings: Settings
    checkpoint: Path | None = None
    device: str = "auto"
    audio_start: float = 0.0
    audio_end: float | None = None
    variations: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.variations <= MAX_VARIATIONS:
            raise ConfigError(f"variations must lie between 1 and {MAX_VARIATIONS}, not {self.variations}.")
        if self.audio_start < 0 or (self.audio_end is not None and self.audio_end <= self.audio_start):
            raise ConfigError("audio_end must be later than audio_start, and neither may be negative.")


@dataclass
class Response:
    """The motions and what to tell the user."""

    motions: list[Motion]
    device: str
    steps: int
    timings: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class Engine:
    """Keeps the last checkpoint loaded, so that a second request starts at once."""

    def __init__(self) -> None:
        self._loaded: Checkpoint | None = None
        self._key: tuple[object, ...] = ()

    def checkpoint(self, path: Path | None, device_name: str) -> Checkpoint:
        device = pick_device(device_name)
        checkpoint_path = DEFAULT_CHECKPOINT if path is None else path
        stamp = os.stat(checkpoint_path).st_mtime_ns if checkpoint_path.is_file() else 0
        key = (checkpoint_path, stamp, str(device))
        if self._loaded is None or key != self._key:
            self._loaded, self._key = load_checkpoint(checkpoint_path, device), key
        return self._loaded

    def run(self, request: Request, progress: Progress) -> Response:
        """Generate every variation; variation ``k`` has the seed ``seed + k``."""
        started = time.perf_counter()
        progress("audio", 0.0, "Reading the speech")
        audio = load_audio(request.audio, request.audio_start, request.audio_end)
        read = time.perf_counter() - started
        progress("model", 0.0, "Loading the model")
        checkpoint = self.checkpoint(request.checkpoint, request.device)
        response = Response([], str(checkpoint.device), 0)
        response.timings = {"audio": read, "sampling": 0.0, "speech_seconds": len(audio) / SAMPLE_RATE}
        for variation in range(request.variations):
            settings = dataclasses.replace(request.settings, seed=request.settings.seed + variation)

            def share(stage: str, fraction: float, message: str, done: int = variation) -> None:
                progress(stage, (done + fraction) / request.variations, message)

            result = generate(audio, checkpoint, settings, share)
            response.motions.append(result.motion)
            response.steps = result.steps
            response.timings["audio"] += result.timings["audio"]
            response.timings["sampling"] += result.timings["sampling"]
            response.warnings = result.warnings
        response.timings["total"] = time.perf_counter() - started
        return response


def write_motions(motions: list[Motion], target: Path) -> list[Path]:
    """Write one motion to ``target``, or several to ``target`` with ``_1``, ``_2`` … before the suffix."""
    if target.is_dir():
        raise OutputError(f"{target} is a folder; give the name of a file.")
    if not target.parent.is_dir():
        raise OutputError(f"The folder {target.parent} does not exist.")
    if len(motions) == 1:
        paths = [target]
    else:
        paths = [target.with_stem(f"{target.stem}_{number}") for number in range(1, len(motions) + 1)]
    for path, motion in zip(paths, motions, strict=True):
        save_motion(path, motion)
    return paths
