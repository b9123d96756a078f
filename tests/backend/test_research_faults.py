# SPDX-License-Identifier: GPL-3.0-or-later
"""What a researcher meets first: names with slashes, published windows, short takes, fewer steps, staged runs."""

import dataclasses
import json
from pathlib import Path

import evaluate as evaluate_command
import generate as generate_command
import numpy as np
import pytest
import soundfile
import torch
import train as train_command
from conftest import SHARED, babble
from diffgesture.command_line import run_command
from diffgesture.data.dataset import Dataset, DatasetWriter
from diffgesture.errors import CheckpointError, ConfigError
from diffgesture.evaluation.legacy import cut_windows
from diffgesture.model.card import read_card
from diffgesture.model.conversion import convert
from diffgesture.model.embedding import load_autoencoder
from diffgesture.motion.motion_file import load_motion
from diffgesture.motion.skeletons import SKELETONS, neutral_directions, normalize
from diffgesture.sampling.noise import GaussianNoise
from diffgesture.sampling.reference import ReferenceSampling, linear_schedule, respaced, sample_ddpm
from diffgesture.training.config import Config
from diffgesture.training.distributed import Group
from diffgesture.training.loop import train
from diffgesture.training.official_recipe import WindowedData, check_window, fits
from safetensors.torch import load_file
from test_training import SMALL, run, take, weights


def data_set(folder: Path, takes: list[tuple[str, str, int]], layout: str = "ted", windows=None) -> Path:
    """Takes of (name, split, frames), with ``windows`` (name -> first frames) if the filters have picked some."""
    skeleton, rng = SKELETONS[layout], np.random.default_rng(0)
    writer = DatasetWriter(folder, layout, 15.0)
    for number, (name, split, frames) in enumerate(takes):
        sway = np.cumsum(rng.normal(size=(frames, skeleton.num_bones, 3)), axis=0) * 0.02
        motion = normalize(neutral_directions(skeleton) + sway)
        picked = None if windows is None else [(first, first * 1000) for first in windows[name]]
        writer.add(name, name, split, babble(frames / 15, number), motion, "CC0", "test", windows=picked)
    writer.close({}, {})
    return folder


def command(module, *arguments: object) -> int:
    return run_command(module.main, lambda: module.parse_arguments([str(a) for a in arguments]))


@pytest.mark.parametrize("legacy", [False, True])
def test_videos_of_takes_whose_names_hold_a_slash(legacy: bool, tiny_checkpoint: Path, tmp_path: Path):
    data = data_set(tmp_path / "d", [("video 1/0", "val", 40), ("b", "train", 40)], "ted_expressive")
    out, extra = tmp_path / "out", ()
    if legacy:
        from diffgesture.model.checkpoint import load_checkpoint
        from diffgesture.model.saving import save_checkpoint

        loaded = load_checkpoint(tiny_checkpoint)
        tiny_checkpoint = tmp_path / "tiny.safetensors"
        save_checkpoint(tiny_checkpoint, loaded.network, {**loaded.card.data, "window": 40})
        extra = ("--legacy", "--limit", 1)
    arguments = ("--checkpoint", tiny_checkpoint, "--data", data, "-o", out, "--video", "--steps", 2, *extra)
    assert command(evaluate_command, *arguments, "--device", "cpu") == 0
    assert (out / ("video 1_0_0.mp4" if legacy else "video 1_0.mp4")).stat().st_size > 1000


def test_published_metrics_score_the_windows_that_passed_the_filters(tmp_path: Path):
    takes = [("a", "val", 100), ("b", "test", 100), ("c", "train", 100)]
    data = Dataset(data_set(tmp_path / "d", takes, windows={"a": [10, 30], "b": [20], "c": [0]}))
    windows = cut_windows(data)
    assert windows.kind == "filtered"
    assert windows.rows.tolist() == [[0, 10, 10_000], [0, 30, 30_000]]
    np.testing.assert_array_equal(windows.directions[1], data.take(0)[1][30:64])
    assert windows.audio[1].shape == (36_267,)
    np.testing.assert_array_equal(windows.audio[0], data.take(0)[0][10_000:46_267])
    assert len(cut_windows(data, "test").rows) == 1
    assert len(cut_windows(data, kind="all").rows) == 7


@pytest.mark.parametrize("filters", ["published", "words"])
@pytest.mark.parametrize("kind", ["ted", "expressive"])
def test_the_same_windows_as_the_official_loader(kind: str, filters: str, tmp_path: Path):
    """Counted and cut apart from importer and evaluation, straight from the LMDB."""
    source = SHARED / "parity" / "lmdb" / f"{kind}_train"
    if not source.is_dir():
        pytest.skip("the parity vectors are not here")
    import prepare
    from diffgesture.data.importers import ted
    from diffgesture.data.importers.filters import PASS, filter_sequence
    from diffgesture.data.importers.mean_poses import MEAN_POSES
    from diffgesture.data.importers.resample import resample_published
    from diffgesture.motion.skeletons import joints_to_directions

    assert prepare.main(["ted-lmdb", str(source), "-o", str(tmp_path / "d"), "--filters", filters]) == 0
    data = Dataset(tmp_path / "d")
    motion, sound = [], []
    for clip in ted.read_clips(source.with_name(f"{kind}_val")):
        poses = resample_published(clip.skeletons, clip.seconds, 15.0)
        for first in range(0, len(poses) - 41, 10):
            begin, end = clip.start + first / 15, clip.start + (first + 42) / 15
            words = sum(word[1] < end and word[2] > begin for word in clip.words)
            passed = filter_sequence(poses[first : first + 42], data.skeleton, MEAN_POSES[data.layout]) == PASS
            if words < 2 or (filters == "published" and not passed):
                continue
            motion.append(joints_to_directions(poses[first : first + 34].astype(np.float64), data.skeleton))
            start = int(first / len(poses) * len(clip.audio))
            samples = clip.audio[start : start + 36_267]
            sound.append(np.pad(samples, (0, 36_267 - len(samples)), mode="symmetric"))
    if not motion:
        return
    windows = cut_windows(data)
    assert windows.kind == "filtered"
    assert len(windows.rows) == len(motion)
    np.testing.assert_allclose(data.skeleton.to_native(windows.directions), np.stack(motion), atol=1e-5)
    np.testing.assert_allclose(windows.audio[:], np.stack(sound), atol=2**-15)


def test_validation_takes_shorter_than_a_window_are_used_as_they_are(tmp_path: Path):
    takes = [take(0), take(1)]
    from diffgesture.training.masked_recipe import MaskedRecipe

    with pytest.warns(UserWarning, match="windows of 22"):
        recipe = MaskedRecipe(SMALL, takes, [(takes[0][0][:23_467], takes[0][1][:22])])
    result = train(SMALL, recipe, tmp_path, Group(0, 1, torch.device("cpu")), report=lambda line: None)
    assert np.isfinite(result.validation_loss)


def test_training_windows_are_never_a_validation_loss(tmp_path: Path):
    data = data_set(tmp_path / "d", [("a", "train", 60), ("b", "train", 20), ("c", "val", 20)])
    config = tmp_path / "c.toml"
    config.write_text(
        'layout = "ted"\nnetwork = "official"\nwindow = 34\noverlap = 8\nsteps = 2\nbatch_size = 2\n'
        "[model]\nhidden_dim = 16\nblock_depth = 2\n"
    )
    with pytest.warns(UserWarning, match="hold") as told:
        assert command(train_command, "--config", config, "--data", data, "-o", tmp_path / "r") == 0
    messages = " ".join(str(warning.message) for warning in told)
    assert "no validation loss" in messages
    assert "1 of 2 training takes (1 s) hold no window of 34 frames" in messages
    training = read_card(tmp_path / "r" / "model.safetensors").training
    assert training["validation_loss"] is None
    assert training["hours"] == pytest.approx(60 / 15 / 3600, abs=1e-3)
    lines = (tmp_path / "r" / "metrics.jsonl").read_text()
    assert "validation_loss" not in lines


def test_a_failing_panel_costs_no_checkpoint(tmp_path: Path):
    class Panel:
        def measure(self, checkpoint, device):
            raise ValueError("no such thing")

    told = []
    config = dataclasses.replace(SMALL, steps=4, panel_steps=2)
    takes = [take(seed) for seed in range(2)]
    from diffgesture.training.masked_recipe import MaskedRecipe

    recipe = MaskedRecipe(config, takes, takes)
    result = train(config, recipe, tmp_path, Group(0, 1, torch.device("cpu")), panel=Panel(), report=told.append)
    assert result.step == 4
    assert result.checkpoint.is_file()
    assert sum("could not be measured (no such thing)" in line for line in told) == 2


def test_a_run_in_stages_equals_a_straight_run(tmp_path: Path):
    """``max_steps`` ends the run, not the plan of the learning rate."""
    config = dataclasses.replace(SMALL, steps=8, warmup_steps=2)
    run(config, tmp_path / "straight")
    run(config, tmp_path / "staged", max_steps=4)
    assert run(config, tmp_path / "staged", resume=True).step == 8
    straight, staged = weights(tmp_path / "straight"), weights(tmp_path / "staged")
    assert all(torch.equal(straight[name], staged[name]) for name in straight)


def test_the_mean_is_that_of_the_training_takes(tmp_path: Path):
    writer = DatasetWriter(tmp_path / "d", "ted", 15.0)
    for name, split, x in (("a", "train", 1.0), ("b", "val", -1.0), ("c", "test", -1.0)):
        directions = np.zeros((100, 9, 3))
        directions[..., 0] = x
        writer.add(name, "s", split, np.zeros(106_700), directions, "", "")
    writer.close({}, {})
    data = WindowedData(Config(layout="ted", network="official", window=34, overlap=8), Dataset(tmp_path / "d"))
    assert np.abs(data.mean.reshape(-1, 3)[:, 0]) == pytest.approx(1.0)


def test_fewer_steps_are_some_of_those_that_were_trained():
    """An ideal denoiser that knows a step by its beta alone finds mean and spread of its data at any number."""
    full, mean, variance = linear_schedule(), 0.5, 0.3**2
    for steps in (500, 100, 25):
        schedule = ReferenceSampling(steps).schedule_of({})

        def noise_of(x: np.ndarray, t: int, schedule=schedule) -> np.ndarray:
            k = int(np.abs(full.betas[1:] - schedule.trained_beta(t)).argmin()) + 1
            alpha_bar = full.alpha_bars[k]
            residual = x - np.sqrt(alpha_bar) * mean
            return residual * np.sqrt(1 - alpha_bar) / (alpha_bar * variance + 1 - alpha_bar)

        noise = GaussianNoise(0)
        x_T = noise.own(0, (60, 34, 9))
        x = sample_ddpm(noise_of, x_T, schedule, noise, stabilizer="none")
        assert x.mean() == pytest.approx(mean, abs=0.03), steps
        assert x.std() == pytest.approx(0.3, abs=0.06), steps
    assert ReferenceSampling(500).schedule_of({}).betas is not None
    kept = respaced(full, 25)
    assert kept.trained_step(25) == 500
    assert kept.trained_step(1) == 1
    assert kept.alpha_bars[25] == full.alpha_bars[500]
    assert ReferenceSampling(50, schedule="new").schedule_of({}).alpha_bars[-1] > 0.5
    with pytest.raises(ConfigError, match="trained with 500 steps"):
        respaced(full, 501)


@pytest.fixture(scope="module")
def official(parity_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("official") / "official.safetensors"
    convert(parity_folder / "official_checkpoint_ted.bin", path)
    return path


def test_the_first_window_begins_with_a_given_motion(official: Path, tmp_path: Path, capsys):
    soundfile.write(tmp_path / "a.wav", babble(3.0), 16_000)
    common = ("--checkpoint", official, "--preset", "reference", "--steps", 3, "--device", "cpu")
    assert command(generate_command, tmp_path / "a.wav", "-o", tmp_path / "free.npz", *common) == 0
    motions = [load_motion(tmp_path / "free.npz")]
    seed = ("--seed-motion", tmp_path / "free.npz")
    assert command(generate_command, tmp_path / "a.wav", "-o", tmp_path / "b.npz", *common, *seed) == 0
    motions.append(load_motion(tmp_path / "b.npz"))
    assert np.abs(motions[0].directions - motions[1].directions).max() > 1e-3
    assert command(generate_command, tmp_path / "a.wav", "-o", tmp_path / "c.npz", *seed) == 2
    assert "the preset 'reference' begins" in capsys.readouterr().err


@pytest.mark.parametrize("window", [64, 128, 35])
def test_another_window_length_works_or_is_refused_by_a_sentence(window: int, tmp_path: Path, capsys):
    data = data_set(tmp_path / "d", [("a", "train", 150), ("b", "val", 150)])
    config = tmp_path / "c.toml"
    config.write_text(
        f'layout = "ted"\nnetwork = "official"\nwindow = {window}\noverlap = 8\nsteps = 2\nbatch_size = 2\n'
        f"panel_steps = 1\npanel_clips = 1\n[model]\nhidden_dim = 16\nblock_depth = 2\nwindow = {window}\n"
    )
    status = command(train_command, "--config", config, "--data", data, "-o", tmp_path / "r", "--device", "cpu")
    error = capsys.readouterr().err
    assert "could not be measured" not in error
    if fits(window, 15.0):
        assert status == 0
        assert "panel: " in error
        return
    assert status == 2
    with pytest.raises(ConfigError, match="nearest lengths that work") as problem:
        check_window(window, 15.0)
    assert str(problem.value) in error


def test_autoencoder_and_gesture_model_are_told_apart(official: Path, parity_folder: Path, tmp_path: Path):
    convert(parity_folder / "official_autoencoder_ted.bin", tmp_path / "net.safetensors")
    with pytest.raises(CheckpointError, match="as --autoencoder"):
        read_card(tmp_path / "net.safetensors")
    with pytest.raises(CheckpointError, match="as --checkpoint"):
        load_autoencoder(official)


def test_changes_on_the_command_line_are_typed_and_recorded(tmp_path: Path, capsys):
    data = data_set(tmp_path / "d", [("a", "train", 60), ("b", "val", 60)])
    config = tmp_path / "c.toml"
    config.write_text(
        'layout = "ted"\nwindow = 34\noverlap = 8\nbatch_size = 2\n'
        "[model]\nhidden_dim = 24\ndepth = 1\nnum_heads = 2\n"
    )
    common = ("--config", config, "--data", data, "-o", tmp_path / "r", "--device", "cpu")
    changes = ("--set", "steps=4", "model.depth=2", "optimizer=adam", "learning_rate=1e-4", "keep_steps=2")
    assert command(train_command, *common, *changes, "--set", "loss.velocity=2", "amp=bf16") == 0
    training = read_card(tmp_path / "r" / "model.safetensors").training
    assert training["config"]["model"]["depth"] == 2
    assert training["config"]["loss"]["velocity"] == 2.0
    assert training["set"] == [*changes[1:], "loss.velocity=2", "amp=bf16"]
    kept = load_file(tmp_path / "r" / "checkpoints" / "step_0000002.safetensors")
    assert not all(torch.equal(kept[k], v) for k, v in load_file(tmp_path / "r" / "model.safetensors").items())
    capsys.readouterr()
    for change, words in (
        ("batchsize=2", "Did you mean 'batch_size'"),
        ("steps=many", "'steps' must be int"),
        ("steps", "KEY=VALUE"),
        ("model=3", "must be dict"),
        ("amp=half", "'amp' must be off"),
    ):
        assert command(train_command, *common, "--set", change) == 2
        assert words in capsys.readouterr().err


def test_the_best_checkpoint_by_the_panel_is_kept(tmp_path: Path):
    class Panel:
        values = iter([0.5, 0.3, 0.4])

        def measure(self, checkpoint, device):
            return {"speed_hellinger": {"value": next(self.values)}}

    config = dataclasses.replace(SMALL, steps=6, panel_steps=2, best_by="speed_hellinger")
    takes = [take(seed) for seed in range(2)]
    from diffgesture.training.masked_recipe import MaskedRecipe

    recipe = MaskedRecipe(config, takes, takes)
    from diffgesture.training import loop

    told: list[str] = []
    original, loop.panel_line = loop.panel_line, lambda panel: "panel"
    try:
        train(config, recipe, tmp_path, Group(0, 1, torch.device("cpu")), panel=Panel(), report=told.append)
    finally:
        loop.panel_line = original
    card = json.loads((tmp_path / "best.json").read_text())
    assert card["training"]["best"] == {"step": 4, "speed_hellinger": 0.3}
    assert card["training"]["steps"] == 4


def test_a_statue_beside_speech_is_undefined_not_significant():
    from diffgesture.evaluation.scorecard import measure
    from diffgesture.evaluation.takes import take_of_directions

    speech = [babble(12.0, seed, pause=(4.0, 6.0)) for seed in range(3)]
    pose = normalize(neutral_directions(SKELETONS["ted"]) + 0.1)
    still = np.tile(pose, (180, 1, 1)).astype(np.float32)
    column = measure([take_of_directions(str(k), audio, still, "ted", 15.0) for k, audio in enumerate(speech)], [])
    about_speech = [name for name in column if name.startswith(("energy", "beat")) or name == "rest_ratio"]
    assert len(about_speech) == 10
    for name in about_speech:
        assert column[name].value is None, name
        assert column[name].p_value is None


def test_low_pass_takes_away_what_the_frame_rate_cannot_show():
    """A tremor of 14 Hz at 120 fps would become one of 1 Hz at 15 fps."""
    from diffgesture.data.importers.body import Body, layout_directions

    skeleton = SKELETONS["ted"]
    times = np.arange(600) / 120.0

    def body() -> Body:
        joints = {"neck": (0, 1.5, 0), "head": (0, 1.7, 0.05), "pelvis": (0, 1, 0)}
        for side, x in (("left", 1), ("right", -1)):
            joints |= {f"{side}_shoulder": (0.2 * x, 1.45, 0), f"{side}_elbow": (0.3 * x, 1.2, 0)}
            joints |= {f"{side}_wrist": (0.3 * x, 1.1, 0.2), f"{side}_hip": (0.1 * x, 1, 0)}
        tracks = {part: np.tile(np.array(place, float), (600, 1)) for part, place in joints.items()}
        tracks["left_wrist"][:, 1] += 0.05 * np.sin(2 * np.pi * 14 * times)
        return Body(120.0, tracks, [np.tile([0.0, 1.0, 0.0], (600, 1)), np.tile([0.0, 1.2, 0.0], (600, 1))])

    forearm = skeleton.bone("left_elbow", "left_wrist")
    published, smooth = (layout_directions(body(), skeleton, 15.0, low_pass=way)[8:-8] for way in (False, True))
    assert published[:, forearm, 1].std() > 0.1
    assert smooth[:, forearm, 1].std() < 0.02


def test_curves_go_to_weights_and_biases_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import sys
    import types

    logged: list = []
    run_of = types.SimpleNamespace(log=lambda values, step: logged.append((step, values)))
    stub = types.SimpleNamespace(init=lambda **options: logged.append(options) or run_of)
    monkeypatch.setitem(sys.modules, "wandb", stub)
    run(dataclasses.replace(SMALL, wandb="gestures", steps=2, log_steps=1), tmp_path / "a")
    assert logged[0]["project"] == "gestures"
    assert logged[0]["config"]["steps"] == 2
    assert {"train/pose", "learning_rate"} <= set(logged[1][1])
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match="pip install wandb"):
        run(dataclasses.replace(SMALL, wandb="gestures"), tmp_path / "b")


def test_takes_that_are_too_short_are_told_and_do_not_count_as_hours():
    from diffgesture.training.masked_recipe import MaskedRecipe

    long, short = take(0), take(1, 1.0)
    with pytest.warns(UserWarning, match=r"1 of 2 training takes \(1 s\) are shorter than a window of 30"):
        recipe = MaskedRecipe(dataclasses.replace(SMALL, window=30), [long, short], [long])
    assert recipe.hours == pytest.approx(6.0 / 3600)
    with pytest.warns(UserWarning, match="no validation loss"):
        assert not MaskedRecipe(SMALL, [long], []).validates


def test_as_published_takes_whole_batches_and_their_statistics(official: Path, tmp_path: Path, capsys):
    data = data_set(tmp_path / "d", [("a", "val", 34 + 10 * 129), ("b", "train", 40)])
    common = ("--checkpoint", official, "--data", data, "--legacy", "--steps", 1, "--device", "cpu", "--json")
    values = []
    for more in ((), ("--as-published",)):
        assert command(evaluate_command, *common, *more) == 0
        values.append(json.loads(capsys.readouterr().out)["legacy"])
    assert [value["windows"] for value in values] == [130, 128]
    assert values[0]["joint_mae"] != values[1]["joint_mae"]
    assert command(evaluate_command, *common, "--as-published", "--limit", 9) == 2
    assert "fill no batch of 128" in capsys.readouterr().err


def test_the_noise_schedule_of_the_configuration_is_the_samplers(tmp_path: Path, capsys):
    data = data_set(tmp_path / "d", [("a", "train", 60), ("b", "val", 60)])
    config = tmp_path / "c.toml"
    config.write_text(
        'layout = "ted"\nnetwork = "official"\nwindow = 34\noverlap = 8\nsteps = 1\nbatch_size = 2\n'
        "[model]\nhidden_dim = 16\nblock_depth = 2\n"
    )
    common = ("--config", config, "--data", data, "-o", tmp_path / "r", "--device", "cpu")
    assert command(train_command, *common, "--set", "diffusion.steps=20", "diffusion.beta_end=0.2") == 0
    checkpoint = tmp_path / "r" / "model.safetensors"
    assert read_card(checkpoint).diffusion == {"steps": 20, "beta_start": 1e-4, "beta_end": 0.2}
    soundfile.write(tmp_path / "a.wav", babble(2.0), 16_000)
    capsys.readouterr()
    for number, (asked, taken) in enumerate(((None, 20), (5, 5), (50, None))):
        steps = () if asked is None else ("--steps", asked)
        given = (tmp_path / "a.wav", "-o", tmp_path / f"{number}.npz", "--checkpoint", checkpoint)
        status = command(generate_command, *given, "--preset", "reference", "--json", "--device", "cpu", *steps)
        output = capsys.readouterr()
        if taken is None:
            assert status == 2
            assert "trained with 20 steps" in output.err
        else:
            assert json.loads(output.out)["steps"] == taken
