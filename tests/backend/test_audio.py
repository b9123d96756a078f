# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech files of every kind, good and bad."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import babble
from diffgesture.errors import AudioError
from diffgesture.speech.audio import hear, is_silent, load_audio
from diffgesture.speech.features import FEATURE_DIM, SAMPLE_RATE, audio_features


@pytest.mark.parametrize(
    ("suffix", "rate", "channels"),
    [(".wav", 44_100, 2), (".flac", 48_000, 1), (".ogg", 22_050, 2), (".mp3", 44_100, 1), (".wav", 8_000, 1)],
)
def test_any_format_rate_and_channels_give_the_same_speech(tmp_path: Path, suffix: str, rate: int, channels: int):
    time = np.arange(2 * rate) / rate
    tone = 0.3 * np.sin(2 * np.pi * 440 * time)
    path = tmp_path / f"ton süß{suffix}"
    soundfile.write(path, np.repeat(tone[:, None], channels, axis=1), rate)
    audio = load_audio(path)
    assert audio.dtype == np.float32
    assert abs(len(audio) - 2 * SAMPLE_RATE) <= SAMPLE_RATE * 0.06
    spectrum = np.abs(np.fft.rfft(audio[:SAMPLE_RATE]))
    assert spectrum.argmax() == pytest.approx(440, abs=2)
    assert np.abs(audio[4000:12000]).max() == pytest.approx(0.3, abs=0.03)


def test_start_and_end_cut_the_speech(tmp_path: Path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.linspace(0, 0.5, 32_000), 16_000)
    part = load_audio(path, 0.5, 1.25)
    assert len(part) == 12_000
    assert part[0] == pytest.approx(0.125, abs=1e-3)


def write_bad(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.wav"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("this is not sound " * 50)
    elif kind == "short":
        soundfile.write(path, np.zeros(16_000 // 10), 16_000)
    elif kind == "no samples":
        soundfile.write(path, np.zeros(0), 16_000)
    elif kind == "nan":
        soundfile.write(path, np.full(16_000, np.nan, dtype=np.float32), 16_000, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "no audio file"),
        ("empty", "is empty"),
        ("text", "not an audio file"),
        ("short", "0.10 s long"),
        ("no samples", "no samples"),
        ("nan", "NaN or infinity"),
    ],
)
def test_bad_audio_is_named_in_a_sentence(tmp_path: Path, kind: str, words: str):
    with pytest.raises(AudioError, match=words):
        load_audio(write_bad(tmp_path, kind))


def test_video_without_sound_is_refused(tmp_path: Path):
    av = pytest.importorskip("av")
    path = tmp_path / "mute.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), dtype=np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(AudioError, match="no sound"):
        load_audio(path)


def test_silence_is_recognised():
    assert is_silent(np.zeros(16_000, dtype=np.float32))
    assert is_silent(1e-4 * np.random.default_rng(0).normal(size=16_000).astype(np.float32))
    assert not is_silent(babble(1.0))


def test_features_do_not_depend_on_the_recording_level():
    speech = babble(4.0)
    loud, quiet = audio_features(speech, 60, 15.0), audio_features(speech * 0.05, 60, 15.0)
    assert loud.shape == (60, FEATURE_DIM)
    assert np.abs(loud - quiet).mean() < 0.02


def test_features_tell_speech_from_pause_at_the_right_frames():
    features = audio_features(babble(6.0, pause=(2.0, 4.0)), 90, 15.0)
    loudness = features[:, 20:24].mean(axis=1)
    assert loudness[33:57].max() < -2.5
    assert loudness[:28].mean() > -1.5
    assert loudness[63:].mean() > -1.5


def test_features_of_a_click_stand_at_its_time():
    audio = np.zeros(16_000 * 4, dtype=np.float32)
    audio[round(2.5 * 16_000) :][:400] = 0.5
    onset = audio_features(audio, 60, 15.0)[:, 24:].ravel()
    assert abs(onset.argmax() / 60 - 2.5) < 0.03


@pytest.mark.parametrize("ending", [b".wav", b".flac", b".ogg"])
def test_names_that_are_not_utf_8(ending: bytes, tmp_path: Path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff" + ending))
    kind = {b".wav": "WAV", b".flac": "FLAC", b".ogg": "OGG"}[ending]
    with path.open("wb") as file:
        soundfile.write(file, np.zeros(16_000), 16_000, format=kind)
    assert len(load_audio(path)) == 16_000


def speechlike(seconds: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.standard_normal(round(16_000 * seconds)) * 0.1).astype(np.float32)


def test_a_wav_that_is_cut_off_is_used_and_said(tmp_path: Path):
    path = tmp_path / "a.wav"
    soundfile.write(path, speechlike(3.0), 16_000)
    path.write_bytes(path.read_bytes()[:-32_000])
    heard = hear(path)
    assert len(heard) == 32_000
    assert heard.notes == ["a.wav ends after 2.00 s, but its header promises 3.00 s."]
    assert hear(path, 0.0, 1.5).notes == []


@pytest.mark.parametrize("ending", ["flac", "aac", "m4a", "mp3"])
def test_a_cut_recording_is_used_as_far_as_it_reaches(ending: str, tmp_path: Path):
    path = tmp_path / f"a.{ending}"
    if ending in ("aac", "m4a"):
        av = pytest.importorskip("av")
        with av.open(str(path), "w", format="adts" if ending == "aac" else "mp4") as container:
            stream = container.add_stream("aac", rate=16_000)
            samples = speechlike(5.0)
            for start in range(0, len(samples), 1024):
                frame = av.AudioFrame.from_ndarray(
                    samples[None, start : start + 1024], format="fltp", layout="mono"
                )
                frame.sample_rate, frame.pts = 16_000, start
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    else:
        soundfile.write(path, speechlike(12.0), 16_000)
    whole = len(hear(path))
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 3])
    if ending == "m4a":  # its table of contents stands at the end
        with pytest.raises(AudioError):
            hear(path)
        return
    assert 0.3 * whole < len(hear(path)) < whole


def test_another_checksum_than_the_header_has_is_said(tmp_path: Path):
    path = tmp_path / "a.flac"
    soundfile.write(path, speechlike(1.0), 16_000)
    assert hear(path).notes == []
    content = bytearray(path.read_bytes())
    content[30] ^= 1
    path.write_bytes(content)
    assert "checksum" in hear(path).notes[0]
    assert hear(path, 0.1, 0.5).notes == []


def test_a_playlist_does_not_open_other_files(tmp_path: Path):
    soundfile.write(tmp_path / "secret.wav", speechlike(1.0), 16_000)
    for name, text in {
        "a.mp3": "#EXTM3U\nsecret.wav\n",
        "b.aac": "ffconcat version 1.0\nfile secret.wav\n",
        "c.mp4": " \n#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n",
        "d.aac": "v=0\nm=audio 5 RTP/AVP 0\n",
    }.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(AudioError):
            hear(tmp_path / name)
