# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech features at the motion's frame rate, over the whole clip at once, by NumPy alone.

The official encoder sees each window's raw samples alone: zeros stand at its edges and its 1080-sample stride
drifts against the 15 fps motion. Here every frame's features are taken at the frame's own time from the whole
clip, so windows have real context on both sides and nothing drifts. Levels are relative to the clip's own
speech level: a quiet recording and a loud one look the same. The mel bands are those of Slaney's Auditory Toolbox,
as in librosa, which the tests compare with.
"""

from functools import cache
from typing import Final, Protocol

import numpy as np

SAMPLE_RATE: Final = 16_000
NUM_MELS: Final = 20
SUBFRAMES: Final = 4
FEATURE_DIM: Final = NUM_MELS + 2 * SUBFRAMES
# Columns: mel bands, then loudness, then onset strength; the first two are levels.
LOUDNESS: Final = slice(NUM_MELS, NUM_MELS + SUBFRAMES)
LEVELS: Final = slice(0, NUM_MELS + SUBFRAMES)
ONSETS: Final = slice(NUM_MELS + SUBFRAMES, FEATURE_DIM)
_HOP: Final = 160
_FFT: Final = 512
_LOWEST_HZ: Final = 60.0
_HIGHEST_HZ: Final = 7600.0
_FLOOR_DBFS: Final = -58.0
_RANGE_DB: Final = 60.0
SILENCE: Final = -_RANGE_DB / 20
_AMIN: Final = 1e-12
_STEADY_DB: Final = 1.6
_STEADY_SECONDS: Final = 0.8
_FRAMES_AT_ONCE: Final = 2048


def audio_features(audio: "np.ndarray | WithMel", num_frames: int, fps: float) -> np.ndarray:
    """(samples,) at 16 kHz to (num_frames, 28) float32.

    Per motion frame: 20 log-mel bands averaged over the frame, and four sub-frames each of loudness and of
    onset strength (positive log-mel flux). All in units of 20 dB; 0 is the clip's speech level and -3 the floor.
    Band by band, so that hours of speech need no more than a few times one band.
    """
    power = power_of(audio)
    loudness = _decibels(power.sum(axis=0))
    level = speech_level(loudness)
    loudness = np.clip(loudness - level, -_RANGE_DB, 20) / 20
    times = np.arange(power.shape[1]) * _HOP / SAMPLE_RATE
    centres = (np.arange(num_frames) + 0.5) / fps
    sub_times = (np.arange(num_frames * SUBFRAMES) + 0.5) / (fps * SUBFRAMES)
    features = np.empty((num_frames, FEATURE_DIM), dtype=np.float32)
    rises = np.zeros(power.shape[1], dtype=np.float32)
    width = round(SAMPLE_RATE / _HOP / fps)
    for number, row in enumerate(power):
        band = np.clip(_decibels(row * NUM_MELS) - level, -_RANGE_DB, 20) / 20
        rises += np.maximum(np.diff(band, prepend=band[:1]), 0)
        features[:, number] = np.interp(centres, times, _box(band, width), right=-_RANGE_DB / 20)
    onset = rises / np.float32(NUM_MELS) * 4
    for start, curve, right in ((NUM_MELS, loudness, -_RANGE_DB / 20), (NUM_MELS + SUBFRAMES, onset, 0.0)):
        values = np.interp(sub_times, times, _box(curve, 2), right=right)
        features[:, start : start + SUBFRAMES] = values.reshape(num_frames, SUBFRAMES)
    return features


def hush_steady_sound(features: np.ndarray, fps: float) -> np.ndarray:
    """(T, 28) features in which steady sound counts as silence: nobody speaks for a second at one loudness.

    Steady is what varies by less than ``_STEADY_DB`` (standard deviation) around a frame for ``_STEADY_SECONDS``.
    """
    loudness = features[:, LOUDNESS].mean(axis=1)
    reach = max(1, round(0.5 * fps))
    padded = np.pad(loudness, reach, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    steady = around.std(axis=1) * 20 < _STEADY_DB
    return hush(features, steady, _STEADY_SECONDS * fps)


def hush(features: np.ndarray, quiet: np.ndarray, least: float) -> np.ndarray:
    """(T, 28) features with silence wherever ``quiet`` (T,) holds for at least ``least`` frames on end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(int)))
    hushed = features.copy()
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start >= least:
            hushed[start:end, LEVELS] = SILENCE
            hushed[start:end, ONSETS] = 0.0
    return hushed


class WithMel(Protocol):
    """Speech of which the power in mel bands is known."""

    mel: np.ndarray


def power_of(audio: "np.ndarray | WithMel") -> np.ndarray:
    """``mel_power`` of samples, or what was kept of it."""
    return mel_power(audio) if isinstance(audio, np.ndarray) else audio.mel


def mel_power(audio: np.ndarray) -> np.ndarray:
    """(samples,) at 16 kHz to (20, 1 + samples // 160): mean power in each mel band around every hundredth second.

    A full-scale sine has mean power 0.5; what lies before and behind the clip is silence.
    """
    whole = MelPower()
    whole.add(np.asarray(audio, dtype=np.float32))
    return whole.finish()


class MelPower:
    """``mel_power`` of a stream of blocks."""

    def __init__(self) -> None:
        window = _hann()
        self._scale = 2 / (_FFT * np.square(window).sum())
        self._rest = np.zeros(_FFT // 2, dtype=np.float32)
        self._parts: list[np.ndarray] = []
        self._count = 0

    def add(self, block: np.ndarray) -> None:
        """Take in samples (N,) at 16 kHz."""
        self._count += len(block)
        self._rest = np.concatenate([self._rest, block.astype(np.float32, copy=False)])
        self._take(_FRAMES_AT_ONCE)

    def finish(self) -> np.ndarray:
        """(20, 1 + samples // 160); the object is used up."""
        self._rest = np.pad(self._rest, (0, _FFT // 2))
        self._take(_FRAMES_AT_ONCE)
        left = 1 + self._count // _HOP - sum(part.shape[1] for part in self._parts)
        self._take(left)
        power = np.empty((NUM_MELS, 1 + self._count // _HOP), dtype=np.float32)
        place = power.shape[1]
        while self._parts:  # each let go as soon as it is copied
            part = self._parts.pop()
            power[:, place - part.shape[1] : place] = part
            place -= part.shape[1]
        return power

    def _take(self, frames: int) -> None:
        """Blocks of so many frames, as long as the samples reach."""
        needed = (frames - 1) * _HOP + _FFT
        begin = 0
        while frames and len(self._rest) - begin >= needed:
            samples = self._rest[begin : begin + needed]
            windows = np.lib.stride_tricks.sliding_window_view(samples, _FFT)[::_HOP]
            spectrum = np.fft.rfft(windows * _hann())
            energy = np.square(spectrum.real) + np.square(spectrum.imag)
            power = np.einsum("mf,tf->mt", mel_filters(), energy.astype(np.float32)) * self._scale
            self._parts.append(power.astype(np.float32))
            begin += frames * _HOP
            if frames < _FRAMES_AT_ONCE:
                break
        self._rest = self._rest[begin:]


@cache
def mel_filters() -> np.ndarray:
    """(20, 257) triangles of height 1, evenly spaced on the mel scale from 60 to 7600 Hz."""
    frequencies = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)
    mels = np.linspace(_mel_of_hz(_LOWEST_HZ), _mel_of_hz(_HIGHEST_HZ), NUM_MELS + 2)
    corners = np.array([_hz_of_mel(mel) for mel in mels])
    slopes = corners[:, None] - frequencies
    widths = np.diff(corners)
    rising, falling = -slopes[:-2] / widths[:-1, None], slopes[2:] / widths[1:, None]
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


# Slaney's scale: linear below 1 kHz (200/3 Hz a mel), then 27 mels for each factor of 6.4.
_LINEAR_HZ: Final = 200.0 / 3
_BREAK_HZ: Final = 1000.0
_LOG_STEP: Final = float(np.log(6.4) / 27)


def _mel_of_hz(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_HZ
    return _BREAK_HZ / _LINEAR_HZ + float(np.log(hz / _BREAK_HZ)) / _LOG_STEP


def _hz_of_mel(mel: float) -> float:
    if mel < _BREAK_HZ / _LINEAR_HZ:
        return mel * _LINEAR_HZ
    return _BREAK_HZ * float(np.exp(_LOG_STEP * (mel - _BREAK_HZ / _LINEAR_HZ)))


@cache
def _hann() -> np.ndarray:
    """A periodic Hann window of the transform's length."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)).astype(np.float32)


def _decibels(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, _AMIN))


def speech_level(loudness_db: np.ndarray) -> float:
    """Level of the voiced parts: the 80th percentile of what lies within 35 dB of the loudest frames.

    Never below -58 dBFS, so that the noise of an empty recording is not taken for speech.
    """
    loud = np.percentile(loudness_db, 99)
    active = loudness_db[loudness_db >= loud - 35]
    return float(max(np.percentile(active, 80), _FLOOR_DBFS))


def _box(curve: np.ndarray, width: int) -> np.ndarray:
    """Centred moving average (T,) with edge values repeated."""
    padded = np.pad(curve, (width // 2, width - 1 - width // 2), mode="edge")
    total = np.cumsum(np.pad(padded, (1, 0)), dtype=np.float64)
    return (total[width:] - total[:-width]) / width
