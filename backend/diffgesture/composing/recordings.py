# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech recordings of the corpora, and takes made from them: joined, with pauses put in."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import librosa
import numpy as np
import soundfile
from scipy.signal import resample_poly

from ..errors import DataError
from ..reading import inside, understood
from ..speech.prosody import SAMPLE_RATE, Prosody, analyse, pauses

FloatArray = np.ndarray

SPEECH_SETS: Final = ("librispeech", "ljspeech")


@dataclass(frozen=True)
class Recording:
    """One recording: 16 kHz mono ``audio`` (N,) float32 and where it comes from."""

    name: str
    speaker: str
    audio: FloatArray
    licence: str


def load_recordings(root: Path) -> list[Recording]:
    """All recordings listed in ``root/speech/*/index.csv``, sorted by speaker and name."""
    recordings = []
    for folder in (root / "speech" / name for name in SPEECH_SETS):
        index = folder / "index.csv"
        if not index.is_file():
            raise DataError(f"{index} is missing: give the folder that holds motion/ and speech/.")
        told = f"{index} is no list of recordings"
        with understood(told, DataError), index.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                path = inside(folder, row["file"], "recording", DataError)
                recordings.append(_read(path, f"{folder.name}:{row['speaker']}", row["licence"]))
    return sorted(recordings, key=lambda r: (r.speaker, r.name))


def _read(path: Path, speaker: str, licence: str) -> Recording:
    try:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path} cannot be read as audio: {error}.") from error
    mono = audio.mean(axis=1)
    if rate != SAMPLE_RATE:
        mono = librosa.resample(mono, orig_sr=rate, target_sr=SAMPLE_RATE)
    return Recording(path.stem, speaker, mono.astype(np.float32), licence)


def at_speed(recording: Recording, factor: float) -> Recording:
    """The recording played ``factor`` times as fast (in twentieths), pitch and all."""
    audio = resample_poly(recording.audio, 20, round(20 * factor)).astype(np.float32)
    return replace(recording, audio=audio)


def _room_tone(seconds: float, level: float, rng: np.random.Generator) -> FloatArray:
    """Faint low-passed noise, or digital silence for ``level`` 0."""
    noise = rng.standard_normal(round(seconds * SAMPLE_RATE) + 8)
    smooth = np.convolve(noise, np.ones(8) / np.sqrt(8.0), mode="same")[:-8]
    return (level * smooth).astype(np.float32)


def _insert(audio: FloatArray, prosody: Prosody, tone: float, rng: np.random.Generator) -> FloatArray:
    """``audio`` with some of its inner pauses made longer by 0.8 to 3 s; the cut is in the middle of a pause."""
    gaps = [(a, b) for a, b in pauses(prosody, 0.18) if a > 0.2 and b < prosody.seconds - 0.2]
    cuts = sorted(0.5 * (a + b) for a, b in gaps if rng.random() < 0.28)
    pieces: list[FloatArray] = []
    position = 0
    for cut in cuts:
        index = round(cut * SAMPLE_RATE)
        pieces += [audio[position:index], _room_tone(rng.uniform(0.8, 3.0), tone, rng)]
        position = index
    return _join([*pieces, audio[position:]])


def _join(pieces: list[FloatArray]) -> FloatArray:
    """Concatenation with 5 ms ramps at each inner edge, so that no edge clicks."""
    ramp = np.linspace(0.0, 1.0, round(0.005 * SAMPLE_RATE), dtype=np.float32)
    faded = []
    for k, original in enumerate(pieces):
        piece = original.astype(np.float32)
        if len(piece) > 2 * len(ramp):
            if k > 0:
                piece[: len(ramp)] *= ramp
            if k + 1 < len(pieces):
                piece[-len(ramp) :] *= ramp[::-1]
        faded.append(piece)
    return np.concatenate(faded)


def make_take(
    recordings: list[tuple[Recording, Prosody]], fps: float, rng: np.random.Generator
) -> tuple[FloatArray, Prosody]:
    """Joins recordings of one speaker to a take: (audio (N,) of a whole number of frames, its prosody).

    Pauses are put between and inside the recordings and, mostly, at both ends. Loudness is set at random.
    """
    rms = [float(np.sqrt(np.mean(r.audio**2)) + 1e-6) for r, _ in recordings]
    tone = 0.0 if rng.random() < 0.3 else float(10.0 ** rng.uniform(-4.2, -3.0))
    pieces: list[FloatArray] = []
    if rng.random() < 0.7:
        pieces.append(_room_tone(rng.uniform(0.3, 2.5), tone, rng))
    for k, (recording, prosody) in enumerate(recordings):
        level = recording.audio * (0.06 / rms[k])
        pieces.append(_insert(level, prosody, tone, rng))
        if k + 1 < len(recordings):
            pieces.append(_room_tone(rng.uniform(0.3, 2.0), tone, rng))
    if rng.random() < 0.7:
        pieces.append(_room_tone(rng.uniform(0.5, 3.0), tone, rng))
    audio = _join(pieces) * float(10.0 ** (rng.uniform(-8.0, 6.0) / 20.0))
    peak = float(np.abs(audio).max())
    if peak > 0.98:
        audio *= 0.98 / peak
    frames = int(np.ceil(len(audio) / SAMPLE_RATE * fps))
    audio = np.pad(audio, (0, round(frames / fps * SAMPLE_RATE) - len(audio)))
    return audio.astype(np.float32), analyse(audio)


def group_for_takes(recordings: list[Recording], rng: np.random.Generator) -> list[list[int]]:
    """Indices of one speaker's recordings, shuffled and grouped so that a take has 10 to about 50 s of speech."""
    groups: list[list[int]] = []
    current: list[int] = []
    limit = rng.uniform(18.0, 50.0)
    for index in rng.permutation(len(recordings)):
        current.append(int(index))
        if sum(len(recordings[k].audio) for k in current) / SAMPLE_RATE >= limit:
            groups.append(current)
            current, limit = [], rng.uniform(18.0, 50.0)
    return groups + ([current] if current else [])
