# SPDX-License-Identifier: GPL-3.0-or-later
"""Cues: the vocabulary, how they are written, and the strokes that show them."""

from pathlib import Path

import numpy as np
import pytest
from diffgesture.composing.cues import CUES, HEAD
from diffgesture.errors import ConfigError
from diffgesture.generation.spoken_cues import Spoken, directed
from diffgesture.generation.synthesis import Settings
from diffgesture.motion import rotation
from diffgesture.motion.constraints import Constraints
from diffgesture.motion.skeletons import TED_EXPRESSIVE, neutral_directions
from diffgesture.words.strokes import arm_bones, carry_with_trunk, library, turn_head, with_strokes
from diffgesture.words.vocabulary import cue_name, parse_cues, vocabulary, within


def test_every_class_of_the_composer_is_explained_and_can_be_shown() -> None:
    assert list(vocabulary()) == list(CUES)
    assert {*library().strokes, *HEAD} == set(CUES)


def test_names_as_people_write_them() -> None:
    assert [cue_name(text) for text in ("Count 3", "no", "count-1", "HELLO")] == [
        "count_3",
        "negation",
        "count_1",
        "greeting",
    ]
    with pytest.raises(ConfigError, match=r"'negaton'; did you mean negation"):
        cue_name("negaton")


def test_cues_of_a_command_line_and_of_files(tmp_path: Path) -> None:
    expected = [("you", 1.2), ("negation", 3.4)]
    assert parse_cues("3.4:no, 1.2:you") == expected
    (tmp_path / "a.json").write_text('[[3.4, "no"], {"time": 1.2, "cue": "you"}]')
    (tmp_path / "a.csv").write_text("\ufefftime,cue\n1.2,you\n\n3.4,negation\n", encoding="utf-8")
    assert parse_cues(str(tmp_path / "a.json")) == parse_cues(str(tmp_path / "a.csv")) == expected


@pytest.mark.parametrize("text", ["you", "x:you", "nan:you", "1.2:", "1.2:hovercraft"])
def test_a_cue_that_is_none_is_told_with_its_place(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--cues"):
        parse_cues(text)


def test_a_bad_line_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1.2,you\n3.4,hovercraft\n")
    with pytest.raises(ConfigError, match="line 2"):
        parse_cues(str(tmp_path / "a.csv"))


def test_times_outside_of_the_speech_are_told() -> None:
    kept, told = within([("you", 1.0), ("me", 9.0)], 5.0)
    assert kept == [("you", 1.0)]
    assert "me at 9 s" in told[0]


def test_settings_refuse_an_unknown_cue() -> None:
    assert Settings(cues=[("no", 1)]).cues == (("negation", 1.0),)
    with pytest.raises(ConfigError, match="did you mean"):
        Settings(cues=[("yuo", 1.0)])


def test_you_is_shown_forward_at_its_time_and_kept_poses_stay() -> None:
    kept = Constraints(np.zeros((90, 42, 3), np.float32), np.zeros((90, 42), bool), 15.0, "ted_expressive")
    kept.directions[30], kept.mask[30] = (0.0, -1.0, 0.0), True
    known, played = with_strokes([("you", 4.0), ("you", 2.0)], kept, TED_EXPRESSIVE, 15.0, 90, seed=3)
    assert known is not None
    assert played.told == []
    assert (known.directions[30] == (0.0, -1.0, 0.0)).all()
    shown = [b for b in np.flatnonzero(known.mask[60]) if TED_EXPRESSIVE.bone_names[b].endswith("_wrist")]
    assert shown
    assert known.directions[60, shown, 2].max() > 0.5
    assert not known.mask[45:52].any(), "the network leads from one to the other"


def test_mirrored_strokes_are_shown_by_the_other_hand() -> None:
    lefts = library().strokes["left"]
    assert {side for stroke in lefts for side in stroke.sides} == {"left", "right"}
    for stroke in lefts:
        arms = [b for b in arm_bones(TED_EXPRESSIVE, stroke.sides) if b in (3, 4, 20, 21)]
        assert stroke.directions[stroke.arrival, arms, 0].max() > 0, "+X is the character's left"


def test_strokes_turn_with_the_trunk_but_for_those_that_show_a_direction() -> None:
    turn = rotation.about(np.array([0.0, 1.0, 0.0]), np.deg2rad(30.0))
    still = np.tile(neutral_directions(TED_EXPRESSIVE), (90, 1, 1))
    turned = rotation.rotate(turn, still)
    for name in ("me", "you"):
        known, played = with_strokes([(name, 3.0)], None, TED_EXPRESSIVE, 15.0, 90, seed=0)
        assert known is not None
        shown = np.where(known.mask[..., None], known.directions, turned).astype(float)
        carried = carry_with_trunk(shown, played, None, TED_EXPRESSIVE)
        hand = np.flatnonzero(known.mask[45])
        expected = rotation.rotate(turn, shown[45, hand]) if name == "me" else shown[45, hand]
        assert np.abs(carried[45, hand] - expected).max() < 1e-6
        assert np.abs(carried[:15] - shown[:15]).max() < 1e-9


@pytest.mark.parametrize(("name", "axis"), [("nod", 1), ("shake", 0), ("tilt", 0)])
def test_the_head_turns_around_its_cue_alone(name: str, axis: int) -> None:
    still = np.tile(np.array([0.0, 0.6, 0.8]), (90, 42, 1))
    turned = turn_head(still, [(name, 3.0)], None, TED_EXPRESSIVE, 15.0, 0)
    moved = np.abs(turned - still).max(axis=(1, 2)) > 1e-6
    assert moved[45]
    assert not moved[:38].any()
    assert not moved[80:].any()
    assert np.ptp(turned[:, -5, axis]) > 0.1
    assert (turned[:, :37] == still[:, :37]).all()


def test_a_cue_lands_on_the_accent_of_its_word_unless_timing_is_exact() -> None:
    times = np.arange(32000) / 16000
    hum = np.random.default_rng(0).normal(0, 1, 32000)
    audio = hum * (
        0.01 + 0.3 * np.exp(-(((times - 1.06) / 0.05) ** 2)) + 0.1 * np.exp(-(((times - 0.5) / 0.05) ** 2))
    )
    asked = [("you", 1.0), ("me", 1.6)]
    moved = directed(Settings(cues=asked), Spoken(audio)).cues
    assert moved[0][1] == pytest.approx(1.06, abs=0.02)
    assert moved[1] == ("me", 1.6), "no accent is near"
    assert directed(Settings(cues=asked, cue_timing="exact"), Spoken(audio)).cues == tuple(asked)


def test_a_stroke_that_is_cut_short_is_told_and_a_free_hand_is_preferred() -> None:
    both = [("big", 2.0), ("big", 2.3)]
    known, played = with_strokes(both, None, TED_EXPRESSIVE, 15.0, 90, seed=0)
    assert known is not None
    assert len(played.told) == 1
    assert "big at 2.00 s is cut short" in played.told[0]
    for seed in range(8):
        _, played = with_strokes([("count_1", 2.0), ("count_2", 2.5)], None, TED_EXPRESSIVE, 15.0, 90, seed)
        assert played.told == [], "the other hand is free"
