# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation command: both modes, the published metrics, video, and one line for bad input."""

import json
from pathlib import Path

import evaluate as command
import numpy as np
import pytest
import soundfile
import torch
from conftest import babble
from diffgesture.command_line import EXIT_BAD_INPUT, run_command
from diffgesture.data.dataset import DatasetWriter
from diffgesture.evaluation.evaluation import seam_frames
from diffgesture.evaluation.scorecard import ROWS
from diffgesture.model.autoencoder import MotionAE
from diffgesture.model.checkpoint import load_checkpoint
from diffgesture.model.conversion import convert
from diffgesture.model.embedding import save_autoencoder
from diffgesture.motion.skeletons import SKELETONS, neutral_directions, normalize
from diffgesture.sampling.reference import ReferenceSampling
from test_metrics_panel import save_take


def run(*arguments: object) -> int:
    return run_command(command.main, lambda: command.parse_arguments([str(a) for a in arguments]))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory):
    """Two validation takes and one for training in either layout."""

    def make(layout: str, seconds: float = 9.0, fps: float = 15.0) -> Path:
        skeleton = SKELETONS[layout]
        folder = tmp_path_factory.mktemp(layout)
        writer = DatasetWriter(folder, layout, fps)
        rng = np.random.default_rng(0)
        for number, split in enumerate(("val", "train", "val")):
            frames = round(seconds * fps)
            sway = np.cumsum(rng.normal(size=(frames, skeleton.num_bones, 3)), axis=0) * 0.02
            motion = normalize(neutral_directions(skeleton) + sway)
            writer.add(f"take{number}", f"s{number}", split, babble(seconds, seed=number), motion, "CC0", "test")
        writer.close({}, {})
        return folder

    return make


def test_speech_and_real_folders(tiny_checkpoint: Path, tmp_path: Path, capsys):
    speech, real = tmp_path / "speech", tmp_path / "real"
    speech.mkdir()
    real.mkdir()
    for number, seconds in enumerate((9.0, 0.5, 3.0)):
        soundfile.write(speech / f"{number}.wav", babble(seconds, seed=number), 16_000)
    soundfile.write(speech / "silence.flac", np.zeros(32_000), 16_000)
    for name in ("one", "two"):
        save_take(real, name)
    common = ("--checkpoint", tiny_checkpoint, "--speech", speech, "--real", real, "--steps", 2, "--device", "cpu")
    assert run(*common, "--json", "-o", tmp_path / "out") == 0
    output = capsys.readouterr()
    result = json.loads(output.out)
    assert set(result["panel"]) == {"ours", "real", "one", "two"}
    assert list(result["panel"]["ours"]) == list(ROWS)
    assert result["takes"]["ours"] == pytest.approx({"0": 9, "1": 0.5, "2": 3, "silence": 2}, abs=0.05)
    assert result["panel"]["ours"]["real_time_factor"]["value"] > 0
    assert result["panel"]["real"]["seam_ratio"] == {"value": None, "note": "no take is longer than one window"}
    assert json.loads((tmp_path / "out" / "panel.json").read_text())["panel"] == result["panel"]
    assert "| seconds to generate one second |" in (tmp_path / "out" / "panel.md").read_text()
    assert {Path(path).name for path in result["files"]} == {
        "panel.json",
        "panel.md",
        "histograms.png",
        "curves.png",
    }
    assert run(*common, "--limit", 1) == 0
    assert capsys.readouterr().out.startswith("| measure | target | ours | real |")


def test_dataset_with_a_reference_and_video(tiny_checkpoint: Path, dataset, parity_folder: Path, tmp_path: Path):
    convert(parity_folder / "official_checkpoint_expressive.bin", tmp_path / "official.safetensors")
    status = run(
        *("--checkpoint", tiny_checkpoint, "--data", dataset("ted_expressive", 2.0), "--limit", 1, "--steps", 2),
        *("--reference", tmp_path / "official.safetensors", "--device", "cpu", "-o", tmp_path / "out", "--video"),
    )
    assert status == 0
    panel = json.loads((tmp_path / "out" / "panel.json").read_text())["panel"]
    assert set(panel) == {"ours", "reference", "data", "take0"}
    import av

    with av.open(str(tmp_path / "out" / "take0.mp4")) as video:
        picture = video.streams.video[0]
        assert picture.width == 3 * picture.height
        assert picture.frames == 2 * 15
        assert video.streams.audio


@pytest.mark.parametrize("kind", ["ours", "official"])
def test_published_metrics(kind: str, tiny_checkpoint: Path, dataset, parity_folder: Path, tmp_path: Path, capsys):
    layout, checkpoint, extra = "ted", tmp_path / "official.safetensors", ()
    if kind == "official":
        convert(parity_folder / "official_checkpoint_ted.bin", checkpoint)
        convert(parity_folder / "official_autoencoder_ted.bin", tmp_path / "net.safetensors")
        extra = ("--autoencoder", tmp_path / "net.safetensors")
    else:
        # Windows of the tiny network are shorter than the published ones.
        common = ("--checkpoint", tiny_checkpoint, "--data", dataset("ted_expressive"), "--device", "cpu")
        assert run(*common, "--legacy", "--limit", 2) == EXIT_BAD_INPUT
        assert "windows of 34 frames" in capsys.readouterr().err
        return
    common = ("--checkpoint", checkpoint, "--data", dataset(layout), "--legacy", "--steps", 2, "--device", "cpu")
    assert run(*common, *extra, "--json", "-o", tmp_path / "out") == 0
    metrics = json.loads(capsys.readouterr().out)["legacy"]
    # Two takes of 135 frames, windows of 34 every 10.
    assert metrics.pop("windows") == 22
    assert all(value is not None and np.isfinite(value) and value >= 0 for value in metrics.values())
    assert metrics["fgd"] > 0
    assert run(*common, "--limit", 3) == 0
    assert "| fgd | undefined |" in capsys.readouterr().out


def test_seeded_windows_of_our_own_network(dataset, tiny_checkpoint: Path):
    """Each window sees its own seed: two windows differ, and a run can be repeated."""

    from diffgesture.data.dataset import Dataset
    from diffgesture.evaluation.legacy import cut_windows, generate_windows

    data = Dataset(dataset("ted_expressive"))
    windows = cut_windows(data, limit=2)
    assert windows.directions.shape == (2, 34, 42, 3)
    assert windows.audio[:].shape == (2, 36_267)
    loaded = load_checkpoint(tiny_checkpoint)
    checkpoint = loaded.with_card(window=40)
    first, again = (generate_windows(checkpoint, windows, sampling=ReferenceSampling(2)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first[0] - first[1]).max() > 0.01


def test_seams_lie_where_windows_begin_and_end(tiny_checkpoint: Path):
    checkpoint = load_checkpoint(tiny_checkpoint)  # windows of 30 frames, 6 shared, 4 seed frames
    assert seam_frames(30, checkpoint, "default") == ()
    assert seam_frames(54, checkpoint, "default") == (24, 30)
    assert seam_frames(60, checkpoint, "reference") == (26, 30, 52, 56)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "Give --data"),
        (("--legacy", "--speech", "."), "--legacy"),
        (("--data", "a", "--speech", "b"), "not both"),
        (("--data", "a", "--video"), "-o FOLDER"),
        (("--speech", ".", "--limit", "0"), "at least 1"),
        (("--data", "nowhere"), "dataset.json"),
        (("--speech", "nowhere"), "no audio files"),
        (("--speech", "nowhere", "--real", "nowhere"), "no real takes"),
    ],
)
def test_bad_usage_is_one_line(
    arguments, problem: str, tiny_checkpoint: Path, tmp_path: Path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert run("--checkpoint", tiny_checkpoint, "--device", "cpu", *arguments) == EXIT_BAD_INPUT
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1


def test_another_layout_is_refused(tiny_checkpoint: Path, dataset, capsys):
    assert run("--checkpoint", tiny_checkpoint, "--data", dataset("ted"), "--device", "cpu") == EXIT_BAD_INPUT
    assert "'ted_expressive' is needed" in capsys.readouterr().err


def test_an_autoencoder_of_another_layout_is_refused(dataset, parity_folder: Path, tmp_path: Path, capsys):
    convert(parity_folder / "official_checkpoint_ted.bin", tmp_path / "official.safetensors")
    card = {
        "name": "other",
        "network": "motion_ae",
        "layout": "ted_expressive",
        "frame": "public",
        "fps": 15.0,
        "window": 34,
        "latent_dim": 8,
        "mean": [0.0] * 126,
    }
    torch.manual_seed(0)
    save_autoencoder(tmp_path / "net.safetensors", MotionAE(pose_dim=126, latent_dim=8), card)
    status = run(
        *("--checkpoint", tmp_path / "official.safetensors", "--data", dataset("ted"), "--legacy", "--steps", 1),
        *("--limit", 2, "--autoencoder", tmp_path / "net.safetensors", "--device", "cpu"),
    )
    assert status == EXIT_BAD_INPUT
    assert "made for ted_expressive" in capsys.readouterr().err
