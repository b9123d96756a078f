# SPDX-License-Identifier: GPL-3.0-or-later
"""Official data: its files are read and its preparation is reproduced (the largest errors end the report)."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import note_error
from diffgesture.data.importers.arrow_stream import deserialize
from diffgesture.data.importers.filters import MOTION, POSE, SPINE_ANGLE, WindowFilter, filter_sequence
from diffgesture.data.importers.lmdb_file import LmdbFile
from diffgesture.data.importers.mean_poses import MEAN_POSES
from diffgesture.data.importers.resample import resample_published
from diffgesture.data.importers.ted import read_clips
from diffgesture.motion.skeletons import TED, TED_EXPRESSIVE, joints_to_directions
from diffgesture.training.config import load_config

SKELETON = {"ted": TED, "expressive": TED_EXPRESSIVE}
CONFIGS = Path(__file__).resolve().parents[2] / "backend" / "configs"
DATABASES = [f"{kind}_{split}" for kind in SKELETON for split in ("train", "val")]


@pytest.fixture(params=SKELETON)
def vectors(request, parity_folder: Path):
    return request.param, SKELETON[request.param], np.load(parity_folder / f"data_{request.param}.npz")


def largest_error(name: str, ours: np.ndarray, official: np.ndarray) -> float:
    assert ours.shape == official.shape
    error = float(np.abs(ours - official).max())
    note_error(name, error)
    return error


def test_parity_of_the_filters(vectors):
    kind, skeleton, data = vectors
    ours = [filter_sequence(sequence, skeleton, data["mean_pose"]) for sequence in data["filter_sequences"]]
    note_error(
        f"{kind} filters: share of other verdicts", float(np.mean(np.array(ours) != data["filter_results"]))
    )
    assert ours == data["filter_results"].tolist()


@pytest.mark.parametrize("name", [POSE, SPINE_ANGLE, MOTION])
def test_each_filter_can_be_switched_off(vectors, name: str):
    _, skeleton, data = vectors
    others = [other for other in (POSE, SPINE_ANGLE, MOTION) if other != name]
    rejected = data["filter_sequences"][data["filter_results"] == name]
    assert len(rejected)
    assert all(filter_sequence(sequence, skeleton, data["mean_pose"], others) != name for sequence in rejected)


def test_parity_of_the_resampling(vectors):
    kind, _, data = vectors
    ours = resample_published(data["resample_in"], float(data["resample_duration"]), 15)
    assert largest_error(f"{kind} resampling", ours, data["resample_out"]) < 1e-12


def test_parity_of_the_directions(vectors):
    kind, skeleton, data = vectors
    ours = joints_to_directions(data["resample_in"], skeleton)
    assert largest_error(f"{kind} directions", ours, data["dir_vec"]) < 1e-12


def test_parity_of_the_means(vectors):
    kind, skeleton, data = vectors
    assert largest_error(f"{kind} mean pose", MEAN_POSES[skeleton.name], data["mean_pose"]) < 1e-9
    config = load_config(CONFIGS / f"{skeleton.name}.toml")
    ours = np.asarray(config.mean_direction)
    assert largest_error(f"{kind} mean direction", ours, data["mean_dir_vec"]) < 1e-9


@pytest.mark.parametrize("name", DATABASES)
def test_parity_of_the_lmdb_reader(name: str, parity_folder: Path):
    kind, split = name.split("_")
    expected = json.loads((parity_folder / "lmdb" / "expected.json").read_text())
    expected = {key: value for key, value in expected.items() if key.startswith(f"{kind}/{split}/")}
    errors, seen = [0.0], set()
    for clip in read_clips(parity_folder / "lmdb" / name):
        key = f"{kind}/{split}/{clip.video}/{clip.index}"
        seen.add(key)
        wanted = expected[key]
        assert len(clip.skeletons) == wanted["frames"]
        assert clip.skeletons.shape[1] == SKELETON[kind].num_joints
        assert len(clip.audio) == wanted["audio_samples"]
        assert len(clip.words) == wanted["words"]
        assert clip.seconds == pytest.approx(wanted["duration"], abs=1e-9)
        sums = {
            "audio_abs_sum": np.abs(clip.audio.astype(np.float64)).sum(),
            "skeleton_sum": clip.skeletons.astype(np.float64).sum(),
        }
        errors += [abs(value - wanted[field]) / max(1.0, abs(wanted[field])) for field, value in sums.items()]
    note_error(f"{name}: sums of audio and motion", max(errors))
    assert seen == set(expected)
    assert max(errors) < 1e-9


@pytest.mark.parametrize("name", DATABASES)
def test_every_field_of_the_official_records_is_read(name: str, parity_folder: Path):
    with LmdbFile(parity_folder / "lmdb" / name) as database:
        videos = [deserialize(value) for _, value in database.records()]
        assert len(videos) == len(database)
    for video in videos:
        for clip in video["clips"]:
            assert clip["end_frame_no"] - clip["start_frame_no"] == len(clip["skeletons_3d"])
            assert clip["audio_feat"].shape[0] == 128
            assert all(isinstance(word, str) and begin < end for word, begin, end in clip["words"])


def test_windows_are_cut_as_published(parity_folder: Path):
    """floor((frames - 42) / 10) + 1 windows, each rejected for one reason or kept; two words are needed."""
    clip = next(read_clips(parity_folder / "lmdb" / "expressive_train"))
    joints = resample_published(clip.skeletons, clip.seconds, 15)
    count = (len(joints) - 42) // 10 + 1
    unfiltered = WindowFilter(TED_EXPRESSIVE, MEAN_POSES["ted_expressive"], ())
    assert unfiltered.pick(joints, 15, clip.words, clip.start) == [10 * k for k in range(count)]
    wordless = WindowFilter(TED_EXPRESSIVE, MEAN_POSES["ted_expressive"], ("words",))
    assert wordless.pick(joints, 15, clip.words[:1], clip.start) == []
    assert wordless.rejected["words"] == count
    two_words = wordless.pick(joints, 15, clip.words[:2], clip.start)
    assert two_words == [0]
