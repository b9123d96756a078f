# SPDX-License-Identifier: GPL-3.0-or-later
"""Scoring anything: motion files of other systems, trivial baselines, the numbers of GENEA and EMAGE."""

import json
from pathlib import Path

import evaluate as command
import numpy as np
import pytest
import soundfile
from conftest import babble
from diffgesture.command_line import run_command
from diffgesture.data.dataset import Dataset
from diffgesture.evaluation import challenge
from diffgesture.evaluation.baselines import baseline_takes, baseline_windows
from diffgesture.evaluation.evaluation import takes_of_dataset
from diffgesture.evaluation.legacy import cut_windows
from diffgesture.evaluation.motion_folders import load_motions
from diffgesture.evaluation.side_by_side import motion_of_take
from diffgesture.motion.bvh import save_bvh
from diffgesture.motion.motion_file import save_motion
from diffgesture.motion.skeletons import TED_EXPRESSIVE
from diffgesture.speech.features import SAMPLE_RATE
from test_research_faults import data_set


def run(*arguments: object) -> int:
    return run_command(command.main, lambda: command.parse_arguments([str(a) for a in arguments]))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    takes = [("video 1/0", "val", 150), ("b", "val", 140), ("c", "train", 150), ("d", "train", 120)]
    return data_set(tmp_path_factory.mktemp("d"), takes, "ted_expressive")


@pytest.fixture
def motions(dataset: Path, tmp_path: Path) -> Path:
    """The people's own motion of the validation takes as files: one of ours, one BVH."""
    folder = tmp_path / "people"
    folder.mkdir()
    first, second = takes_of_dataset(Dataset(dataset))
    save_motion(folder / "video 1_0.npz", motion_of_take(first, "ted_expressive", 15.0))
    save_bvh(folder / "b.bvh", motion_of_take(second, "ted_expressive", 15.0))
    return folder


@pytest.mark.slow
def test_motion_files_of_any_system_beside_baselines(dataset: Path, motions: Path, tmp_path: Path, capsys):
    arguments = ("--motions", f"people={motions}", "--data", dataset, "--baselines", "-o", tmp_path / "out")
    assert run(*arguments, "--json", "--video") == 0
    output = json.loads(capsys.readouterr().out)
    panel = output["panel"]
    assert set(panel) >= {"people", "static", "nearest", "random", "data"}
    # The same motion as the data's, but for what BVH rounds.
    assert panel["people"]["wrist_speed_mean"]["value"] == pytest.approx(
        panel["data"]["wrist_speed_mean"]["value"], rel=0.05
    )
    assert panel["people"]["speed_hellinger"]["value"] < 0.05
    assert panel["people"]["genea_cca"]["value"] > 0.99
    assert panel["static"]["wrist_speed_mean"]["value"] == pytest.approx(0, abs=1e-9)
    assert panel["static"]["energy_correlation_gain"]["value"] is None
    assert panel["random"]["wrist_speed_mean"]["value"] > 0
    assert (tmp_path / "out" / "video 1_0.mp4").is_file()
    assert run(*arguments, "--all-measures", "--json") == 0
    published = json.loads(capsys.readouterr().out)["published"]
    assert set(published) == {"people", "static", "nearest", "random", "data"}
    assert published["data"]["joint_mae"] == 0
    assert published["people"]["joint_mae"] < 0.03
    assert run(*arguments, "--legacy", "--json") == 0
    legacy = json.loads(capsys.readouterr().out)["systems"]
    assert set(legacy) == {"people", "static", "nearest", "random"}
    assert legacy["people"]["joint_mae"] < 0.03
    assert legacy["static"]["bc"] is None, "a statue has no beats"
    assert legacy["random"]["joint_mae"] > legacy["people"]["joint_mae"]


def test_motion_without_speech_or_of_a_name_that_is_unknown(dataset: Path, motions: Path, tmp_path: Path, capsys):
    assert run("--motions", motions) == 2
    assert "There is no speech for" in capsys.readouterr().err
    (motions / "b.bvh").unlink()
    assert run("--motions", motions, "--data", dataset, "--legacy") == 2
    assert "no motion for the take 'b'" in capsys.readouterr().err
    assert run("--motions", f"a={motions}", f"a={motions}", "--data", dataset) == 2
    assert "called 'a'" in capsys.readouterr().err


def test_smplx_archives_at_their_own_rate(tmp_path: Path):
    rng = np.random.default_rng(0)
    poses = np.cumsum(rng.normal(size=(90, 165)), axis=0) * 0.01
    np.savez(tmp_path / "a.npz", poses=poses, mocap_frame_rate=30)
    soundfile.write(tmp_path / "a.wav", babble(2.5), SAMPLE_RATE)
    (take,) = load_motions(tmp_path, "ted_expressive")
    assert take.fps == 30
    assert take.directions.shape == (75, 42, 3), "cut to the speech"
    assert len(take.audio) == 40_000


def test_baselines_say_what_they_are(dataset: Path):
    data = Dataset(dataset)
    takes = takes_of_dataset(data)
    other = baseline_takes("random", takes, data)
    assert np.array_equal(other[1].directions, takes[0].directions[:140])
    windows = cut_windows(data, kind="all")
    shuffled = baseline_windows("random", windows, data)
    same = (shuffled == windows.directions).all(axis=(1, 2, 3))
    assert not same.any()
    # Speech of a training take finds that take's own motion.
    train = cut_windows(data, "train", kind="all")
    found = baseline_windows("nearest", train, data)
    assert np.mean([(a == b).all() for a, b in zip(found, train.directions, strict=True)]) > 0.9
    nearest = baseline_takes("nearest", takes, data)
    assert [len(take.directions) for take in nearest] == [150, 140]
    assert np.allclose(np.linalg.norm(nearest[0].directions, axis=-1), 1)


def test_genea_measures_by_their_definitions():
    rng = np.random.default_rng(0)
    a = np.cumsum(rng.normal(size=(50, 3, 3)), axis=0)
    jerk = [
        np.linalg.norm(a[k + 3, j] - 3 * a[k + 2, j] + 3 * a[k + 1, j] - a[k, j]) * 30**3
        for k in range(47)
        for j in range(3)
    ]
    assert challenge.mean_derivative(a, 3) == pytest.approx(np.mean(jerk))
    speeds = [np.linalg.norm(a[k + 1, j] - a[k, j]) * 0.3 for k in range(49) for j in range(3)]
    shares = challenge.velocity_histogram([a / 100])
    assert shares[0] == pytest.approx(np.mean(np.array(speeds) < 1))
    b = 2 * a[:, :2] + 0.5 * rng.normal(size=(50, 2, 3))
    correlation = challenge.canonical_correlation(a.reshape(50, -1), b.reshape(50, -1))
    from sklearn.cross_decomposition import CCA

    model = CCA(n_components=1, max_iter=5000, tol=1e-9).fit(a.reshape(50, -1), b.reshape(50, -1))
    x, y = model.transform(a.reshape(50, -1), b.reshape(50, -1))
    assert correlation == pytest.approx(np.corrcoef(x[:, 0], y[:, 0])[0, 1], abs=1e-3)
    assert challenge.canonical_correlation(a.reshape(50, -1), a.reshape(50, -1)) == pytest.approx(1.0)


def test_emage_measures_by_their_definitions():
    clip = np.arange(24.0).reshape(4, 2, 3)
    assert challenge.emage_l1div([clip]) == pytest.approx(np.abs(clip - clip.mean(axis=0)).sum() / 4)
    # A joint that halts on every onset scores 1, one that never does 0.
    audio = babble(20.0)
    from diffgesture.evaluation.legacy_metrics import audio_onsets

    start = 2 * SAMPLE_RATE
    onsets = audio_onsets(audio[start:-start])
    times = np.arange(600) / 30
    speed = np.ones(600) * 2
    for onset in onsets:
        speed *= 1 - 0.6 * np.exp(-(((times - 2 - onset) / 0.02) ** 2))
    halting, steady = np.zeros((2, 600, 3))
    halting[:, 0] = np.cumsum(speed) / 30
    steady[:, 0] = times
    mean_speed = np.array([1.0])
    halts = challenge.emage_bc(halting[:, None], audio, mean_speed)
    assert halts > 0.85
    assert challenge.emage_bc(steady[:, None], audio, mean_speed) == 0.0
    both = challenge.emage_bc(np.stack([halting, steady], axis=1), audio, np.ones(2))
    assert both == pytest.approx(halts / 2)
    assert challenge.emage_bc(halting[:100, None], audio, mean_speed) is None
    assert TED_EXPRESSIVE.num_bones == 42


def test_the_papers_table_has_people_baselines_and_runs(
    dataset: Path, motions: Path, parity_folder: Path, tmp_path: Path, capsys
):
    import paper_table
    from diffgesture.model.conversion import convert

    convert(parity_folder / "official_checkpoint_expressive.bin", tmp_path / "a.safetensors")
    convert(parity_folder / "official_autoencoder_expressive.bin", tmp_path / "net.safetensors")

    def table(*arguments: object) -> int:
        common = ("--data", dataset, "--autoencoder", tmp_path / "net.safetensors", "--device", "cpu")
        given = [str(a) for a in (*common, *arguments)]
        return run_command(paper_table.main, lambda: paper_table.parse_arguments(given))

    method = f"DiffGesture={tmp_path / 'a.safetensors'}"
    status = table("--checkpoint", method, "--runs", 2, "--steps", 2, "--motions", f"files={motions}", "--json")
    assert status == 0
    methods = json.loads(capsys.readouterr().out)["methods"]
    assert list(methods) == ["people", "static", "nearest", "random", "files", "DiffGesture"]
    summary = methods["DiffGesture"]["summary"]
    assert summary["fgd"]["runs"] == 2
    assert summary["fgd"]["sd"] > 0
    assert methods["people"]["summary"]["joint_mae"]["mean"] == 0
    # On so few windows an untrained autoencoder tells little apart, but not this.
    assert summary["fgd"]["mean"] > methods["people"]["summary"]["fgd"]["mean"]
    assert table("--checkpoint", method, "--runs", 1, "--steps", 1, "--limit", 8, "--latex") == 0
    assert r"DiffGesture & " in capsys.readouterr().out
