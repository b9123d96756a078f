# SPDX-License-Identifier: GPL-3.0-or-later
"""Canonical body, prosody, composer and data set format, without any corpus."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import babble
from diffgesture.composing.compose import compose_motion, generator
from diffgesture.composing.composer import draw_style, make_plan, speech_runs
from diffgesture.composing.corpora import Clip, DataError, hinge_forearms
from diffgesture.composing.plan import Library, Plan
from diffgesture.composing.recordings import Recording, make_take
from diffgesture.composing.style import NUMBERS
from diffgesture.data.dataset import Dataset, DatasetWriter, samples_for, split_of_speakers
from diffgesture.evaluation.kinematics import hellinger
from diffgesture.evaluation.takes import take_of_directions
from diffgesture.motion import canonical, contact, rotation
from diffgesture.motion.skeletons import TED_EXPRESSIVE, neutral_directions
from diffgesture.speech.prosody import analyse, frame_rms, pauses
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**32 - 1)


def random_rotations(seed: int, *shape: int) -> np.ndarray:
    return rotation.unit(np.random.default_rng(seed).standard_normal((*shape, 4)))


def hanging_arms() -> np.ndarray:
    """A person at rest: arms down, elbows slightly bent."""
    local = canonical.t_pose()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        upper, fore = canonical.arm_joints(side)[:2]
        local[upper] = rotation.about(np.array([0.0, 0.0, 1.0]), -sign * np.deg2rad(78.0))
        local[fore] = rotation.about(np.array([0.0, 1.0, 0.0]), -sign * np.deg2rad(15.0))
    return local


def raised_clip(name: str, flexion_deg: float, sides: tuple[str, ...], frames: int = 60) -> Clip:
    """A gesture: forearms go up by ``flexion_deg`` in frames 10..22, stay, and go down from 40 on."""
    local = np.tile(hanging_arms(), (frames, 1, 1))
    times = np.arange(frames)
    level = np.interp(times, [10, 22, 40, 52], [0.0, 1.0, 1.0, 0.0])
    level = 0.5 - 0.5 * np.cos(np.pi * level)
    for side in sides:
        sign = 1.0 if side == "left" else -1.0
        fore = canonical.arm_joints(side)[1]
        angle = -sign * np.deg2rad(15.0 + flexion_deg * level)
        local[:, fore] = rotation.about(np.array([0.0, 1.0, 0.0]), angle)
    sync = {"ready": 0.33, "strokeStart": 0.4, "emphasis": 22 / 30, "stroke": 40 / 30, "relax": 41 / 30}
    return Clip("hifi_67", name, "gesture", "", name, "both", local, sync, "test")


@pytest.fixture(scope="module")
def library() -> Library:
    idle = Clip(
        "hifi_67", "idle_2016-05-09", "idle", "", "", "none", np.tile(hanging_arms(), (300, 1, 1)), None, "test"
    )
    gestures = [
        raised_clip(f"Wave{k}", 55.0 + 8.0 * k, ("right",) if k % 2 else ("left", "right")) for k in range(6)
    ]
    return Library.from_clips([idle, *gestures])


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return babble(15.0, seed=4, pause=(6.0, 9.0))


def test_neutral_pose_is_a_symmetric_t_pose_looking_ahead() -> None:
    directions = canonical.neutral_directions()
    assert directions == pytest.approx(neutral_directions(TED_EXPRESSIVE), abs=2e-3)
    bone = TED_EXPRESSIVE.bone
    assert np.linalg.norm(directions, axis=-1) == pytest.approx(1.0)
    assert directions[bone("left_shoulder", "left_elbow")] == pytest.approx([1, 0, 0], abs=1e-9)
    assert directions[bone("right_elbow", "right_wrist")] == pytest.approx([-1, 0, 0], abs=1e-9)
    # Palms down: the thumb leaves the hand forwards.
    assert directions[bone("left_wrist", "left_thumb1"), 2] > 0.5
    assert directions[bone("neck", "nose")] == pytest.approx([0, 0.682, 0.732], abs=2e-3)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_local_and_global_rotations_are_inverse(seed: int) -> None:
    local = random_rotations(seed, 3, canonical.NUM_JOINTS)
    assert canonical.to_local(canonical.to_global(local)) == pytest.approx(local, abs=1e-9)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_mirrored_motion_has_mirrored_joints(seed: int) -> None:
    local = random_rotations(seed, 2, canonical.NUM_JOINTS)
    positions = canonical.forward_kinematics(canonical.to_global(local))
    mirrored = canonical.forward_kinematics(canonical.to_global(canonical.mirror(local)))
    expected = positions[:, list(canonical.mirror_order())] * [-1.0, 1.0, 1.0]
    assert mirrored == pytest.approx(expected, abs=1e-9)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_rotation_log_and_exp_are_inverse(seed: int) -> None:
    q = random_rotations(seed, 8)
    back = rotation.exp(rotation.log(q))
    assert np.abs(np.sum(q * back, axis=-1)) == pytest.approx(1.0, abs=1e-9)


def test_slerp_goes_half_way_at_half_weight() -> None:
    axis = np.array([0.0, 1.0, 0.0])
    middle = rotation.slerp(rotation.about(axis, 0.2), rotation.about(axis, 1.0), 0.5)
    assert np.abs(np.sum(middle * rotation.about(axis, 0.6))) == pytest.approx(1.0)


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_forearm_hinges_keep_bone_directions(seed: int) -> None:
    local = np.tile(hanging_arms(), (5, 1, 1))
    rng = np.random.default_rng(seed)
    for joint in canonical.arm_joints("left")[:3] + canonical.arm_joints("right")[:3]:
        local[:, joint] = rotation.mul(local[:, joint], rotation.exp(0.5 * rng.standard_normal((1, 3))))
    before, after = canonical.directions(local), canonical.directions(hinge_forearms(local))
    assert after == pytest.approx(before, abs=1e-6)


def test_prosody_finds_the_pause_and_accents_only_in_speech(speech: np.ndarray) -> None:
    prosody = analyse(speech)
    long_pauses = pauses(prosody, 1.0)
    assert any(abs(a - 6.0) < 0.3 and abs(b - 9.0) < 0.3 for a, b in long_pauses)
    assert len(prosody.accents) >= 8
    assert not [a for a in prosody.accents if 6.1 < a.time < 8.9]


def test_silence_has_no_phrases() -> None:
    prosody = analyse(np.zeros(32000, dtype=np.float32))
    assert prosody.phrases == ()
    assert prosody.accents == ()


def test_frame_rms_of_a_sine() -> None:
    sine = np.sin(2 * np.pi * 200 * np.arange(16000) / 16000)
    assert frame_rms(sine, 0.2, 30.0)[5:-5] == pytest.approx(np.sqrt(0.5), rel=1e-3)


def test_hands_arrive_on_or_just_after_accents(library: Library, speech: np.ndarray) -> None:
    prosody = analyse(speech)
    plan = make_plan(prosody, library, draw_style(library, generator(1, "a")), generator(2, "a"))
    assert plan.placements
    accents = np.array([a.time for a in prosody.accents])
    for placement in plan.placements:
        lags = placement.arrival - accents
        assert ((lags > -0.05) & (lags < 0.35)).any()


def test_same_seed_gives_the_same_motion_and_another_seed_does_not(library: Library, speech: np.ndarray) -> None:
    prosody = analyse(speech)
    first, again = (compose_motion(prosody, 225, library, 1, "a", 0) for _ in range(2))
    other = compose_motion(prosody, 225, library, 2, "a", 0)
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_hands_move_in_speech_and_rest_in_a_long_pause(library: Library, speech: np.ndarray) -> None:
    prosody = analyse(speech)
    ratios = []
    for seed in range(4):
        local = compose_motion(prosody, 225, library, seed, "a", 0)
        made = take_of_directions("a", speech, canonical.directions(local[::2]), "ted_expressive", 15.0)
        in_speech, in_pause = made.speech_and_pauses
        ratios.append(made.speed[in_pause].mean() / made.speed[in_speech].mean())
        # Hands sink, wait and go back to rest: most of the time they are still.
        assert np.median(made.speed[round(7.0 * 30) : round(8.6 * 30)]) < 0.05
    # They come down after the last word, not before it.
    assert np.mean(ratios) < 0.6


def test_without_speech_the_body_idles(library: Library) -> None:
    prosody = analyse(np.zeros(16000 * 6, dtype=np.float32))
    local = compose_motion(prosody, 90, library, 3, "a", 0)
    nose = canonical.layout_joints(canonical.to_global(local))[:, 38]
    made = take_of_directions("", np.zeros(16000 * 6), canonical.directions(local[::2]), "ted_expressive", 15.0)
    assert made.speed.max() < 0.15
    assert nose.std(axis=0).max() > 1e-4


def test_speech_runs_join_over_short_pauses_only(speech: np.ndarray) -> None:
    prosody = analyse(speech)
    runs = speech_runs(prosody)
    assert all(b[0] - a[1] >= 0.6 for a, b in itertools.pairwise(runs))
    assert runs[0][0] == prosody.phrases[0][0]
    assert runs[-1][1] == prosody.phrases[-1][1]


def test_contact_takes_a_hand_out_of_the_trunk() -> None:
    local = np.tile(hanging_arms(), (40, 1, 1))
    level = np.clip((np.arange(40) - 8) / 12.0, 0.0, 1.0)
    # The right arm turns inwards and folds: the hand would end inside the belly.
    upper, fore = canonical.arm_joints("right")[:2]
    local[:, upper] = rotation.mul(local[:, upper], rotation.about(np.array([1.0, 0.0, 0.0]), 1.3 * level))
    local[:, fore] = rotation.about(np.array([0.0, 1.0, 0.0]), np.deg2rad(15.0 + 80.0 * level))
    assert contact.penetration(local).max() > 0.03
    assert contact.penetration(contact.resolve(local)).max() < 0.012


def test_elbows_do_not_bend_backwards() -> None:
    local = np.tile(hanging_arms(), (3, 1, 1))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        local[:, canonical.arm_joints(side)[1]] = rotation.about(np.array([0.0, 1.0, 0.0]), sign * 0.3)
    limited = contact.limit_elbows(local)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        flexion = -sign * rotation.log(limited[:, canonical.arm_joints(side)[1]])[:, 1]
        assert flexion.min() > 0.0


def test_take_is_a_whole_number_of_frames_and_keeps_the_speech(speech: np.ndarray) -> None:
    recording = Recording("r", "s", speech, "test")
    audio, prosody = make_take([(recording, analyse(speech))] * 2, 15.0, generator(1, "take"))
    frames = round(len(audio) / 16000 * 15)
    assert len(audio) == samples_for(frames, 15.0)
    assert len(audio) >= 2 * len(speech)
    assert np.abs(audio).max() <= 1.0
    assert len(prosody.accents) >= 2 * 8


def write_dataset(folder: Path) -> np.ndarray:
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((31, 42, 3)).astype(np.float32)
    writer = DatasetWriter(folder, "ted_expressive", 15.0)
    writer.add("a", "s1", "train", 0.5 * np.ones(40000), directions[:20], "CC", "x")
    writer.add("b", "s2", "val", np.zeros(5), directions[20:], "CC", "y")
    writer.close({}, {})
    return directions


def test_dataset_gives_back_what_was_written(tmp_path: Path) -> None:
    directions = write_dataset(tmp_path)
    data = Dataset(tmp_path, layout="ted_expressive")
    audio, first = data.take(0)
    assert np.array_equal(first, directions[:20])
    assert np.array_equal(data.take(1)[1], directions[20:])
    assert len(audio) == samples_for(20, 15.0)
    assert audio == pytest.approx(0.5, abs=1e-4)
    assert len(data.take(1)[0]) == samples_for(11, 15.0)
    assert data.indices("val") == [1]


@pytest.mark.parametrize("field", ["layout", "fps", "frame", "sample_rate", "takes"])
def test_dataset_names_a_missing_field(tmp_path: Path, field: str) -> None:
    write_dataset(tmp_path)
    path = tmp_path / "dataset.json"
    card = json.loads(path.read_text())
    del card[field]
    path.write_text(json.dumps(card))
    with pytest.raises(DataError, match=f"dataset.json: field '{field}'"):
        Dataset(tmp_path)


def test_dataset_of_another_layout_is_refused(tmp_path: Path) -> None:
    write_dataset(tmp_path)
    with pytest.raises(DataError, match="'ted' is needed"):
        Dataset(tmp_path, layout="ted")


def test_dataset_with_lengths_that_do_not_add_up_is_refused(tmp_path: Path) -> None:
    directions = write_dataset(tmp_path)
    np.save(tmp_path / "directions.npy", directions[:-1])
    with pytest.raises(DataError, match=r"directions\.npy has 30 entries, but the takes add up to 31"):
        Dataset(tmp_path)


def test_dataset_with_nan_is_refused(tmp_path: Path) -> None:
    directions = write_dataset(tmp_path)
    directions[25, 3, 1] = np.nan
    np.save(tmp_path / "directions.npy", directions)
    with pytest.raises(DataError, match="take 'b' contains NaN or infinity"):
        Dataset(tmp_path).take(1)


def test_writer_refuses_a_wrong_shape(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path, "ted_expressive", 15.0)
    with pytest.raises(DataError, match=r"needs \(T, 42, 3\)"):
        writer.add("a", "s", "train", np.zeros(10), np.zeros((4, 9, 3)), "", "")


def test_speakers_are_split_without_overlap() -> None:
    names = [f"s{k}" for k in range(50)]
    splits = split_of_speakers(names * 2, 0.08, np.random.default_rng(1))
    assert sorted(splits) == sorted(names)
    assert sum(split == "val" for split in splits.values()) == 4


def test_hellinger_distance_of_equal_and_of_disjoint_histograms() -> None:
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.0, 1.0])
    assert hellinger(p, p) == pytest.approx(0.0, abs=1e-6)
    assert hellinger(p, q) == pytest.approx(1.0)


def test_the_numbers_of_a_style_are_seen_in_the_plan(library: Library):
    """Twice the rate is about twice the strokes; one-handed speakers use one hand; strokes differ in size."""
    prosody = analyse(babble(40.0, 3))

    def plan(**numbers: float) -> Plan:
        rng = generator(0, "style")
        style = draw_style(library, rng)
        return make_plan(prosody, library, replace(style, numbers={**dict.fromkeys(NUMBERS, 0.0), **numbers}), rng)

    def strokes(plan: Plan) -> int:
        return len({round(p.arrival, 1) for p in plan.placements}) + len(plan.beats)

    slow, usual, fast = (strokes(plan(rate=x)) for x in (-1.0, 0.0, 1.0))
    assert 1.25 * slow < usual < fast / 1.15

    def both(plan: Plan) -> float:
        return float(np.mean([len(phrase.hands) == 2 for phrase in plan.phrases]))

    assert both(plan(two_handedness=-1.0)) < both(plan(two_handedness=1.0)) - 0.5
    small, large = (np.median([p.amplitude for p in plan(size=x).placements]) for x in (-1.0, 1.0))
    assert large > 1.6 * small
