# SPDX-License-Identifier: GPL-3.0-or-later
"""The paper's neighbours: trimodal and hierarchical networks in the same trainer, generator, evaluator,
converter.
"""

import argparse
import json
import sys
import types
from pathlib import Path

import evaluate as evaluate_command
import generate as generate_command
import numpy as np
import pytest
import soundfile
import torch
import train as train_command
from conftest import babble
from diffgesture.command_line import run_command
from diffgesture.data.dataset import Dataset, DatasetWriter
from diffgesture.model.checkpoint import load_checkpoint
from diffgesture.model.conversion import convert
from diffgesture.model.hierarchical import HierarchicalNetwork, levels
from diffgesture.model.recurrent import TrimodalNetwork, seeded
from diffgesture.model.word_indices import Vocabulary, read_vectors
from diffgesture.motion.motion_file import load_motion
from diffgesture.motion.skeletons import TED, neutral_directions, normalize

NETWORKS = {"trimodal": TrimodalNetwork, "ha2g": HierarchicalNetwork}
SMALL = {"hidden_dim": 16, "layers": 2, "embedding_dim": 8}


def command(module, *arguments: object) -> int:
    return run_command(module.main, lambda: module.parse_arguments([str(a) for a in arguments]))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("d"), np.random.default_rng(0)
    writer = DatasetWriter(folder, "ted", 15.0)
    words = [("Hello,", 0.2, 0.5), ("there", 0.6, 0.9), ("hello", 2.5, 2.9)]
    for number, split in enumerate(("train", "train", "val")):
        sway = np.cumsum(rng.normal(size=(90, 9, 3)), axis=0) * 0.02
        motion = normalize(neutral_directions(TED) + sway)
        writer.add(f"t{number}", f"s{number}", split, babble(6.0, number), motion, "CC0", "test", words=words)
    writer.close({}, {})
    return folder


def test_words_stand_in_the_frame_they_begin_in(dataset: Path):
    data = Dataset(dataset)
    assert data.words(1)[0] == ("Hello,", 0.2, 0.5)
    vocabulary = Vocabulary.of_words(word for word, _, _ in data.words(0))
    assert vocabulary.names[4:] == ("hello", "there")
    row = vocabulary.of_window(data.words(0), 2.0, 34, 15.0)
    assert row.nonzero()[0].tolist() == [7]
    assert row[7] == 4
    assert vocabulary.of_window([("stranger", 0.0, 1.0)], 0.0, 34, 15.0)[0] == 3


def test_word_vectors_come_from_a_file_of_text(tmp_path: Path):
    (tmp_path / "v.vec").write_text("2 3\nhello 1 2 3\nother 4 5 6\n")
    vocabulary = Vocabulary(("<PAD>", "<SOS>", "<EOS>", "<UNK>", "hello", "there"))
    vectors = read_vectors(tmp_path / "v.vec", vocabulary)
    assert vectors.shape == (6, 3)
    assert vectors[4].tolist() == [1, 2, 3]


def test_levels_grow_from_the_trunk_to_all_bones():
    assert [len(bones) for bones in levels(27)] == [5, 7, 9]
    assert [len(bones) for bones in levels(126)] == [8, 10, 12, 22, 32, 42]
    for pose_dim in (27, 126):
        for inner, outer in zip(levels(pose_dim), levels(pose_dim)[1:], strict=False):
            assert set(inner) < set(outer)


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_trained_checkpoints_generate_and_are_scored(kind: str, dataset: Path, tmp_path: Path, capsys):
    config = tmp_path / "c.toml"
    config.write_text(
        f'layout = "ted"\nnetwork = "{kind}"\nwindow = 34\noverlap = 8\nsteps = 3\nbatch_size = 2\n'
        'optimizer = "adam"\nschedule = "constant"\nema_decay = 0.0\ngradient_clip = 1e9\nadversarial_from = 1\n'
        "log_steps = 1\n[model]\n" + "".join(f"{name} = {value}\n" for name, value in SMALL.items())
    )
    run = tmp_path / "run"
    assert command(train_command, "--config", config, "--data", dataset, "-o", run, "--device", "cpu") == 0
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [line["train"] for line in lines if "train" in line]
    assert steps[0]["adversarial"] == 0
    assert steps[1]["adversarial"] > 0
    assert steps[1]["discriminator"] > 0
    soundfile.write(tmp_path / "a.wav", babble(4.0), 16_000)
    common = ("--checkpoint", run / "model.safetensors", "--device", "cpu")
    out = tmp_path / "m.npz"
    assert command(generate_command, tmp_path / "a.wav", "-o", out, *common, "--preset", "reference") == 0
    assert load_motion(out).directions.shape == (60, 9, 3)
    capsys.readouterr()
    assert command(generate_command, tmp_path / "a.wav", "-o", tmp_path / "n.npz", *common) == 2
    assert "choose the preset 'reference'" in capsys.readouterr().err
    assert command(evaluate_command, "--data", dataset, "--legacy", "--json", *common) == 0
    metrics = json.loads(capsys.readouterr().out)["legacy"]
    assert metrics["windows"] == 6
    assert metrics["joint_mae"] > 0


@pytest.mark.parametrize("kind", NETWORKS)
def test_each_loss_reaches_its_own_part(kind: str, dataset: Path):
    from diffgesture.training.config import Config
    from diffgesture.training.recurrent_recipe import RecurrentRecipe

    config = Config(layout="ted", network=kind, window=34, overlap=8, model=dict(SMALL))
    recipe = RecurrentRecipe(config, Dataset(dataset))
    torch.manual_seed(0)
    network = recipe.make_network()
    batch = recipe.draw(np.random.default_rng(0), "train", 2, 0)
    losses = network(batch, config.adversarial, getattr(network.generator, "bones", []))
    losses["adversarial"].backward(retain_graph=True)
    assert all(weight.grad is None for weight in network.discriminator.parameters())
    assert any(weight.grad is not None for weight in network.generator.parameters())
    network.zero_grad(set_to_none=True)
    losses["discriminator"].backward()
    assert all(weight.grad is None for weight in network.generator.parameters())
    shares = [recipe.draw(np.random.default_rng(0), "train", 2, 0, slice(k, k + 1)) for k in range(2)]
    for whole, first, second in zip(batch, *shares, strict=True):
        assert torch.equal(whole, torch.cat([first, second]))


class Vocab:
    """Stands for the official class of that name."""

    def __init__(self, names: list[str]):
        self.word2index = {name: index for index, name in enumerate(names)}


@pytest.mark.parametrize("kind", NETWORKS)
def test_official_files_convert_to_the_same_poses(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A file with the published entries and names (weight normalisation as torch wrote it then)."""
    module = types.ModuleType("model.vocab")
    monkeypatch.setattr(Vocab, "__module__", "model.vocab")
    module.Vocab = Vocab
    monkeypatch.setitem(sys.modules, "model", types.ModuleType("model"))
    monkeypatch.setitem(sys.modules, "model.vocab", module)
    torch.manual_seed(0)
    network = NETWORKS[kind](pose_dim=27, words=6, speakers=3, **SMALL).eval()
    old = {
        key.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for key, value in network.state_dict().items()
    }
    mean = np.arange(27.0) / 100
    contents = {
        "args": argparse.Namespace(mean_dir_vec=mean.tolist(), n_pre_poses=4, motion_resampling_framerate=15),
        "epoch": 7,
        "lang_model": Vocab(["<PAD>", "<SOS>", "<EOS>", "<UNK>", "hello", "there"]),
        "speaker_model": Vocab(["a", "b", "c"]),
        "pose_dim": 27,
    }
    if kind == "trimodal":
        # The published block lists its convolutions twice.
        twice = {k.replace("conv1", "net.0"): v for k, v in old.items() if ".tcn." in k and ".conv1." in k}
        contents["gen_dict"] = {**old, **twice}
    else:
        for level in range(3):
            part = f"generators.{level}."
            contents[f"gen_dict_{level + 1}"] = {k[len(part) :]: v for k, v in old.items() if k.startswith(part)}
        part = "audio_encoder."
        contents["audio_dict"] = {k[len(part) :]: v for k, v in old.items() if k.startswith(part)}
    torch.save(contents, tmp_path / "f.bin")
    summary = convert(tmp_path / "f.bin", tmp_path / "f.safetensors")
    assert summary["layout"] == "ted"
    checkpoint = load_checkpoint(tmp_path / "f.safetensors")
    assert checkpoint.card.data["vocabulary"][4] == "hello"
    assert checkpoint.card.data["speakers"] == ["a", "b", "c"]
    np.testing.assert_allclose(checkpoint.mean, mean, atol=1e-6)
    audio = torch.from_numpy(network.prepare_audio(babble(2.267)[None, :36_267]))
    given = (seeded(torch.randn(1, 34, 27), 4), audio, torch.tensor([[4] + [0] * 33]), torch.tensor([1]))
    with torch.no_grad():
        ours, theirs = (net(*given)[0].poses for net in (checkpoint.network, network))
    assert torch.equal(ours, theirs)


def test_the_panel_measures_a_recurrent_network_too(dataset: Path, tmp_path: Path, capsys):
    config = tmp_path / "c.toml"
    config.write_text(
        'layout = "ted"\nnetwork = "trimodal"\nwindow = 34\noverlap = 8\nsteps = 1\nbatch_size = 2\n'
        "panel_steps = 1\n"
        "in_memory = true\n[model]\n" + "".join(f"{name} = {value}\n" for name, value in SMALL.items())
    )
    arguments = ("--config", config, "--data", dataset, "-o", tmp_path / "run", "--device", "cpu")
    assert command(train_command, *arguments) == 0
    assert "panel: speed m/s" in capsys.readouterr().err
    assert command(train_command, *arguments, "--overwrite", "--set", "best_by=beauty") == 2
    assert "no row of the panel" in capsys.readouterr().err
    assert command(evaluate_command, "--checkpoint", tmp_path / "run/model.safetensors", "--data", dataset) == 0


def test_transcripts_beside_the_motion_bring_words(tmp_path: Path):
    import prepare
    from diffgesture.motion.bvh import save_bvh
    from diffgesture.motion.motion_file import Motion

    neutral = neutral_directions(TED)
    sway = np.cumsum(np.random.default_rng(0).normal(size=(60, 9, 3)), axis=0) * 0.02
    motion = Motion(normalize(neutral + sway), 15.0, "ted", 0, 4.0, "", "", neutral)
    for name in ("a", "b"):
        save_bvh(tmp_path / f"{name}.bvh", motion)
        soundfile.write(tmp_path / f"{name}.wav", babble(4.0), 16_000)
    (tmp_path / "a.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nHello there\n")
    assert prepare.main(["bvh", str(tmp_path), "-o", str(tmp_path / "d"), "--layout", "ted", "--val", "0"]) == 0
    data = Dataset(tmp_path / "d")
    spoken = {take.name: [word for word, _, _ in data.words(k)] for k, take in enumerate(data.takes)}
    assert spoken == {"a": ["Hello", "there"], "b": []}


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_resumed_run_is_the_straight_one(kind: str, dataset: Path, tmp_path: Path):
    from diffgesture.training.config import Config
    from diffgesture.training.distributed import Group
    from diffgesture.training.loop import train
    from diffgesture.training.recurrent_recipe import RecurrentRecipe
    from safetensors.torch import load_file

    config = Config(
        layout="ted",
        network=kind,
        window=34,
        overlap=8,
        steps=4,
        batch_size=2,
        optimizer="adam",
        schedule="constant",
        ema_decay=0.0,
        adversarial_from=1,
        model=dict(SMALL),
    )
    group = Group(0, 1, torch.device("cpu"))

    def run(folder: Path, **options) -> dict[str, torch.Tensor]:
        recipe = RecurrentRecipe(config, Dataset(dataset))
        train(config, recipe, folder, group, report=lambda line: None, **options)
        return load_file(folder / "state.safetensors")

    straight = run(tmp_path / "straight")
    run(tmp_path / "parts", max_steps=2)
    parts = run(tmp_path / "parts", resume=True)
    assert straight.keys() == parts.keys()
    assert all(torch.equal(straight[name], parts[name]) for name in straight)
    rates = {name for name in straight if name.startswith("network/discriminator")}
    assert rates, "the discriminator is part of the state"
