# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound for tests."""

import wave
from pathlib import Path

import numpy as np


def write_wav(path: Path, samples: np.ndarray, rate: int = 16_000) -> Path:
    """Mono float samples in -1..1 as 16-bit WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def babble(seconds: float, rate: int = 16_000) -> np.ndarray:
    """A buzz in syllables: enough like speech for the worker to accept it."""
    times = np.arange(round(seconds * rate)) / rate
    envelope = np.maximum(0.0, np.sin(2 * np.pi * 2.5 * times)) ** 2
    voice = sum(np.sin(2 * np.pi * 120 * k * times) / k for k in range(1, 12))
    return 0.1 * voice * envelope
