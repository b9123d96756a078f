# SPDX-License-Identifier: GPL-3.0-or-later
"""The honest panel: known answers on made takes, and no crash on silence, stillness and tiny sets."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import SHARED, babble
from diffgesture.errors import AudioError, DataError
from diffgesture.evaluation import anatomy, kinematics, synchrony
from diffgesture.evaluation.report import markdown_table, save_plots
from diffgesture.evaluation.scorecard import ROWS, measure, measure_real
from diffgesture.evaluation.takes import (
    ARM_LENGTHS,
    Take,
    load_real_take,
    load_real_takes,
    take_of_directions,
)
from diffgesture.motion.skeletons import SKELETONS, TED, TED_EXPRESSIVE, neutral_directions, normalize
from hypothesis import given, settings
from hypothesis import strategies as st

RATE = 16_000


def swinging(
    seconds: float, hertz: float = 1.0, angle: float = 0.3, fps: float = 30.0, audio=None, gate=None
) -> Take:
    """Both forearms swing up and down from the T-pose by ``angle`` (radians), where ``gate`` (T,) lets them."""
    times = np.arange(round(seconds * fps)) / fps
    swing = angle * np.sin(2 * np.pi * hertz * times) * (1 if gate is None else gate)
    arms = np.zeros((len(times), 6, 3))
    arms[:, :3, 0], arms[:, 3:, 0] = 1, -1
    for column, sign in ((2, 1), (5, -1)):
        arms[:, column] = np.stack([sign * np.cos(swing), np.sin(swing), 0 * swing], axis=1)
    audio = np.zeros(round(seconds * RATE), dtype=np.float32) if audio is None else audio
    return Take(f"swing {hertz:g}", audio, fps, arms)


def test_wrist_speed_jerk_and_diversity_of_a_known_swing():
    slow, twice = swinging(20, 0.5), swinging(20, 0.5, angle=0.15)
    forearm, angular = ARM_LENGTHS[2], 2 * np.pi * 0.5
    # Mean |cos| is 2 / pi; the filter and the ends take a little.
    assert slow.speed.mean() == pytest.approx(forearm * 0.3 * angular * 2 / np.pi, rel=0.02)
    # Not linear: turning about the elbow adds a part that grows with the angle's square.
    assert kinematics.jerk_ratio([twice], [slow]).value == pytest.approx(0.5, rel=0.15)
    assert kinematics.diversity_ratio([twice], [slow]).value == pytest.approx(0.5, rel=0.05)
    assert kinematics.speed_distance([slow], [slow]).value == pytest.approx(0, abs=1e-6)
    assert 0.2 < kinematics.speed_distance([slow], [swinging(20, 3)]).value <= 1


def test_rate_of_the_source_hardly_matters():
    fast, coarse = swinging(20, 1.0), swinging(20, 1.0, fps=15.0)
    assert len(coarse.arms) == len(fast.arms) == 600
    assert coarse.speed.mean() == pytest.approx(fast.speed.mean(), rel=0.02)


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda p: sum(p) > 0.1))
@settings(max_examples=30, deadline=None)
def test_hellinger_is_a_distance(values):
    p, q = np.asarray(values) / sum(values), np.full(4, 0.25)
    assert kinematics.hellinger(p, p) == pytest.approx(0, abs=1e-7)
    assert 0 <= kinematics.hellinger(p, q) == pytest.approx(kinematics.hellinger(q, p))
    assert kinematics.hellinger(np.eye(4)[0], np.eye(4)[1]) == 1


def test_arms_that_follow_the_voice_are_told_from_arms_that_do_not():
    rng = np.random.default_rng(0)
    voiced = np.repeat(rng.integers(0, 2, 20), 2 * 30).astype(float)
    voiced[:60], voiced[60:120] = 1, 0
    sound = babble(40, seed=1) * voiced[np.arange(40 * RATE) * 30 // RATE]
    with_voice = swinging(40, 1.5, audio=sound, gate=voiced)
    against = swinging(40, 1.5, audio=sound, gate=1 - voiced)
    followed, opposed = (synchrony.energy_correlation([take]) for take in (with_voice, against))
    assert followed.paired.value > 0.7
    assert followed.difference.value > 0.5
    assert followed.difference.p_value < 0.01
    assert opposed.difference.value < -0.5
    assert opposed.difference.p_value > 0.9
    assert synchrony.rest_ratio([with_voice]).value < 0.25
    assert synchrony.rest_ratio([against]).value > 2


def test_beats_on_the_onsets_score_above_shifted_speech():
    """Clicks at irregular times; the arms turn round (stand still for a moment) exactly on each of them."""
    rng = np.random.default_rng(3)
    clicks = np.cumsum(rng.uniform(0.35, 0.9, 60))
    seconds = float(np.ceil(clicks[-1])) + 1
    sound = np.zeros(round(seconds * RATE), dtype=np.float32)
    for click in clicks:
        start = round(click * RATE)
        sound[start : start + 800] = 0.5 * np.hanning(800) * np.sin(np.arange(800) * 0.3)
    knots = np.concatenate([[0.0], clicks, [seconds]])
    times = np.arange(round(seconds * 30)) / 30
    phase = np.interp(times, knots, np.arange(len(knots)))
    take = swinging(seconds, audio=sound)
    swing = 0.4 * np.cos(np.pi * phase)
    for column, sign in ((2, 1), (5, -1)):
        take.arm_directions[:, column] = np.stack([sign * np.cos(swing), np.sin(swing), 0 * swing], axis=1)
    far, near = synchrony.beat_consistency([take])
    assert far.paired.value > 0.6
    for score in (far, near):
        assert score.difference.value > 0.1
        assert score.difference.p_value < 0.01
    other = swinging(seconds, 1.37, audio=sound)
    assert synchrony.beat_consistency([other])[0].difference.p_value > 0.05


def test_a_take_made_in_one_piece_has_no_seams():
    take = dataclasses.replace(swinging(10), seams=None)
    assert kinematics.seam_ratio([take]).value == 1.0
    assert "one piece" in kinematics.seam_ratio([take]).note


def test_seams_that_jump_are_seen():
    smooth = swinging(20, 0.5, fps=15)
    seams = (90, 180)
    arms = smooth.arm_directions.copy()
    kept = Take("kept", smooth.audio, 15, arms, seams=seams)
    assert kinematics.seam_ratio([kept]).value < 1.5
    arms = arms.copy()
    arms[90:180, 2] = normalize(arms[90:180, 2] + [0, 0, 0.4])
    assert kinematics.seam_ratio([Take("jumps", smooth.audio, 15, arms, seams=seams)]).value > 5
    assert kinematics.seam_ratio([smooth]).value is None


def test_frechet_distance_ranks_and_has_a_floor():
    rng = np.random.default_rng(0)

    def wander(name, scale, seconds=90):
        knots = np.cumsum(rng.normal(size=(seconds * 2, 2)), axis=0)
        knots = scale * (knots - np.linspace(knots[0], knots[-1], len(knots)))
        take = swinging(seconds)
        angles = np.stack([np.interp(np.arange(seconds * 30) / 15, np.arange(seconds * 2), k) for k in knots.T], 1)
        for column, sign in ((2, 1), (5, -1)):
            a, b = angles.T
            take.arm_directions[:, column] = np.stack([sign * np.cos(a) * np.cos(b), np.sin(a), np.sin(b)], 1)
        return Take(name, take.audio, 30, normalize(take.arm_directions))

    real = [wander(f"r{k}", 0.1) for k in range(3)]
    near, far = wander("near", 0.1), wander("far", 0.4)
    floor = kinematics.gesture_distance_floor(real)
    close, distant = (kinematics.gesture_distance([take], real) for take in (near, far))
    assert close.low <= close.value <= close.high
    assert close.value < distant.low
    assert 0 < floor.value < distant.value


def test_anatomy_of_possible_and_impossible_poses():
    for skeleton in (TED, TED_EXPRESSIVE):
        pose = np.tile(neutral_directions(skeleton), (4, 1, 1))
        pose[1, skeleton.bone("left_elbow", "left_wrist")] = (-1, 0, 0.05)  # folded flat
        pose[2, skeleton.bone("right_shoulder", "right_elbow")] = (0.1, 0, -1)  # straight back at shoulder height
        hand = normalize(np.asarray([[-0.6, -0.75, -0.1], [-0.2, -1.0, 0.0]]))
        pose[3, skeleton.bone("left_shoulder", "left_elbow")] = hand[0]
        pose[3, skeleton.bone("left_elbow", "left_wrist")] = hand[1]
        pose = normalize(pose)
        assert anatomy.joint_limits(pose, skeleton)[:3].tolist() == [True, False, False]
        depth = anatomy.torso_depth(pose, skeleton)
        assert depth[0] == 0
        assert depth[3] > 0.02
        take = take_of_directions("poses", np.zeros(RATE), 1.01 * pose, skeleton.name, 15)
        assert anatomy.unit_norm_error([take]).value == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("seconds", [0.1, 0.3, 1.5, 9.0])
def test_silence_stillness_and_tiny_sets_are_undefined_not_errors(seconds: float):
    frames = max(1, round(seconds * 15))
    still = np.tile(neutral_directions(TED_EXPRESSIVE), (frames, 1, 1)).astype(np.float32)
    silence = np.zeros(round(seconds * RATE), dtype=np.float32)
    take = take_of_directions("still", silence, still, "ted_expressive", 15, seconds_to_generate=0.1)
    moving = swinging(seconds, audio=babble(seconds))
    for takes, real in (([take], []), ([take], [take]), ([take], [moving]), ([moving], [take])):
        column = measure(takes, real)
        assert list(column) == list(ROWS)
        for value in column.values():
            assert (value.value is None) == bool(value.note)
            assert value.value is None or np.isfinite(value.value)
        json.dumps({name: value.as_json() for name, value in column.items()}, allow_nan=False)
    together, _ = measure_real([take])
    assert together["rest_ratio"].value is None
    with pytest.raises(ValueError, match="no takes"):
        measure([], [take])


def test_table_and_plots(tmp_path: Path):
    take = swinging(9, audio=babble(9))
    columns = {"ours": measure([take], [take, swinging(9, 2)])}
    table = markdown_table(columns)
    assert table.count("\n") > len(ROWS) + 2
    assert "undefined, not generated here" in table
    paths = save_plots(tmp_path, {"ours": [take], "real": []})
    assert all(path.stat().st_size > 5000 for path in paths)


def save_take(folder: Path, name: str, **changes) -> Path:
    """A positions-only real take of 2 s, with fields replaced or (None) left out."""
    joints = ["Hips", "Spine3", "LeftArm", "LeftForeArm", "LeftHand", "RightArm", "RightForeArm", "RightHand"]
    take = swinging(2)
    left, right = (np.cumsum(take.arm_directions[:, part], axis=1) for part in (slice(0, 3), slice(3, 6)))
    origin = np.zeros((60, 2, 3))
    fields = {
        "joint_names": np.asarray(joints),
        "0/positions": np.concatenate([origin, left, right], axis=1).astype(np.float32),
        "meta": np.str_(json.dumps({"clips": [{"fps": 30, "audio": f"{name}.flac"}]})),
    } | changes
    np.savez(folder / f"{name}.npz", **{key: value for key, value in fields.items() if value is not None})
    soundfile.write(folder / f"{name}.flac", babble(2), RATE)
    return folder / f"{name}.npz"


def test_real_takes_of_positions(tmp_path: Path):
    take = load_real_take(save_take(tmp_path, "good"))
    np.testing.assert_allclose(take.arm_directions, swinging(2).arm_directions, atol=1e-6)
    assert take.directions is None
    assert len(take.audio) == 2 * RATE


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"meta": None}, "meta"),
        ({"meta": np.str_("{}")}, "clips"),
        ({"meta": np.str_("[")}, "meta"),
        ({"0/positions": None}, "0/rotations"),
        ({"joint_names": np.asarray(list("abcdefgh"))}, "no joint that is known as left shoulder"),
        ({"0/positions": np.full((60, 8, 3), np.nan)}, "NaN or infinity"),
        ({"0/positions": np.ones((600, 8, 3))}, "lasts 20.0 s"),
        ({"joint_names": np.asarray([None], dtype=object)}, "that can be read"),
    ],
)
def test_bad_real_takes_get_a_sentence(changes, problem: str, tmp_path: Path):
    path = save_take(tmp_path, "bad", **changes)
    with pytest.raises(DataError, match=problem) as caught:
        load_real_take(path)
    assert "bad" in str(caught.value)


def test_a_real_take_without_its_audio(tmp_path: Path):
    save_take(tmp_path, "mute").with_suffix(".flac").unlink()
    with pytest.raises(AudioError, match=r"mute\.flac"):
        load_real_takes(tmp_path)
    with pytest.raises(DataError, match="no real takes"):
        load_real_takes(tmp_path / "nothing")


def test_real_people_are_inside_the_limits():
    """The recorded takes pass the tests of anatomy, so a model that does not is at fault."""
    folder = SHARED / "corpora" / "real"
    if not folder.is_dir():
        pytest.skip("the real takes are not there")
    takes = load_real_takes(folder)
    full = [take for take in takes if take.directions is not None]
    assert len(full) == 2
    assert anatomy.frames_inside_limits(full).value > 0.99
    assert anatomy.frames_with_hands_outside(full).value > 0.95
    for take in full:
        assert take.layout == "ted_expressive"
        nose = take.directions[:, SKELETONS[take.layout].bone("neck", "nose")].mean(axis=0)
        assert nose[2] > 0.3
    for take in takes:
        left, right = take.arms[:, 0].mean(axis=0), take.arms[:, 3].mean(axis=0)
        assert left[0] > 0.1 > -0.1 > right[0]
