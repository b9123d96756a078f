# SPDX-License-Identifier: GPL-3.0-or-later
"""How a performance is recorded: other sounds under the speech, breaths, a telephone, a whisper, a faint level."""

import numpy as np

from ..speech.audio import SAMPLE_RATE
from ..speech.prosody import Prosody
from .sounds import breath, draw_sound, telephone, whisper

FloatArray = np.ndarray


def disturb(audio: FloatArray, prosody: Prosody, rng: np.random.Generator) -> FloatArray:
    """Speech (N,) as a less careful recording would have it; the motion that goes with it stays the same."""
    if not prosody.phrases:
        return audio
    result = audio.astype(np.float64)
    kind = rng.random()
    if kind < 0.06:
        result = whisper(result, rng)
    elif kind < 0.12:
        result = telephone(result)
    level = _speech_rms(result, prosody)
    if rng.random() < 0.25:
        result = result + _breaths(prosody, len(audio), level, rng)
    if rng.random() < 0.6:
        ratio = rng.uniform(5.0, 40.0) if rng.random() < 0.6 else rng.uniform(5.0, 18.0)
        result = result + level * 10.0 ** (-ratio / 20.0) * draw_sound(len(audio), rng)
    if rng.random() < 0.15:
        result = result * 10.0 ** (rng.uniform(-32.0, -10.0) / 20.0)
    peak = float(np.abs(result).max())
    return (result * min(1.0, 0.98 / max(peak, 1e-9))).astype(np.float32)


def _speech_rms(audio: FloatArray, prosody: Prosody) -> float:
    pieces = [audio[round(a * SAMPLE_RATE) : round(b * SAMPLE_RATE)] for a, b in prosody.phrases]
    return float(np.sqrt(np.mean(np.concatenate(pieces) ** 2)) + 1e-6)


def _breaths(prosody: Prosody, samples: int, level: float, rng: np.random.Generator) -> FloatArray:
    """Breaths in just before phrases, 10 to 30 dB under the speech."""
    total = np.zeros(samples)
    sound = breath(samples, rng)
    size = level * 10.0 ** (-rng.uniform(10.0, 30.0) / 20.0)
    before = 0.0
    for start, end in prosody.phrases:
        if start - before > 0.5 and rng.random() < 0.6:
            length = rng.uniform(0.3, min(0.9, start - before - 0.1))
            first = round(max(0.0, start - length - 0.05) * SAMPLE_RATE)
            count = round(length * SAMPLE_RATE)
            # The loudest stretch of a breath that is as long.
            envelope = np.convolve(np.abs(sound), np.ones(800) / 800.0, mode="same")
            middle = int(np.argmax(envelope))
            source = sound[max(0, middle - count // 2) : middle - count // 2 + count]
            total[first : first + len(source)] += (
                size * source * np.sin(np.pi * np.linspace(0.0, 1.0, len(source)))
            )
        before = end
    return total
