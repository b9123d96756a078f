# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech of several sources as one recording over a range of frames, and when something is heard in it."""

from __future__ import annotations

import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bpy
import numpy as np

from ..errors import DiffGestureError
from ..timing import frame_rate
from ..writing import written
from .sequencer import frame_in_shot
from .source import AudioClip, clip_from_strip, mono_samples

Stretch = tuple[float, float]
"""Start and end (s)."""

_WINDOW: Final = 0.03
"""Seconds over which loudness is measured."""
_QUIET: Final = 10.0 ** (-35.0 / 20.0)
"""Below the loudest parts of a recording by this much it is silent, as between the sentences of a track."""
_SILENT: Final = 10.0 ** (-60.0 / 20.0)
_PAUSE: Final = 0.8
"""Pauses shorter than this (s) do not end a turn."""
_SHORTEST: Final = 0.1
_MARGIN: Final = 0.1


@dataclass(frozen=True)
class Utterance:
    """``samples`` (N,) in -1..1 at ``rate`` Hz, heard from ``begin`` seconds of the shot on (may be negative)."""

    samples: np.ndarray
    rate: int
    begin: float

    @property
    def end(self) -> float:
        return self.begin + len(self.samples) / self.rate

    def turns(self, seconds: float) -> list[Stretch]:
        """The stretches of a shot of ``seconds`` in which it is heard."""
        found = [(self.begin + start, self.begin + end) for start, end in heard(self.samples, self.rate)]
        return [(max(0.0, start), min(seconds, end)) for start, end in found if end > 0.0 and start < seconds]


def utterance(clip: AudioClip, frame: float, scene: bpy.types.Scene, volume: float = 1.0) -> Utterance:
    """What of the clip is heard, where its first moment falls on ``frame`` of the scene.

    DiffGestureError where neither Blender nor Python can read the file.
    """
    sound = mono_samples(clip.path) or _wav(clip.path)
    if sound is None:
        raise DiffGestureError(f"{clip.original.name} cannot be read; save it as WAV.")
    samples, rate = sound
    first = max(0, round(clip.start * rate))
    last = len(samples) if clip.end is None else max(first, round(clip.end * rate))
    return Utterance(samples[first:last] * volume, rate, (frame - scene.frame_start) / frame_rate(scene))


def of_strip(strip: bpy.types.Strip, edit: bpy.types.Scene, scene: bpy.types.Scene, folder: Path) -> Utterance:
    """A sound strip of the scene ``edit`` as it is heard in ``scene``; ``folder`` for files that must be made."""
    clip = clip_from_strip(strip.name, edit, edit, folder, needs_place=True)
    assert clip.frame is not None
    frame = clip.frame if edit == scene else frame_in_shot(clip.frame, edit, scene)
    return utterance(clip, frame, scene, strip.volume)


def mix(utterances: Iterable[Utterance], seconds: float) -> tuple[np.ndarray, int]:
    """(N,) the sum of all over a shot of ``seconds``, and its rate: the highest of theirs."""
    spoken = list(utterances)
    rate = max((item.rate for item in spoken), default=16_000)
    total = np.zeros(round(seconds * rate), dtype=np.float32)
    for item in spoken:
        samples = _at_rate(item, rate)
        first = round(item.begin * rate)
        start, end = max(0, first), min(len(total), first + len(samples))
        if end > start:
            total[start:end] += samples[start - first : end - first]
    peak = float(np.abs(total).max(initial=0.0))
    return (total / peak if peak > 1.0 else total), rate


def save_wav(path: Path, samples: np.ndarray, rate: int) -> None:
    """(N,) in -1..1 as 16-bit mono WAV."""
    with written(path) as (part,), wave.open(str(part), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())


def heard(samples: np.ndarray, rate: int) -> list[Stretch]:
    """The stretches in which something is heard, short pauses included."""
    width = max(1, round(_WINDOW * rate))
    count = len(samples) // width
    if count == 0:
        return []
    windows = samples[: count * width].reshape(count, width)
    loudness = np.sqrt(np.einsum("ij,ij->i", windows, windows) / width)
    loud = loudness > max(_SILENT, _QUIET * float(np.percentile(loudness, 98.0)))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(np.int8), [0]])))
    seconds = width / rate
    pieces = [(start * seconds, end * seconds) for start, end in edges.reshape(-1, 2)]
    longest = len(samples) / rate
    return [
        (max(0.0, start - _MARGIN), min(longest, end + _MARGIN))
        for start, end in joined(pieces)
        if end - start >= _SHORTEST
    ]


def joined(stretches: Iterable[Stretch], pause: float = _PAUSE) -> list[Stretch]:
    """The stretches by time; what lies closer together than ``pause`` (s) or overlaps is one."""
    found: list[Stretch] = []
    for start, end in sorted(stretches):
        if found and start - found[-1][1] < pause:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _at_rate(item: Utterance, rate: int) -> np.ndarray:
    if item.rate == rate:
        return item.samples
    times = np.arange(round(len(item.samples) * rate / item.rate)) * (item.rate / rate)
    return np.interp(times, np.arange(len(item.samples)), item.samples).astype(np.float32)


def _wav(path: Path) -> tuple[np.ndarray, int] | None:
    """16-bit WAV where Blender has no audio; None for anything else."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                return None
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
            mono = samples.reshape(-1, file.getnchannels()).mean(axis=1) / 32768.0
            return mono.astype(np.float32), file.getframerate()
    except (OSError, EOFError, wave.Error):
        return None
