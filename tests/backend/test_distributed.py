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
from diffgesture.data.dataset import DatasetWriter
from diffgesture.model.checkpoint import load_checkpoint
from diffgesture.motion.skeletons import TED, neutral_directions, normalize
from safetensors.torch import load_file

COMMON = """
layout = "ted"
window = 34
overlap = 8
steps = {steps}
batch_size = 8
save_minutes = {save_minutes}
log_steps = 1
"""
PUBLISHED = """
optimizer = "adam"
betas = [0.5, 0.999]
schedule = "constant"
ema_decay = 0.0
"""
RECIPES = {
    "official": PUBLISHED + 'network = "official"\n[model]\nhidden_dim = 16\nblock_depth = 2\n',
    "autoencoder": PUBLISHED + 'network = "embedding_net"\n[model]\nlatent_dim = 8\n',
    "masked": "warmup_steps = 4\n[model]\nhidden_dim = 24\ndepth = 1\nnum_heads = 2\n",
}


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


def config_file(folder: Path, steps: int, save_minutes: float = 5.0, recipe: str = "official") -> Path:
    path = folder / f"{recipe}.toml"
    path.write_text(COMMON.format(steps=steps, save_minutes=save_minutes) + RECIPES[recipe])
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


def curve(run: Path) -> dict[int, float]:
    """Loss by step."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["train"]["noise"] for line in lines if "train" in line}


@pytest.mark.slow
def test_two_processes_learn_the_same_as_one(dataset: Path, tmp_path: Path):
    config = config_file(tmp_path, steps=6)
    train(*command(config, dataset, tmp_path / "one"))
    train(*command(config, dataset, tmp_path / "two"), processes=2)
    alone, together = curve(tmp_path / "one"), curve(tmp_path / "two")
    difference = max(abs(alone[step] - together[step]) for step in alone)
    print(f"loss curves differ by {difference:.1e} at most")
    assert alone.keys() == together.keys() == set(range(1, 7))
    # Sums in another order: up to 4e-5 of a loss near 1, by the processor.
    assert difference < 1e-4
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
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    checkpoint = load_checkpoint(tmp_path / "two" / "model.safetensors")
    assert checkpoint.is_official
    assert checkpoint.card.frame == "native"


@pytest.mark.slow
def test_two_processes_use_nothing_deprecated_and_tell_once(dataset: Path, tmp_path: Path):
    launcher = ["-W", "always", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    arguments = command(config_file(tmp_path, steps=2), dataset, tmp_path / "run")
    run = subprocess.run(
        [sys.executable, *launcher, *arguments], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "deprecated" not in run.stderr
    assert run.stderr.count("step 2: saved") == 1


def fresh_weights(dataset: Path) -> torch.Tensor:
    from diffgesture.model.official import OfficialNetwork

    torch.manual_seed(0)
    return OfficialNetwork(pose_dim=27, hidden_dim=16, block_depth=2).diffusion_net.net.linear.weight.detach()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_killed_and_resumed_run_ends_bitwise_equal(recipe: str, dataset: Path, tmp_path: Path):
    config = config_file(tmp_path, steps=60, save_minutes=0.002, recipe=recipe)
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
    # Anywhere in the steps that follow, also while the next state is being written.
    time.sleep(np.random.default_rng().uniform(0.0, 0.3))
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    output = train(*command(config, dataset, tmp_path / "parts", "--resume"))
    assert "from step 0 " not in output
    whole, parts = (load_file(tmp_path / name / "state.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    lines = (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()
    steps = [step["step"] for step in map(json.loads, lines) if "train" in step]
    assert steps == list(range(1, 61)), "each step has one point on the curve"


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["official", "masked"])
def test_panel_during_training_tells_and_changes_nothing(recipe: str, dataset: Path, tmp_path: Path):
    config = config_file(tmp_path, steps=6, recipe=recipe)
    train(*command(config, dataset, tmp_path / "without"))
    config.write_text("panel_steps = 3\npanel_clips = 1\n" + config.read_text())
    told = train(*command(config, dataset, tmp_path / "with"))
    assert told.count("panel: speed m/s") == 2
    lines = [json.loads(line) for line in (tmp_path / "with" / "metrics.jsonl").read_text().splitlines()]
    panels = {line["step"]: line["panel"] for line in lines if "panel" in line}
    assert panels.keys() == {3, 6}
    assert panels[6]["wrist_speed_mean"]["value"] > 0
    assert panels[6]["real_time_factor"]["value"] > 0
    without, with_panel = (load_file(tmp_path / name / "state.safetensors") for name in ("without", "with"))
    assert all(torch.equal(without[name], with_panel[name]) for name in without)


def test_panel_of_an_autoencoder_is_refused(dataset: Path, tmp_path: Path):
    config = config_file(tmp_path, steps=2, recipe="autoencoder")
    config.write_text("panel_steps = 1\n" + config.read_text())
    arguments = command(config, dataset, tmp_path / "run")
    run = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "'panel_steps' must be 0" in run.stderr


def test_wrong_data_or_config_is_one_line(dataset: Path, tmp_path: Path):
    arguments = command(config_file(tmp_path, steps=2), tmp_path / "nowhere", tmp_path / "run")
    run = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith("error: ")
    assert len(run.stderr.strip().splitlines()) == 1
