# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training run cannot use is told in one sentence, and what was saved before stays readable."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, babble
from diffgesture.data.dataset import Dataset, DatasetWriter
from diffgesture.errors import CheckpointError, ConfigError, DataError
from diffgesture.model.checkpoint import load_checkpoint
from diffgesture.motion.skeletons import TED, neutral_directions, normalize
from diffgesture.training.config import Config, load_config
from diffgesture.training.distributed import Group
from diffgesture.training.loop import Trainer, train
from diffgesture.training.recipes import make_recipe
from diffgesture.training.scorecard import make_panel

CONFIG = """
layout = "ted"
network = "official"
window = 34
overlap = 8
steps = {steps}
batch_size = 2
schedule = "constant"
ema_decay = 0.0
[model]
hidden_dim = 16
block_depth = 2
"""
CPU = Group(0, 1, torch.device("cpu"))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    writer = DatasetWriter(tmp_path / "data", "ted", 15.0)
    sway = np.cumsum(np.random.default_rng(0).normal(size=(60, 9, 3)), axis=0) * 0.03
    directions = normalize(neutral_directions(TED) + sway).astype(np.float32)
    writer.add("take0", "speaker", "train", babble(4.0), directions, "test", "made here")
    writer.close({}, {})
    return tmp_path / "data"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "official.toml"
    path.write_text(CONFIG.format(steps=2))
    return load_config(path)


def run(config: Config, dataset: Path, folder: Path, **options):
    return train(config, make_recipe(config, Dataset(dataset)), folder, CPU, report=lambda line: None, **options)


def test_poses_that_are_not_numbers_are_named(config: Config, dataset: Path, tmp_path: Path):
    directions = np.load(dataset / "directions.npy", mmap_mode="r+")
    directions[5, 3, 1] = np.nan
    directions.flush()
    with pytest.raises(DataError, match=r"directions.npy: take 'take0'"):
        run(config, dataset, tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"window": 40}, "'window' is 40"),
        ({"model": {"hidden_dim": 17}}, "17 cannot be divided among 8 heads"),
        ({"model": {"width": 17}}, "does not describe the network"),
        ({"network": "unheard_of"}, "no network 'unheard_of'"),
        ({"network": "embedding_net", "window": 30, "model": {}}, "'window' must be 34"),
    ],
)
def test_wrong_model_is_one_sentence(change, problem: str, config: Config, dataset: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=problem):
        run(dataclasses.replace(config, **change), dataset, tmp_path / "run")


def test_resuming_with_another_network_is_refused(config: Config, dataset: Path, tmp_path: Path):
    run(config, dataset, tmp_path / "run")
    other = dataclasses.replace(config, model={"hidden_dim": 32, "block_depth": 2})
    with pytest.raises(CheckpointError, match="another configuration"):
        run(other, dataset, tmp_path / "run", resume=True)


def test_a_loss_that_is_no_number_is_not_saved(config: Config, dataset: Path, tmp_path: Path):
    trainer = Trainer(config, make_recipe(config, Dataset(dataset)), tmp_path / "run", CPU, print)
    with torch.no_grad():
        for weight in trainer.network.parameters():
            weight.fill_(torch.nan)
    with pytest.raises(ConfigError, match="no longer a number"):
        trainer.save({})
    assert not list((tmp_path / "run").glob("*.safetensors"))


def test_panel_takes_the_first_half_minute_and_needs_held_out_takes(config: Config, dataset: Path, tmp_path: Path):
    asked = dataclasses.replace(config, panel_steps=1)
    with pytest.warns(UserWarning, match="no validation takes"):
        assert make_panel(asked, Dataset(dataset)) is None
    assert make_panel(config, Dataset(dataset)) is None
    writer = DatasetWriter(tmp_path / "long", "ted", 15.0)
    directions = np.tile(neutral_directions(TED), (600, 1, 1)).astype(np.float32)
    writer.add("long", "speaker", "val", babble(40.0), directions, "test", "made here")
    writer.close({}, {})
    panel = make_panel(asked, Dataset(tmp_path / "long"))
    assert panel is not None
    assert [take.seconds for take in panel.takes] == [30.0]
    assert len(panel.takes[0].audio) == 30 * 16_000
    assert panel.takes[0].directions.shape == (450, 9, 3)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_full_disk_keeps_what_was_complete(config: Config, dataset: Path, tmp_path: Path):
    (tmp_path / "official.toml").write_text(CONFIG.format(steps=2))
    arguments = ["--config", tmp_path / "official.toml", "--data", dataset, "-o", tmp_path / "run"]
    script = [sys.executable, ROOT / "backend" / "train.py", *arguments, "--device", "cpu"]
    subprocess.run(script, check=True, capture_output=True)
    before = {path: path.read_bytes() for path in (tmp_path / "run").glob("model.*")}
    (tmp_path / "official.toml").write_text(CONFIG.format(steps=4))
    import resource

    full = subprocess.run(
        [*script, "--resume"],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert full.returncode == 2
    assert full.stderr.splitlines()[-1].startswith("error: The training state cannot be written")
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir() if path in before} == before
    assert load_checkpoint(tmp_path / "run" / "model.safetensors").card.training["steps"] == 2
    assert not list((tmp_path / "run").glob("*.partial"))
    assert run(dataclasses.replace(config, steps=4), dataset, tmp_path / "run", resume=True).step == 4
