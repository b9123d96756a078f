# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine numpy gives what torch gives: network, noise, directions, with constraints and every control."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import babble
from diffgesture.controls import controls
from diffgesture.errors import ConfigError
from diffgesture.generation.engine import choose_engine
from diffgesture.generation.synthesis import Settings, generate
from diffgesture.model.arithmetic import product
from diffgesture.model.checkpoint import DEFAULT_CHECKPOINT, load_checkpoint
from diffgesture.model.numpy_network import NumpyPoseNetwork, gelu
from diffgesture.motion.constraints import Constraints
from diffgesture.sampling.noise import GaussianNoise

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def engines():
    if not DEFAULT_CHECKPOINT.is_file():
        pytest.skip("there is no trained checkpoint")
    return load_checkpoint(engine="numpy"), load_checkpoint(engine="torch")


def apart(engines, audio: np.ndarray, **settings) -> float:
    first, second = (generate(audio, engine, Settings(**settings)).motion.directions for engine in engines)
    return float(np.abs(first - second).max())


@pytest.mark.parametrize("seconds", [0.2, 1.9, 2.0, 2.07, 3.9, 4.0, 8.1, 21.3])
def test_directions_are_equal_for_any_length(engines, seconds: float) -> None:
    assert apart(engines, babble(seconds, seed=int(seconds * 10)), seed=3) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("clip", range(20))
def test_directions_are_equal_for_random_clips_and_controls(engines, clip: int) -> None:
    """From one frame to a minute, every number of the table drawn from its usual range."""
    rng = np.random.default_rng(clip)
    seconds = float(np.exp(rng.uniform(np.log(1 / 15), np.log(60.0))))
    drawn = {
        name: float(rng.uniform(control.min, control.soft_max or control.max))
        for name, control in controls().items()
        if control.used_by == "shaping" and control.type == "float"
    }
    assert apart(engines, babble(seconds, seed=clip), seed=clip, **drawn) < TOLERANCE, (seconds, drawn)


@pytest.mark.slow
def test_directions_are_equal_for_twenty_minutes(engines) -> None:
    assert apart(engines, np.tile(babble(60.0, seed=9), 20), seed=1, guidance=1.0, steps=4) < TOLERANCE


@pytest.mark.parametrize("guidance", [0.0, 1.0, 2.5])
def test_directions_are_equal_with_guidance(engines, guidance: float) -> None:
    assert apart(engines, babble(5.0), guidance=guidance, steps=6) < TOLERANCE


def test_directions_are_equal_with_constraints(engines) -> None:
    speech = babble(6.0)
    motion = generate(speech, engines[0], Settings(seed=1)).motion
    mask = np.ones(motion.directions.shape[:2], dtype=bool)
    mask[30:60] = False
    kept = Constraints(np.where(mask[..., None], motion.directions, 0), mask, motion.fps, motion.layout)
    first, second = (generate(speech, e, Settings(kept, seed=2)).motion.directions for e in engines)
    assert np.abs(first - second).max() < TOLERANCE
    assert np.abs(first - motion.directions)[mask].max() < 1e-6
    assert np.abs(first - motion.directions)[~mask].max() > 0.05


def test_directions_are_equal_with_cues(engines) -> None:
    cues = [("you", 1.4), ("negation", 3.1), ("count_3", 5.0), ("nod", 6.2)]
    assert apart(engines, babble(8.0), cues=cues, seed=2) < TOLERANCE


@pytest.mark.slow
def test_directions_are_equal_with_every_control(engines) -> None:
    speech = babble(4.0)
    for name, control in controls().items():
        if control.used_by != "shaping":
            continue
        value = 0.4 * (control.soft_max or control.max)
        assert apart(engines, speech, **{name: value}) < TOLERANCE, name


def test_a_network_with_windows_is_equal(tiny_checkpoint: Path) -> None:
    pair = load_checkpoint(tiny_checkpoint, engine="numpy"), load_checkpoint(tiny_checkpoint, engine="torch")
    for preset, steps in (("default", 4), ("reference", 6)):
        assert apart(pair, babble(5.0), preset=preset, steps=steps, guidance=1.4) < TOLERANCE


def test_noise_is_torchs() -> None:
    for seed in (0, 7, 2**40 + 17, 2**62 + 5):
        generator, ours = torch.Generator().manual_seed(seed), GaussianNoise(seed)
        for shape in ((300, 126), (1, 34, 27), (1, 1, 27), (885,)):
            expected = torch.randn(shape, generator=generator).numpy()
            assert np.abs(ours.own(0, shape) - expected).max() < 2e-6


def test_gelu_is_the_exact_one() -> None:
    x = np.linspace(-9, 9, 4001, dtype=np.float32)
    expected = torch.nn.functional.gelu(torch.from_numpy(x)).numpy()
    gelu(x)
    assert np.abs(x - expected).max() < 1e-6


def test_products_are_right_with_and_without_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((3, 40, 70), dtype=np.float32), rng.random((3, 70, 90), dtype=np.float32)
    for blas in (True, False):
        monkeypatch.setattr("diffgesture.model.arithmetic.has_blas", lambda blas=blas: blas)
        np.testing.assert_allclose(product(a, b), a.astype(float) @ b, rtol=1e-5)


def test_ten_minutes_are_one_sequence_and_local(engines) -> None:
    """The network sees so far and no farther: a long clip begins as the same clip cut short does."""
    numpy_engine = engines[0]
    network = numpy_engine.network
    assert isinstance(network, NumpyPoseNetwork)
    rng = np.random.default_rng(1)
    frames, kept = 9000, 600
    x = rng.standard_normal((1, frames, network.pose_dim), dtype=np.float32)
    conditions = rng.standard_normal((1, frames, network.condition_dim), dtype=np.float32)
    nothing = np.zeros((1, frames, network.pose_dim), np.float32), np.zeros((1, frames, 42), np.float32)
    whole = network.bind(conditions, *nothing)(x, 0.5)
    short = network.bind(conditions[:, :kept], *(value[:, :kept] for value in nothing))(x[:, :kept], 0.5)
    reach = network.depth * network.reach
    np.testing.assert_allclose(whole[:, : kept - reach], short[:, : kept - reach], atol=1e-4)


@pytest.mark.parametrize(
    ("wanted", "asked", "expected"),
    [
        ("numpy", {}, "numpy"),
        ("torch", {}, "torch"),
        ("auto", {"official": True}, "torch"),
        ("auto", {"device": "cuda"}, "torch"),
        ("auto", {"preset": "reference"}, "torch"),
    ],
)
def test_the_engine_follows_from_what_is_asked(wanted: str, asked: dict, expected: str) -> None:
    assert choose_engine(wanted, **{"preset": "default", "device": "auto", "official": False, **asked}) == expected


def test_without_torch_what_needs_it_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffgesture.generation.engine.torch_is_installed", lambda: False)
    plain = {"preset": "default", "device": "auto", "official": False}
    assert choose_engine("auto", **plain) == choose_engine("auto", **{**plain, "preset": "reference"}) == "numpy"
    with pytest.raises(ConfigError, match="needs PyTorch"):
        choose_engine("auto", **{**plain, "official": True})
    with pytest.raises(ConfigError, match="cannot use the device"):
        choose_engine("numpy", **{**plain, "device": "cuda"})
