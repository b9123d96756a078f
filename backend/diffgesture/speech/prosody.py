# SPDX-License-Identifier: GPL-3.0-or-later
"""Prosody of a mono recording: energy, pitch, phrases, pauses and accents (prominent syllables).

Prominence follows the usual acoustic correlates: an accented syllable is louder, higher (or moving) in pitch
and longer than its neighbours (Kochanski et al. 2005; Wagner et al. 2015 for a review).
"""

from dataclasses import dataclass
from typing import Final

import librosa
import numpy as np
from scipy.ndimage import binary_closing, binary_opening, gaussian_filter1d, median_filter
from scipy.signal import butter, find_peaks, peak_widths, sosfiltfilt

from .audio import SAMPLE_RATE

FloatArray = np.ndarray

RATE: Final = 100.0  # prosody frames per second
_HOP: Final = 160


@dataclass(frozen=True)
class Accent:
    """A prominent syllable: ``time`` of its energy peak in seconds, ``strength`` 0..1 within its recording."""

    time: float
    strength: float


@dataclass(frozen=True)
class Prosody:
    """Times in seconds. ``phrases`` are stretches of speech between pauses, ``accents`` are sorted by time."""

    seconds: float
    energy_db: FloatArray
    f0: FloatArray
    phrases: tuple[tuple[float, float], ...]
    accents: tuple[Accent, ...]


def frame_rms(audio: FloatArray, window_s: float, rate: float) -> FloatArray:
    """RMS (round(seconds * rate),) of a centred window, at ``rate`` frames per second."""
    frames = round(len(audio) / SAMPLE_RATE * rate)
    half = window_s * SAMPLE_RATE / 2
    power = np.concatenate([[0.0], np.cumsum(audio.astype(np.float64) ** 2)])
    centres = (np.arange(frames) + 0.5) / rate * SAMPLE_RATE
    low = np.clip(np.round(centres - half), 0, len(audio)).astype(int)
    high = np.clip(np.round(centres + half), 0, len(audio)).astype(int)
    return np.sqrt(np.maximum(power[high] - power[low], 0.0) / np.maximum(high - low, 1))


def voiced_segments(energy_db: FloatArray, pause_s: float) -> list[tuple[float, float]]:
    """Speech stretches (start, end) in seconds; silences shorter than ``pause_s`` do not split them.

    The threshold lies 30 dB below the loud parts, but at least 8 dB above the noise floor.
    """
    loud, floor = np.percentile(energy_db, 95), np.percentile(energy_db, 3)
    speech = energy_db > max(loud - 30.0, min(floor + 8.0, loud - 15.0))
    speech = binary_opening(speech, np.ones(3))
    padded = np.pad(speech, round(RATE))
    joined = binary_closing(padded, np.ones(max(1, round(pause_s * RATE))))[round(RATE) : -round(RATE)]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], joined.astype(int), [0]])))
    segments = [(a / RATE, b / RATE) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [(a, b) for a, b in segments if b - a >= 0.12]


def pitch(audio: FloatArray, voiced: FloatArray) -> FloatArray:
    """f0 in semitones relative to the speaker's median, 0 where unvoiced; one value per prosody frame."""
    f0 = librosa.yin(audio, fmin=65, fmax=420, sr=SAMPLE_RATE, frame_length=800, hop_length=_HOP)[: len(voiced)]
    f0 = np.pad(f0, (0, len(voiced) - len(f0)), mode="edge")
    valid = voiced & (f0 > 70) & (f0 < 400)
    if not valid.any():
        return np.zeros(len(voiced))
    semitones = 12.0 * np.log2(f0 / np.median(f0[valid]))
    semitones = np.where(valid & (np.abs(semitones) < 12.0), semitones, 0.0)
    return median_filter(semitones, 5)


def _zscore(values: FloatArray) -> FloatArray:
    return (values - values.mean()) / max(values.std(), 1e-6)


def analyse(audio: FloatArray, pause_s: float = 0.22) -> Prosody:
    """Prosody of 16 kHz mono ``audio`` (N,). Silence has neither phrases nor accents."""
    seconds = len(audio) / SAMPLE_RATE
    energy_db = 20.0 * np.log10(frame_rms(audio, 0.03, RATE) + 1e-5)
    frames = len(energy_db)
    if frames < 20 or np.percentile(energy_db, 95) < -60.0:
        return Prosody(seconds, energy_db, np.zeros(frames), (), ())
    phrases = voiced_segments(energy_db, pause_s)
    # Vowels carry the syllable: measure loudness where they are.
    band = sosfiltfilt(butter(2, (250, 3000), "bandpass", fs=SAMPLE_RATE, output="sos"), audio)
    loudness = gaussian_filter1d(20.0 * np.log10(frame_rms(band, 0.03, RATE) + 1e-4), 3.0)
    inside = np.zeros(frames, dtype=bool)
    for start, end in phrases:
        inside[round(start * RATE) : round(end * RATE)] = True
    f0 = pitch(audio, inside & (loudness > np.percentile(loudness[inside], 30) if inside.any() else inside))
    peaks, _ = find_peaks(loudness, distance=10, prominence=2.0)
    peaks = peaks[inside[peaks]]
    if len(peaks) == 0:
        return Prosody(seconds, energy_db, f0, tuple(phrases), ())
    widths = peak_widths(loudness, peaks, rel_height=0.6)[0]
    local_f0 = np.array([np.abs(f0[max(0, p - 6) : p + 7]).max() for p in peaks])
    height_f0 = np.array([f0[max(0, p - 6) : p + 7].max() for p in peaks])
    score = _zscore(loudness[peaks]) + 0.6 * _zscore(height_f0) + 0.2 * _zscore(local_f0)
    score += 0.4 * _zscore(np.minimum(widths, 40.0))
    strength = 1.0 / (1.0 + np.exp(-score))
    accents: list[Accent] = []
    # Strongest first; an accent silences its neighbours within 0.26 s.
    for k in np.argsort(-strength):
        time = float(peaks[k] / RATE)
        if strength[k] > 0.25 and all(abs(time - accent.time) > 0.26 for accent in accents):
            accents.append(Accent(time, float(strength[k])))
    return Prosody(seconds, energy_db, f0, tuple(phrases), tuple(sorted(accents, key=lambda a: a.time)))


def pauses(prosody: Prosody, minimum_s: float) -> list[tuple[float, float]]:
    """Silences (start, end) of at least ``minimum_s``, those at the beginning and the end included."""
    edges = [0.0, *(t for phrase in prosody.phrases for t in phrase), prosody.seconds]
    gaps = zip(edges[::2], edges[1::2], strict=True)
    return [(a, b) for a, b in gaps if b - a >= minimum_s]
