# SPDX-License-Identifier: GPL-3.0-or-later
"""Cues are measured by what they look like: hands, head, arrivals; and what sentences bring is counted."""

import json
from pathlib import Path

import numpy as np
import pytest
from diffgesture.errors import DataError
from diffgesture.evaluation.cue_geometry import arrivals, body_of
from diffgesture.evaluation.cue_tests import TESTS, shows
from diffgesture.evaluation.cues import CueScore, cue_table, plan_cues, seen_around
from diffgesture.evaluation.sentences import evaluate_sentences, read_sentences
from diffgesture.motion.skeletons import TED_EXPRESSIVE, neutral_directions
from diffgesture.words.strokes import arm_bones, library, turn_head
from diffgesture.words.tables import table
from diffgesture.words.vocabulary import vocabulary

HANGING = neutral_directions(TED_EXPRESSIVE)


def resting(frames: int) -> np.ndarray:
    """A body with arms that hang."""
    directions = np.tile(HANGING, (frames, 1, 1))
    arms = [b for b in arm_bones(TED_EXPRESSIVE, ("left", "right")) if TED_EXPRESSIVE.bone_names[b][:4] != "neck"]
    directions[:, arms] = np.array([0.0, -1.0, 0.1]) / np.hypot(1.0, 0.1)
    return directions


def test_every_class_has_a_test_and_the_library_passes_its_own() -> None:
    assert list(TESTS) == list(vocabulary())
    for name, strokes in library().strokes.items():
        for stroke in strokes:
            directions = resting(len(stroke.directions))
            bones = arm_bones(TED_EXPRESSIVE, stroke.sides)
            directions[:, bones] = stroke.directions[:, bones]
            body = body_of(directions, TED_EXPRESSIVE, library().fps)
            assert any(shows(name, body, side, stroke.arrival) for side in stroke.sides), (name, stroke.sides)


def test_a_resting_body_shows_nothing() -> None:
    body = body_of(resting(60), TED_EXPRESSIVE, 15.0)
    assert len(arrivals(body, "left")) == len(arrivals(body, "right")) == 0
    assert seen_around(body, 2.0) == {}


@pytest.mark.parametrize("name", ["nod", "shake", "tilt"])
def test_turns_of_the_head_are_seen_at_their_time_alone(name: str) -> None:
    directions = turn_head(resting(120), [(name, 4.0)], None, TED_EXPRESSIVE, 15.0, 0)
    body = body_of(directions, TED_EXPRESSIVE, 15.0)
    assert seen_around(body, 4.0)[name] <= 0.15
    assert name not in seen_around(body, 1.5)


def test_an_arrival_is_where_the_hand_comes_to_a_stop() -> None:
    directions = resting(60)
    bones = arm_bones(TED_EXPRESSIVE, ("right",))
    share = np.clip((np.arange(60) - 20) / 10.0, 0.0, 1.0)[:, None]
    raised = np.array([0.0, -0.2, 1.0]) / np.hypot(0.2, 1.0)
    mixed = directions[:, bones[1]] * (1 - share) + raised * share
    directions[:, bones] = (mixed / np.linalg.norm(mixed, axis=1, keepdims=True))[:, None]
    found = arrivals(body_of(directions, TED_EXPRESSIVE, 15.0), "right")
    assert len(found) == 1
    assert abs(found[0] - 30) <= 2


def test_cues_are_spread_over_speech_and_scores_are_shares() -> None:
    plans = plan_cues([30.0, 30.0, 1.0], seed=1)
    assert plans[2] == []
    assert len(plans[0]) == 7
    assert all(1.4 < time < 29.0 for _, time in plans[0])
    assert len({name for plan in plans for name, _ in plan}) == 14, "each class once before one comes again"
    score = CueScore(asked=4, unasked=1, errors=[0.1, 0.2, 0.0], seen_as={"you": 3})
    assert score.as_json() == {
        "asked": 4, "hit": 0.75, "without_cue": 0.25, "arrival_error": 0.1, "seen_as": {"you": 0.75},
    }  # fmt: skip
    assert "| you | 4 | 75% | 25% | 0.10 |" in cue_table({"you": score, "me": CueScore()})


def test_sentences_are_counted_by_what_they_mean(tmp_path: Path) -> None:
    path = tmp_path / "sentences.csv"
    path.write_text('sentence,concepts\n"Who is it?",question\nBanana.,deictic_me\nHello you!,hello\n')
    score = evaluate_sentences(read_sentences(path), table("en"))
    assert score.asked == {"question": 1, "deictic_me": 1, "hello": 1}
    assert score.found == {"question": 1, "deictic_me": 0, "hello": 1}
    assert score.false <= 1
    json.dumps(score.__dict__)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="columns"):
        read_sentences(path)
