# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound without libraries: features against librosa, resampling against mathematics, WAV against soundfile."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from conftest import babble
from diffgesture.speech.audio import load_audio
from diffgesture.speech.features import NUM_MELS, audio_features, hush_steady_sound, mel_filters, mel_power
from diffgesture.speech.resample import resample
from diffgesture.speech.wav import read_wav


def test_mel_bands_are_librosas() -> None:
    speech = babble(3.0).astype(np.float64)
    settings = {"sr": 16_000, "n_fft": 512, "n_mels": NUM_MELS, "fmin": 60, "fmax": 7600, "norm": None}
    np.testing.assert_allclose(mel_filters(), librosa.filters.mel(**settings), atol=1e-6)
    mel = librosa.feature.melspectrogram(y=speech, hop_length=160, **settings)
    energy = np.square(librosa.filters.get_window("hann", 512)).sum()
    expected = 2 * mel / (512 * energy)
    assert np.abs(mel_power(speech) - expected).max() < 1e-5 * expected.max()


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_001, 22_050, 44_100, 48_000, 96_000])
def test_resampling_keeps_tones_and_removes_what_cannot_be_shown(rate: int) -> None:
    count = rate * 45 + 7
    times = np.arange(count) / rate
    kept = sum(np.sin(2 * np.pi * f * times + f) for f in (100.3, 1234.5, 3300.1)) * 0.2
    above = 0.5 * np.sin(2 * np.pi * 9500 * times) if rate > 19_500 else 0.0
    result = resample((kept + above).astype(np.float32), rate, 16_000)
    assert len(result) == round(count * 16_000 / rate)
    at = np.arange(len(result)) / 16_000
    expected = sum(np.sin(2 * np.pi * f * at + f) for f in (100.3, 1234.5, 3300.1)) * 0.2
    inside = slice(4000, -4000)
    assert np.abs(result - expected)[inside].max() < 1e-5


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_wav_is_read_as_soundfile_reads_it(tmp_path: Path, subtype: str, channels: int) -> None:
    path = tmp_path / "speech.wav"
    samples = np.stack([babble(1.0, seed) for seed in range(channels)], axis=1)
    soundfile.write(path, samples, 16_000, subtype=subtype)
    expected, _ = soundfile.read(path, always_2d=True)
    ours, rate, seconds = read_wav(path)
    assert (rate, seconds) == (16_000, 1.0)
    np.testing.assert_allclose(ours, expected.mean(axis=1), atol=1e-6)
    part, _, _ = read_wav(path, 0.25, 0.5)
    np.testing.assert_allclose(part, expected.mean(axis=1)[4000:8000], atol=1e-6)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 10_000_000])
def test_a_false_length_in_the_header_is_not_believed(tmp_path: Path, size: int) -> None:
    path = tmp_path / "streamed.wav"
    soundfile.write(path, babble(1.0), 16_000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = size.to_bytes(4, "little")
    path.write_bytes(content)
    assert len(load_audio(path)) == 16_000


def test_steady_sound_is_heard_as_silence_and_speech_is_not() -> None:
    rng = np.random.default_rng(0)
    noise = 0.02 * rng.standard_normal(16_000 * 4).astype(np.float32)
    silence = hush_steady_sound(audio_features(np.zeros_like(noise), 60, 15.0), 15.0)
    assert np.array_equal(hush_steady_sound(audio_features(noise, 60, 15.0), 15.0), silence)
    speech = audio_features(babble(4.0), 60, 15.0)
    assert np.array_equal(hush_steady_sound(speech, 15.0), speech)
    both = audio_features(np.concatenate([babble(4.0), noise]), 120, 15.0)
    hushed = hush_steady_sound(both, 15.0)
    assert np.array_equal(hushed[:50], both[:50])
    assert np.array_equal(hushed[70:], silence[:50])
