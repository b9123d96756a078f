# SPDX-License-Identifier: GPL-3.0-or-later
"""train.py as a researcher runs it: the official recipe, alone, killed and resumed, and under torchrun."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, babble
from diffgesture.checkpoint import load_checkpoint
from diffgesture.data.dataset import DatasetWriter
from diffgesture.skeletons import TED, neutral_directions, normalize
from safetensors.torch import load_file

CONFIG = """
layout = "ted"
network = "official"
window = 34
overlap = 8
steps = {steps}
batch_size = 8
optimizer = "adam"
betas = [0.5, 0.999]
schedule = "constant"
gradient_clip = 10.0
ema_decay = 0.0
save_minutes = {save_minutes}
[model]
hidden_dim = 16
block_depth = 2
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    writer = DatasetWriter(folder, "ted", 15.0)
    rng = np.random.default_rng(0)
    for number in range(4):
        swing = np.cumsum(rng.normal(size=(90, 9, 3)), axis=0) * 0.03
        directions = normalize(neutral_directions(TED) + swing).astype(np.float32)
        split = "val" if number == 3 else "train"
        writer.add(
            f"take{number}", f"speaker{number}", split, babble(6.0, number), directions, "test", "made here"
        )
    writer.close({}, {})
    return folder


def config_file(folder: Path, steps: int, save_minutes: float = 5.0) -> Path:
    path = folder / "official.toml"
    path.write_text(CONFIG.format(steps=steps, save_minutes=save_minutes))
    return path


def command(config: Path, dataset: Path, run: Path, *more: str) -> list[str]:
    script = str(ROOT / "backend" / "train.py")
    return [script, "--config", str(config), "--data", str(dataset), "-o", str(run), "--device", "cpu", *more]


# The number of threads changes the order of sums, and with it the last bits.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def train(*arguments: str, processes: int = 1) -> str:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    start = [sys.executable, "-W", "ignore", *(launcher if processes > 1 else [])]
    run = subprocess.run([*start, *arguments], capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert run.returncode == 0, run.stderr
    return run.stderr


def test_two_processes_learn_the_same_as_one(dataset: Path, tmp_path: Path):
    config = config_file(tmp_path, steps=6)
    train(*command(config, dataset, tmp_path / "one"))
    train(*command(config, dataset, tmp_path / "two"), processes=2)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    differences = torch.cat([(one[name].float() - two[name].float()).abs().flatten() for name in one])
    moved = (one["diffusion_net.net.linear.weight"] - fresh_weights(dataset)).abs().max().item()
    assert moved > 1e-3, "nothing was learned, so equality would mean nothing"
    # Some biases (keys of attention, before batch normalisation) have no gradient but rounding, which Adam blows
    # up to full steps; they do not change what the network says.
    assert differences.median() < 1e-5
    assert torch.quantile(differences, 0.99) < 0.1 * moved
    losses = [
        json.loads((tmp_path / name / "model.json").read_text())["training"]["validation_loss"]
        for name in ("one", "two")
    ]
    assert losses[0] == pytest.approx(losses[1], abs=2e-5)
    checkpoint = load_checkpoint(tmp_path / "two" / "model.safetensors")
    assert checkpoint.is_official
    assert checkpoint.card["frame"] == "native"


def fresh_weights(dataset: Path) -> torch.Tensor:
    from diffgesture.networks.official import OfficialNetwork

    torch.manual_seed(0)
    return OfficialNetwork(pose_dim=27, hidden_dim=16, block_depth=2).diffusion_net.net.linear.weight.detach()


def test_killed_and_resumed_run_ends_bitwise_equal(dataset: Path, tmp_path: Path):
    config = config_file(tmp_path, steps=60, save_minutes=0.002)
    train(*command(config, dataset, tmp_path / "whole"))
    killed = subprocess.Popen(
        [sys.executable, "-W", "ignore", *command(config, dataset, tmp_path / "parts")],
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    for line in killed.stderr:
        if "saved" in line and "step 60" not in line:
            break
    time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    output = train(*command(config, dataset, tmp_path / "parts", "--resume"))
    assert "from step 0 " not in output
    whole, parts = (load_file(tmp_path / name / "state.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_wrong_data_or_config_is_one_line(dataset: Path, tmp_path: Path):
    arguments = command(config_file(tmp_path, steps=2), tmp_path / "nowhere", tmp_path / "run")
    run = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith("error: ")
    assert len(run.stderr.strip().splitlines()) == 1
