# SPDX-License-Identifier: GPL-3.0-or-later
"""The real corpora on the canonical body, and a small data set made from them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, SHARED
from diffgesture.composing.corpora import Clip, DataError, load_motion, load_motion_set
from diffgesture.composing.plan import Library
from diffgesture.composing.units import wrists_in_chest
from diffgesture.data.dataset import Dataset
from diffgesture.evaluation.evaluation import takes_of_dataset
from diffgesture.evaluation.kinematics import speed_distance
from diffgesture.evaluation.summary import summary
from diffgesture.evaluation.takes import STILL, load_real_takes
from diffgesture.motion import canonical, contact, rotation

CORPORA = SHARED / "corpora"

pytestmark = pytest.mark.skipif(not (CORPORA / "motion").is_dir(), reason="the corpora are not beside the project")


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return load_motion(CORPORA)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    run_prepare("compose", CORPORA, "-o", folder, "--hours", "0.1", "--seed", "7")
    return folder


def run_prepare(*arguments: object, check: bool = True) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, ROOT / "backend" / "prepare.py", *arguments]
    return subprocess.run([str(c) for c in command], check=check, capture_output=True, text=True)


def test_sources_that_may_not_be_used_are_left_out(clips: list[Clip]) -> None:
    sets = {clip.motion_set for clip in clips}
    assert not sets & {"cmu_signals", "greta_gestures", "accad_male1"}
    assert not [clip.name for clip in clips if "sitting" in clip.posture.lower()]


def test_clips_keep_the_bone_directions_of_their_source(clips: list[Clip]) -> None:
    """Left upper arm and forearm of a SmartBody clip by forward kinematics of the source itself."""
    path = CORPORA / "motion" / "smartbody_male.npz"
    clip = next(c for c in clips if c.motion_set == "smartbody_male" and c.name.endswith("BeatMidBt01"))
    with np.load(path, allow_pickle=False) as archive:
        import json

        entries = json.loads(str(archive["meta"]))["clips"]
        index = next(e["index"] for e in entries if e["name"].endswith("BeatMidBt01"))
        names = [str(n) for n in archive["joint_names"]]
        local = rotation.unit(archive[f"{index}/rotations"].astype(float))
        parents, offsets = archive["parents"], archive["rest_offsets"].astype(float)
    world, position = {}, {}
    for j, parent in enumerate(parents):
        root = parent < 0
        world[j] = local[:, j] if root else rotation.mul(world[parent], local[:, j])
        position[j] = (
            np.zeros((len(local), 3)) if root else position[parent] + rotation.rotate(world[parent], offsets[j])
        )
    shoulder, elbow, wrist = (position[names.index(n)] for n in ("JtShoulderLf", "JtElbowLf", "JtWristLf"))
    expected = np.sum((elbow - shoulder) * (wrist - elbow), axis=-1)
    expected /= np.linalg.norm(elbow - shoulder, axis=-1) * np.linalg.norm(wrist - elbow, axis=-1)
    joints = canonical.forward_kinematics(canonical.to_global(clip.local))
    upper = joints[:, canonical.joint("left_forearm")] - joints[:, canonical.joint("left_upper_arm")]
    fore = joints[:, canonical.joint("left_hand")] - joints[:, canonical.joint("left_forearm")]
    cosine = np.sum(upper * fore, axis=-1) / (np.linalg.norm(upper, axis=-1) * np.linalg.norm(fore, axis=-1))
    assert cosine == pytest.approx(expected, abs=1e-6)


def test_standing_people_have_hanging_arms_and_face_forward(clips: list[Clip]) -> None:
    for motion_set, name in (
        ("smartbody_pn", "idle"),
        ("rocketbox_idle", "f_idle_neutral_01"),
        ("hifi_67", "idle_"),
    ):
        clip = next(c for c in clips if c.motion_set == motion_set and c.name.startswith(name))
        joints = canonical.forward_kinematics(canonical.to_global(clip.local))
        left, right = (joints[:, canonical.joint(f"{side}_hand")] for side in ("left", "right"))
        assert left[:, 0].min() > 0.1
        assert right[:, 0].max() < -0.1
        assert joints[:, canonical.joint("left_upper_arm"), 1].min() - left[:, 1].max() > 0.4
        chest = rotation.yaw(canonical.to_global(clip.local)[:, canonical.joint("chest")])
        assert np.abs(np.median(chest)) < np.deg2rad(6.0)


def test_marked_hands_are_the_moving_ones(clips: list[Clip]) -> None:
    """Left and right survive: clips named Lf or Rt move that wrist more."""
    right = 0
    named = [c for c in clips if c.name[-4:-2] in ("Lf", "Rt") and c.kind == "gesture"]
    for clip in named:
        travel = np.abs(np.diff(wrists_in_chest(clip.local), axis=0)).sum(axis=(0, 2))
        right += (travel[0] > travel[1]) == (clip.name[-4:-2] == "Lf")
    assert len(named) > 80
    assert right / len(named) > 0.95


def test_units_arrive_with_a_slow_hand_and_stay_out_of_the_body(clips: list[Clip]) -> None:
    library = Library.from_clips(clips)
    assert len(library.units) > 350
    for unit in library.units:
        assert unit.rise <= unit.core <= unit.arrival <= unit.hold_end < len(unit.local)
        assert unit.sides
    assert {rest.style for rest in library.rests} == {"sides", "front", "folded"}
    for rest in library.rests:
        assert contact.penetration(rest.local[None]).max() < 0.01


def test_missing_set_is_named(tmp_path: Path) -> None:
    (tmp_path / "motion").mkdir()
    with pytest.raises(DataError, match="smartbody_female"):
        load_motion(tmp_path)


def test_file_that_is_no_motion_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "odd.npz", x=np.zeros(3))
    with pytest.raises(DataError, match=r"odd\.npz"):
        load_motion_set(tmp_path / "odd.npz")


@pytest.mark.slow
def test_made_data_set_is_repeatable(made: Path, tmp_path: Path) -> None:
    run_prepare("compose", CORPORA, "-o", tmp_path, "--hours", "0.1", "--seed", "7")
    for name in ("dataset.json", "directions.npy", "audio.npy", "streams/style.npy", "streams/cues.npy"):
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes()


@pytest.mark.slow
def test_made_motion_moves_like_people_and_rests_in_silence(made: Path) -> None:
    data = Dataset(made)
    takes = [data.take(k) for k in range(len(data))]
    for _, directions in takes:
        assert np.linalg.norm(directions, axis=-1) == pytest.approx(1.0, abs=1e-5)
    # Speakers of whom nothing was asked; listeners and empty rooms hardly move.
    streams = [data.streams(k) for k in range(len(data))]
    plain = [s["role"].all() and not s["cues"].any() for s in streams]
    made = [take for take, speaks in zip(takes_of_dataset(data, None), plain, strict=True) if speaks]
    made = [take for take in made if take.speed.mean() > STILL]
    numbers = summary(made)
    assert 0.23 < numbers["wrist_speed_mean"] < 0.67
    assert 0.8 < numbers["wrist_speed_p95"] < 2.0
    assert numbers["energy_correlation"] - numbers["energy_correlation_shuffled"] > 0.35
    assert numbers["rest_ratio"] < 0.45
    assert speed_distance(made, load_real_takes(CORPORA / "real")).value < 0.2


def test_wrong_source_is_one_line_and_exit_status_2(tmp_path: Path) -> None:
    result = run_prepare("compose", tmp_path, "-o", tmp_path / "out", check=False)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "motion" in result.stderr
