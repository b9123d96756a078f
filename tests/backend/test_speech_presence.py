# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech is told from music, laughter, breath and noise, which nobody gestures to."""

import numpy as np
import pytest
import torch
from conftest import ROOT, babble
from diffgesture.composing import sounds
from diffgesture.composing.presence_data import labelled_sound
from diffgesture.composing.recordings import Recording
from diffgesture.generation.synthesis import Settings, generate
from diffgesture.model.checkpoint import load_checkpoint
from diffgesture.model.speech_presence import BUNDLED, hush_other_sound, speech_presence
from diffgesture.model.weights import read_weights
from diffgesture.speech.audio import load_audio
from diffgesture.speech.features import SILENCE, audio_features
from diffgesture.speech.prosody import analyse
from diffgesture.training.presence import PresenceNet, train_presence


def features_of(audio: np.ndarray) -> np.ndarray:
    return audio_features(audio.astype(np.float32), int(len(audio) / 16_000 * 15), 15.0)


@pytest.mark.parametrize("kind", ["music", "laughter", "breath", "pink", "white", "hum", "room", "clicks"])
def test_other_sound_counts_as_silence(kind: str) -> None:
    sound = 0.05 * sounds.SOUNDS[kind](16_000 * 10, np.random.default_rng(4))
    hushed = hush_other_sound(features_of(sound), 15.0)
    assert (hushed[:, 0] == SILENCE).mean() > 0.9


@pytest.mark.parametrize("disturbance", ["none", "quiet", "telephone", "whisper", "pink"])
def test_speech_is_heard_however_it_was_recorded(disturbance: str) -> None:
    speech = load_audio(ROOT / "demo" / "speech.flac")
    rng = np.random.default_rng(5)
    heard = {
        "none": lambda: speech,
        "quiet": lambda: 0.01 * speech,
        "telephone": lambda: sounds.telephone(speech),
        "whisper": lambda: sounds.whisper(speech, rng),
        "pink": lambda: speech + 0.005 * sounds.pink(len(speech), rng),
    }[disturbance]()
    features = features_of(heard)
    hushed = hush_other_sound(features, 15.0)
    times = (np.arange(len(features)) + 0.5) / 15.0
    spoken = np.any([(times > start) & (times < end) for start, end in analyse(speech).phrases], axis=0)
    assert np.array_equal(hushed[spoken], features[spoken])


def test_frame_rates_that_it_does_not_know_are_left_alone() -> None:
    features = features_of(0.05 * sounds.music(32_000, np.random.default_rng(0)))
    assert hush_other_sound(features, 30.0) is features
    assert len(hush_other_sound(features[:0], 15.0)) == 0


def test_numpy_computes_what_was_trained() -> None:
    """The same frames through torch and through NumPy; a few steps of training lower the loss."""
    recordings = [Recording(f"r{k}", "someone", babble(6.0, k), "made here") for k in range(3)]
    data = list(labelled_sound(recordings, 6, seed=2))
    assert all(len(features) == len(label) for features, label in data)
    assert 0.0 < np.concatenate([label for _, label in data]).mean() < 1.0
    weights = {name: tensor.float().numpy() for name, tensor in train_presence(data, 4, seed=0).items()}
    network = PresenceNet()
    network.load_state_dict({n: torch.from_numpy(w) for n, w in weights.items() if n not in ("mean", "std")})
    features = data[0][0]
    standard = torch.from_numpy(((features - weights["mean"]) / weights["std"]).astype(np.float32).T[None])
    expected = torch.sigmoid(network(standard))[0].detach().numpy()
    assert np.abs(speech_presence(features, weights) - expected).max() < 1e-5
    assert read_weights(BUNDLED).keys() == weights.keys()


def test_a_character_rests_in_music_and_it_is_said() -> None:
    music = 0.1 * sounds.music(16_000 * 8, np.random.default_rng(7)).astype(np.float32)
    result = generate(music, load_checkpoint(engine="numpy"), Settings(seed=1))
    assert any("No speech was heard" in warning for warning in result.warnings)
    moved = np.linalg.norm(np.diff(result.motion.directions, axis=0), axis=-1).mean()
    spoken = generate(babble(8.0), load_checkpoint(engine="numpy"), Settings(seed=1))
    assert not spoken.warnings
    assert moved < 0.3 * np.linalg.norm(np.diff(spoken.motion.directions, axis=0), axis=-1).mean()
