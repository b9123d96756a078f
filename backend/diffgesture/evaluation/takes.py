# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes to be measured, real or generated, and the one chain that turns each into curves.

The chain: directions of the layout's spine, shoulder and arm bones; one common set of bone lengths; positions
relative to the base of the neck, which is fixed to the chest; 30 fps; 6 Hz low-pass.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfiltfilt

from ..errors import DataError
from ..motion.clip_archive import ClipArchive
from ..motion.skeletons import SKELETONS, normalize
from ..reading import beside
from ..speech.audio import is_silent, load_audio
from ..speech.features import SAMPLE_RATE
from ..speech.prosody import analyse, frame_rms, pauses
from .legacy_metrics import audio_onsets
from .real_skeleton import arm_directions_of_real, layout_directions_of_real

FloatArray = np.ndarray

RATE: Final = 30.0
LOW_PASS_HZ: Final = 6.0
ENERGY_SECONDS: Final = 0.2
PAUSE_SECONDS: Final = 1.0
ARM_BONES: Final = tuple(
    (f"{side}_{a}" if a != "neck" else a, f"{side}_{b}")
    for side in ("left", "right")
    for a, b in (("neck", "shoulder"), ("shoulder", "elbow"), ("elbow", "wrist"))
)
ARM_LENGTHS: Final = np.array([0.187, 0.285, 0.255] * 2)
"""Metres: neck to shoulder, upper arm and forearm of an adult of about 1.74 m, the same for every take."""
SHOULDERS, ELBOWS, WRISTS = [0, 3], [1, 4], [2, 5]
"""Columns of :attr:`Take.arms`."""
STILL: Final = 0.02
"""m/s: takes whose wrists move less on average are statues, of which nothing else can be said."""
_SHORTEST: Final = 16
"""Frames that the low-pass needs."""


@dataclass(frozen=True)
class Take:
    """16 kHz speech ``audio`` (N,) with the motion of both arms, ``arm_directions`` (T, 6, 3) at ``fps``.

    ``layout`` and ``directions`` (T, B, 3), all bones in the public frame, are absent where the source has arms
    alone. ``seams`` are frames where windows of the generator begin or end (None: it made the take in one piece),
    ``seconds_to_generate`` what it took, ``spoken`` words with begin and end in seconds, where they are known.
    """

    name: str
    audio: FloatArray
    fps: float
    arm_directions: FloatArray
    layout: str = ""
    directions: FloatArray | None = None
    seams: tuple[int, ...] | None = ()
    seconds_to_generate: float | None = None
    spoken: tuple[tuple[str, float, float], ...] = ()
    audio_path: Path | None = field(default=None, compare=False)

    @property
    def seconds(self) -> float:
        return len(self.arm_directions) / self.fps

    @cached_property
    def raw_arms(self) -> FloatArray:
        """(T, 6, 3) metres at the take's own rate, unfiltered: left shoulder, elbow, wrist, right likewise."""
        bones = self.arm_directions * ARM_LENGTHS[:, None]
        return np.concatenate([bones[:, :3].cumsum(axis=1), bones[:, 3:].cumsum(axis=1)], axis=1)

    @cached_property
    def arms(self) -> FloatArray:
        """(T30, 6, 3) metres at 30 fps, low-passed at 6 Hz."""
        frames = round(self.seconds * RATE)
        flat = self.raw_arms.reshape(len(self.raw_arms), -1)
        if self.fps != RATE and len(flat) > 1:
            times = np.minimum(np.arange(frames) / RATE * self.fps, len(flat) - 1)
            flat = CubicSpline(np.arange(len(flat)), flat)(times)
        if len(flat) >= _SHORTEST:
            flat = sosfiltfilt(butter(2, LOW_PASS_HZ, fs=RATE, output="sos"), flat, axis=0)
        return flat.reshape(-1, 6, 3)

    @cached_property
    def velocity(self) -> FloatArray:
        """(T30, 2, 3) m/s of the wrists."""
        return _derivative(self.arms[:, WRISTS])

    @property
    def speed(self) -> FloatArray:
        """(T30, 2) m/s of left and right wrist."""
        return np.linalg.norm(self.velocity, axis=-1)

    @property
    def acceleration(self) -> FloatArray:
        """(T30, 2) m/s² of the wrists."""
        return np.linalg.norm(_derivative(self.velocity), axis=-1)

    @property
    def jerk(self) -> FloatArray:
        """(T30, 2) m/s³ of the wrists."""
        return np.linalg.norm(_derivative(_derivative(self.velocity)), axis=-1)

    @cached_property
    def energy(self) -> FloatArray:
        """(T30,) RMS of the speech over 0.2 s."""
        rms = frame_rms(self.audio, ENERGY_SECONDS, RATE)
        return np.pad(rms, (0, max(0, len(self.arms) - len(rms))))[: len(self.arms)]

    @cached_property
    def onsets(self) -> FloatArray:
        """Times in seconds of the speech's onsets; none in silence."""
        return np.zeros(0) if len(self.audio) == 0 or is_silent(self.audio) else audio_onsets(self.audio)

    @cached_property
    def speech_and_pauses(self) -> tuple[FloatArray, FloatArray]:
        """Two masks (T30,): inside phrases, and inside pauses longer than 1 s (those at either end included)."""
        speech, pause = (np.zeros(len(self.arms), dtype=bool) for _ in range(2))
        if len(self.audio) == 0 or is_silent(self.audio):
            return speech, ~pause
        prosody = analyse(self.audio)
        for mask, spans in ((speech, prosody.phrases), (pause, pauses(prosody, PAUSE_SECONDS))):
            for start, end in spans:
                mask[round(start * RATE) : round(end * RATE)] = True
        return speech, pause


def _derivative(values: FloatArray) -> FloatArray:
    return np.gradient(values, axis=0) * RATE if len(values) > 1 else np.zeros_like(values)


def take_of_directions(
    name: str, audio: FloatArray, directions: FloatArray, layout: str, fps: float, **extra: Any
) -> Take:
    """A take of all bones (T, B, 3) of a layout in the public frame."""
    skeleton = SKELETONS[layout]
    arms = [skeleton.bone(a, b) for a, b in ARM_BONES]
    unit = normalize(np.asarray(directions[:, arms], dtype=np.float64))
    return Take(name, audio, float(fps), unit, layout, directions, **extra)


def load_real_takes(folder: str | Path, layout: str = "ted_expressive") -> list[Take]:
    """All takes (``*.npz`` with their audio) of a folder, sorted by name.

    The form is that of rotations or positions per joint (see docs/EVALUATION.md). Raises DataError naming file and
    field.
    """
    folder = Path(folder)
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise DataError(f"There are no real takes (*.npz) in {folder}.")
    return [load_real_take(file, layout) for file in files]


def load_real_take(path: Path, layout: str = "ted_expressive") -> Take:
    """One real take. Raises DataError naming file and field."""
    archive = ClipArchive(path)
    if not archive.clips or not isinstance(archive.clips[0].get("audio"), str):
        raise DataError(f"{path}: field 'meta' names no clip with its audio, so it is not a real take.")
    clip = archive.clips[0]
    armature = archive.armature(clip)
    arms = arm_directions_of_real(armature, str(path))
    full = layout_directions_of_real(armature, layout, str(path))
    fps, sound = armature.fps, beside(path, clip["audio"], "recording", DataError)
    audio = load_audio(sound)
    samples = round(len(arms) / fps * SAMPLE_RATE)
    if abs(len(audio) - samples) > SAMPLE_RATE:
        raise DataError(
            f"{path}: the motion lasts {len(arms) / fps:.1f} s, but {sound.name} {len(audio) / SAMPLE_RATE:.1f} s."
        )
    audio = np.pad(audio[:samples], (0, max(0, samples - len(audio))))
    return Take(path.stem, audio, fps, arms, layout if full is not None else "", full, audio_path=sound)
