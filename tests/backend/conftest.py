# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's tests run without Blender: importing bpy here is an error, as it is for a headless researcher."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import settings

# Time limits say more about the machine than about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

sys.modules["bpy"] = None  # type: ignore[assignment]

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
sys.path.insert(0, str(ROOT / "backend"))


@pytest.fixture(scope="session")
def parity_folder() -> Path:
    """Vectors of the official algorithm; another set can be named by DIFFGESTURE_PARITY."""
    folder = Path(os.environ.get("DIFFGESTURE_PARITY", SHARED / "parity"))
    if not folder.is_dir():
        pytest.skip(f"the parity vectors are not at {folder.name}")
    return folder


_errors: dict[str, float] = {}


def note_error(name: str, error: float) -> None:
    """Keep an error against the official vectors for the summary at the end of the run."""
    _errors[name] = max(error, _errors.get(name, 0.0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _errors:
        terminalreporter.section("largest errors against the official vectors")
        for name, error in _errors.items():
            terminalreporter.write_line(f"{error:8.1e}  {name}")


def babble(
    seconds: float, seed: int = 0, rate: int = 16_000, pause: tuple[float, float] | None = None
) -> np.ndarray:
    """Speech-like sound: a buzzing voice in syllables of 0.2 s, silent during ``pause``."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * rate)) / rate
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.4 * times)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    syllables = np.interp(
        times, np.arange(0, seconds + 0.2, 0.1), rng.uniform(0, 1, len(np.arange(0, seconds + 0.2, 0.1)))
    )
    sound = 0.1 * voice * syllables**2 + 1e-4 * rng.normal(size=len(times))
    if pause:
        sound[(times >= pause[0]) & (times < pause[1])] = 0
    return sound.astype(np.float32)


@pytest.fixture
def speech_file(tmp_path: Path) -> Path:
    path = tmp_path / "speech.wav"
    soundfile.write(path, babble(7.3), 16_000)
    return path


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained network of our own kind, saved as the trainer saves it."""
    import torch
    from diffgesture.model.masked import MaskedPoseTransformer
    from diffgesture.model.saving import save_checkpoint
    from diffgesture.motion.skeletons import TED_EXPRESSIVE, neutral_directions
    from diffgesture.speech.features import FEATURE_DIM

    torch.manual_seed(0)
    hyper = {"hidden_dim": 24, "depth": 1, "num_heads": 2}
    network = MaskedPoseTransformer(pose_dim=TED_EXPRESSIVE.pose_dim, **hyper)
    torch.nn.init.normal_(network.out.weight, std=0.2)
    card = {
        "name": "tiny",
        "layout": "ted_expressive",
        "frame": "public",
        "fps": 15.0,
        "window": 30,
        "overlap": 6,
        "seed_frames": 4,
        "network": "masked_pose_transformer",
        "hyperparameters": hyper,
        "normalisation": {"mean": neutral_directions(TED_EXPRESSIVE).ravel().tolist(), "std": [0.2] * 126},
        "features": {"mean": [0.0] * FEATURE_DIM, "std": [1.0] * FEATURE_DIM, "silence": [-3.0] * FEATURE_DIM},
    }
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(path, network, card)
    return path
