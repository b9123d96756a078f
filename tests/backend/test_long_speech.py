# SPDX-License-Identifier: GPL-3.0-or-later
"""Long recordings: read in blocks, heard once, denoised in parts, with the same result as all at once."""

import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import ROOT, babble
from diffgesture.generation.engine import Generator, Request
from diffgesture.generation.synthesis import Settings
from diffgesture.sampling import denoiser
from diffgesture.sampling.noise import GaussianNoise
from diffgesture.speech import audio as speech_audio
from diffgesture.speech.audio import hear, load_audio
from diffgesture.speech.features import audio_features, mel_power


def write_wav(path: Path, samples: np.ndarray, rate: int = 16_000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 20_000).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_what_is_heard_is_what_the_samples_say(rate: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    path = write_wav(tmp_path / "a.wav", rng.uniform(-1, 1, round(47.3 * rate)), rate)
    samples, heard = load_audio(path), hear(path)
    assert len(heard) == len(samples)
    assert (heard.mel == mel_power(samples)).all()
    assert (audio_features(heard, 700, 15.0) == audio_features(samples, 700, 15.0)).all()
    assert (heard[: 5 * 16_000] == samples[: 5 * 16_000]).all()
    monkeypatch.setattr(speech_audio, "_KEPT_SECONDS", 1.0)  # too long to be kept: read again
    assert (hear(path).samples == samples).all()


def test_parts_of_a_long_clip_fit_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, babble(40.0), 16_000)
    request = Request(path, Settings(seed=1), engine="numpy")
    generator = Generator()
    whole = generator.run(request, lambda *_: None).motions[0].directions
    monkeypatch.setattr(denoiser, "CHUNK", 150)
    parts = generator.run(request, lambda *_: None).motions[0].directions
    assert np.abs(whole - parts).max() < 1e-5


def test_noise_does_not_depend_on_how_much_is_drawn_together(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = GaussianNoise(3).own(0, (1001, 7))
    monkeypatch.setattr("diffgesture.sampling.noise._AT_ONCE", 64)
    assert (GaussianNoise(3).own(0, (1001, 7)) == whole).all()


def test_a_cancel_is_heard_while_speech_is_read(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.zeros(16_000 * 100))
    seen: list[float] = []

    def stop(seconds: float) -> None:
        seen.append(seconds)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hear(path, on_block=stop)
    assert seen
    assert seen[0] < 100


@pytest.mark.slow
def test_memory_of_a_long_recording_stays_flat(tmp_path: Path) -> None:
    """Four minutes of 8 channels at 96 kHz, 740 MB as float32, in less than 150 MB."""
    path = tmp_path / "a.wav"
    rate, channels, seconds = 96_000, 8, 240
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        block = (np.random.default_rng(0).uniform(-1, 1, rate * channels) * 9000).astype("<i2").tobytes()
        for _ in range(seconds):
            file.writeframes(block)
    code = (
        f"import sys, resource; sys.path.insert(0, {str(ROOT / 'backend')!r})\n"
        "from diffgesture.speech.audio import hear\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"hear({str(path)!r})\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150
