# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound that is not speech, made by rule: room tone, noise, hum, music, breath and laughter; and ways to record.

All sounds are (N,) float at 16 kHz with a root mean square of about 1.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy.signal import butter, lfilter, sosfilt, stft
from scipy.signal import istft as inverse_stft

from ..speech.audio import SAMPLE_RATE

FloatArray = np.ndarray


def _scaled(sound: FloatArray) -> FloatArray:
    return sound / max(float(np.sqrt(np.mean(sound**2))), 1e-9)


def _band(sound: FloatArray, low: float, high: float) -> FloatArray:
    return sosfilt(butter(2, (low, high), "bandpass", fs=SAMPLE_RATE, output="sos"), sound)


def white(samples: int, rng: np.random.Generator) -> FloatArray:
    return rng.standard_normal(samples)


def pink(samples: int, rng: np.random.Generator) -> FloatArray:
    """Power falls with frequency (Kellet's three poles)."""
    top, bottom = [0.049922, -0.095993, 0.050612, -0.004408], [1.0, -2.494956, 2.017265, -0.522189]
    return _scaled(lfilter(top, bottom, rng.standard_normal(samples + 4000))[4000:])


def room(samples: int, rng: np.random.Generator) -> FloatArray:
    """Air and traffic: low noise whose level wanders."""
    low = rng.uniform(30.0, 120.0)
    sound = _band(rng.standard_normal(samples), low, low * rng.uniform(4.0, 20.0))
    slow = np.interp(np.arange(samples), *_curve(samples, 1.5, rng))
    return _scaled(sound * 10.0 ** (0.15 * slow) + 0.05 * rng.standard_normal(samples))


def hum(samples: int, rng: np.random.Generator) -> FloatArray:
    """Mains hum: 50 or 60 Hz with overtones."""
    base, times = rng.choice([50.0, 60.0]), np.arange(samples) / SAMPLE_RATE
    tones = [
        rng.uniform(0.2, 1.0) / k * np.sin(2.0 * np.pi * k * base * times + rng.uniform(0, 6)) for k in range(1, 8)
    ]
    return _scaled(np.sum(tones, axis=0))


def music(samples: int, rng: np.random.Generator) -> FloatArray:
    """Chords with a melody and drums on a steady beat."""
    beat = 60.0 / rng.uniform(70.0, 140.0)
    total = np.zeros(samples)
    root, scale = rng.uniform(110.0, 220.0), np.array([0, 2, 3, 5, 7, 8, 10]) if rng.random() < 0.5 else np.array(
        [0, 2, 4, 5, 7, 9, 11]
    )  # fmt: skip
    drums, lead = rng.uniform(0.0, 1.0), rng.uniform(0.3, 1.0)
    degree = 0
    for k in range(int(samples / SAMPLE_RATE / beat) + 1):
        start = k * beat
        if k % 4 == 0:
            degree = int(rng.integers(7))
            for step in (0, 2, 4):
                _note(total, start, 4 * beat, root * _pitch(scale, degree + step), 0.5, rng)
        for half in (0.0, 0.5):
            if rng.random() < 0.6:
                note = root * 2 * _pitch(scale, degree + int(rng.integers(0, 8)))
                _note(total, start + half * beat, rng.uniform(0.3, 1.0) * beat, note, lead, rng)
        _drum(total, start, drums, 0.09, 60.0, rng)
        _drum(total, start + 0.5 * beat, 0.5 * drums, 0.05, 3000.0, rng)
    return _scaled(total + 1e-6 * rng.standard_normal(samples))


def _pitch(scale: FloatArray, degree: int) -> float:
    return float(2.0 ** ((scale[degree % 7] + 12 * (degree // 7)) / 12.0))


def _note(
    total: FloatArray, start: float, seconds: float, pitch: float, size: float, rng: np.random.Generator
) -> None:
    first = round(start * SAMPLE_RATE)
    times = np.arange(min(round(seconds * SAMPLE_RATE), len(total) - first)) / SAMPLE_RATE
    if first >= len(total) or len(times) < 2:
        return
    tone = sum(np.sin(2.0 * np.pi * k * pitch * times) / k ** rng.uniform(1.0, 2.0) for k in range(1, 7))
    total[first : first + len(times)] += (
        size * tone * np.minimum(times / 0.01, 1.0) * np.exp(-times * 2.0 / seconds)
    )


def _drum(
    total: FloatArray, start: float, size: float, decay: float, low: float, rng: np.random.Generator
) -> None:
    first = round(start * SAMPLE_RATE)
    length = min(round(4 * decay * SAMPLE_RATE), len(total) - first)
    if first >= len(total) or length < 64 or size <= 0.0:
        return
    hit = _band(rng.standard_normal(length), low, min(2.5 * low, 7500.0))
    total[first : first + length] += 2.0 * size * _scaled(hit) * np.exp(-np.arange(length) / SAMPLE_RATE / decay)


def breath(samples: int, rng: np.random.Generator) -> FloatArray:
    """Audible breathing: hissing in and out every two to four seconds."""
    total = 1e-3 * rng.standard_normal(samples)
    position = rng.uniform(0.0, 1.5)
    while position * SAMPLE_RATE < samples:
        length = round(rng.uniform(0.35, 1.1) * SAMPLE_RATE)
        first = round(position * SAMPLE_RATE)
        hiss = _band(rng.standard_normal(length), rng.uniform(300, 900), rng.uniform(2500, 6500))
        hiss = _scaled(hiss) * np.sin(np.pi * np.linspace(0.0, 1.0, length)) ** rng.uniform(0.8, 2.0)
        total[first : first + length] += hiss[: max(0, samples - first)] * rng.uniform(0.5, 1.0)
        position += rng.uniform(1.2, 3.5)
    return _scaled(total)


def laughter(samples: int, rng: np.random.Generator) -> FloatArray:
    """Bouts of voiced bursts, four to six a second, falling in pitch."""
    total = 1e-3 * rng.standard_normal(samples)
    position = rng.uniform(0.0, 1.0)
    while position * SAMPLE_RATE < samples:
        pitch, rate = rng.uniform(150.0, 380.0), rng.uniform(4.0, 6.0)
        for k in range(int(rng.integers(3, 9))):
            first, length = round((position + k / rate) * SAMPLE_RATE), round(0.6 / rate * SAMPLE_RATE)
            times = np.arange(length) / SAMPLE_RATE
            fall = pitch * 0.95**k
            burst = sum(np.sin(2 * np.pi * n * fall * times) / n for n in range(1, 12)) + rng.normal(
                0, 0.6, length
            )
            burst = _band(burst, 300, 3500) * np.sin(np.pi * np.linspace(0.0, 1.0, length)) * 0.9**k
            room_left = max(0, samples - first)
            total[first : first + length] += burst[:room_left]
        position += rng.uniform(2.0, 5.0)
    return _scaled(total)


def clicks(samples: int, rng: np.random.Generator) -> FloatArray:
    """Knocks, keys and steps: short hits at irregular times."""
    total = 1e-3 * rng.standard_normal(samples)
    position = rng.uniform(0.0, 1.0)
    while position * SAMPLE_RATE < samples:
        _drum(total, position, rng.uniform(0.3, 1.0), rng.uniform(0.005, 0.06), rng.uniform(80.0, 2500.0), rng)
        position += rng.exponential(0.6) + 0.06
    return _scaled(total)


def _curve(samples: int, period: float, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    points = max(2, int(samples / SAMPLE_RATE / period) + 2)
    return np.linspace(0.0, samples, points), rng.standard_normal(points)


SOUNDS: Final[dict[str, Callable[[int, np.random.Generator], FloatArray]]] = {
    "white": white,
    "pink": pink,
    "room": room,
    "hum": hum,
    "music": music,
    "breath": breath,
    "laughter": laughter,
    "clicks": clicks,
}
# What is most like speech is drawn more often.
_MORE_OFTEN: Final = ("music", "music", "music", "laughter", "laughter")


def draw_sound(samples: int, rng: np.random.Generator) -> FloatArray:
    """One of the sounds at random, sometimes two."""
    names = [*SOUNDS, *_MORE_OFTEN]
    first = SOUNDS[names[int(rng.integers(len(names)))]](samples, rng)
    if rng.random() < 0.3:
        second = SOUNDS[names[int(rng.integers(len(names)))]](samples, rng)
        return _scaled(first + rng.uniform(0.1, 1.0) * second)
    return first


# -- Recording -------------------------------------------------------------------------------------------------


def telephone(audio: FloatArray) -> FloatArray:
    """What a telephone line lets through."""
    return _band(audio, 320.0, 3300.0)


def whisper(audio: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Voice without voice: the spectrum's envelope filled with noise, low frequencies weakened."""
    _, _, spectrum = stft(audio, SAMPLE_RATE, nperseg=400, noverlap=300)
    envelope = np.abs(spectrum)
    kernel = np.ones(9) / 9.0
    envelope = np.apply_along_axis(lambda column: np.convolve(column, kernel, mode="same"), 0, envelope)
    tilt = np.minimum(np.linspace(0.0, 8.0, len(envelope)), 1.0)[:, None]
    noise = rng.standard_normal(envelope.shape) + 1j * rng.standard_normal(envelope.shape)
    _, sound = inverse_stft(envelope * tilt * noise, SAMPLE_RATE, nperseg=400, noverlap=300)
    return np.pad(sound, (0, max(0, len(audio) - len(sound))))[: len(audio)]
