# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech features at the motion's frame rate, over the whole clip at once.

The official encoder sees each window's raw samples alone: zeros stand at its edges and its 1080-sample stride
drifts against the 15 fps motion. Here every frame's features are taken at the frame's own time from the whole
clip, so windows have real context on both sides and nothing drifts. Levels are relative to the clip's own
speech level: a quiet recording and a loud one look the same.
"""

from typing import Final

import librosa
import numpy as np

from .audio import SAMPLE_RATE

NUM_MELS: Final = 20
SUBFRAMES: Final = 4
FEATURE_DIM: Final = NUM_MELS + 2 * SUBFRAMES
# Columns: mel bands, then loudness, then onset strength; the first two are levels.
LOUDNESS: Final = slice(NUM_MELS, NUM_MELS + SUBFRAMES)
LEVELS: Final = slice(0, NUM_MELS + SUBFRAMES)
_HOP: Final = 160
_FFT: Final = 512
_FLOOR_DBFS: Final = -58.0
_RANGE_DB: Final = 60.0


def audio_features(audio: np.ndarray, num_frames: int, fps: float) -> np.ndarray:
    """(samples,) at 16 kHz to (num_frames, 28) float32.

    Per motion frame: 20 log-mel bands averaged over the frame, and four sub-frames each of loudness and of
    onset strength (positive log-mel flux). All in units of 20 dB; 0 is the clip's speech level and -3 the floor.
    """
    mel = librosa.feature.melspectrogram(
        y=audio, sr=SAMPLE_RATE, n_fft=_FFT, hop_length=_HOP, n_mels=NUM_MELS, fmin=60, fmax=7600, norm=None
    )
    # A full-scale sine has mean power 0.5; the window's energy turns the spectrum into mean power.
    window_energy = np.square(librosa.filters.get_window("hann", _FFT)).sum()
    power = 2 * mel / (_FFT * window_energy)
    loudness = librosa.power_to_db(power.sum(axis=0), ref=1.0, amin=1e-12, top_db=None)
    level = speech_level(loudness)
    bands = librosa.power_to_db(power * NUM_MELS, ref=1.0, amin=1e-12, top_db=None)
    bands = np.clip(bands - level, -_RANGE_DB, 20) / 20
    loudness = np.clip(loudness - level, -_RANGE_DB, 20) / 20
    onset = np.maximum(np.diff(bands, axis=1, prepend=bands[:, :1]), 0).mean(axis=0) * 4
    times = np.arange(bands.shape[1]) * _HOP / SAMPLE_RATE
    centres = (np.arange(num_frames) + 0.5) / fps
    sub_times = (np.arange(num_frames * SUBFRAMES) + 0.5) / (fps * SUBFRAMES)
    smooth_bands = _box(bands, round(SAMPLE_RATE / _HOP / fps))
    smooth_curves = _box(np.stack([loudness, onset]), 2)
    columns = [np.interp(centres, times, band, right=-_RANGE_DB / 20) for band in smooth_bands]
    curves = [
        np.interp(sub_times, times, curve, right=right).reshape(num_frames, SUBFRAMES)
        for curve, right in zip(smooth_curves, (-_RANGE_DB / 20, 0.0), strict=True)
    ]
    return np.concatenate([np.stack(columns, axis=1), *curves], axis=1).astype(np.float32)


def speech_level(loudness_db: np.ndarray) -> float:
    """Level of the voiced parts: the 80th percentile of what lies within 35 dB of the loudest frames.

    Never below -58 dBFS, so that the noise of an empty recording is not taken for speech.
    """
    loud = np.percentile(loudness_db, 99)
    active = loudness_db[loudness_db >= loud - 35]
    return float(max(np.percentile(active, 80), _FLOOR_DBFS))


def _box(curves: np.ndarray, width: int) -> np.ndarray:
    """Centred moving average along the last axis with edge values repeated."""
    padded = np.pad(curves, ((0, 0), (width // 2, width - 1 - width // 2)), mode="edge")
    total = np.cumsum(np.pad(padded, ((0, 0), (1, 0))), axis=-1)
    return (total[:, width:] - total[:, :-width]) / width
