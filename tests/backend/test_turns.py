# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns of a dialogue: one motion in which the character speaks in its own turns and listens in the others'."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, babble
from diffgesture.errors import ConfigError
from diffgesture.generation.synthesis import Settings, generate
from diffgesture.generation.turns import checked_turns, parse_turns
from diffgesture.model.checkpoint import load_checkpoint
from diffgesture.model.direction import AFTER_A_TURN, BEFORE_A_TURN, turn_columns
from diffgesture.motion.motion_file import load_motion


def hand_speed(directions: np.ndarray) -> np.ndarray:
    """(T,) how fast the directions of both forearms turn, radians a frame."""
    arms = directions[:, [2, 5]] if directions.shape[1] < 42 else directions[:, 4:10]
    return np.linalg.norm(np.diff(arms, axis=0, prepend=arms[:1]), axis=-1).mean(axis=1)


def test_columns_are_one_around_each_turn() -> None:
    column = turn_columns([(2.0, 3.0)], 90, 15.0)[:, 0]
    times = np.arange(90) / 15.0
    speaks = (times >= 2.0 - BEFORE_A_TURN) & (times <= 3.0 + AFTER_A_TURN)
    assert column.tolist() == speaks.astype(float).tolist()
    assert not turn_columns([], 30, 15.0).any()


def test_hands_speak_in_the_turns_and_rest_in_those_of_the_partner() -> None:
    """Two engines, one motion: much more movement where the character itself speaks."""
    audio = babble(24.0, seed=5)
    motions = {}
    for engine in ("numpy", "torch"):
        checkpoint = load_checkpoint(engine=engine)
        result = generate(audio, checkpoint, Settings(turns=[(0.0, 12.0)], seed=3))
        motions[engine] = result.motion.directions
    assert np.abs(motions["numpy"] - motions["torch"]).max() < 1e-3
    speed = hand_speed(motions["torch"])
    assert speed[15:180].mean() > 3.0 * speed[210:345].mean()


@pytest.mark.parametrize("text", ["2", "3-1", "a-b", "1-inf", "-1-2", "1-1"])
def test_a_turn_that_cannot_be_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="turn"):
        parse_turns(text)


@pytest.mark.parametrize("turns", [[1.0], [(1.0,)], ["ab"], [(2.0, 1.0)], [(float("nan"), 1.0)]])
def test_turns_are_pairs_of_seconds(turns: list) -> None:
    with pytest.raises(ConfigError, match="turn"):
        checked_turns(turns)


def test_command_line_takes_turns(tmp_path: Path, speech_file: Path) -> None:
    target = tmp_path / "motion.npz"
    command = [sys.executable, str(ROOT / "backend" / "generate.py"), str(speech_file), "-o", str(target)]
    done = subprocess.run(
        [*command, "--turns", "0-0.5", "--json", "--engine", "numpy"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["frames"] == len(load_motion(target).directions)
    bad = subprocess.run([*command, "--turns", "4-2"], capture_output=True, text=True, check=False)
    assert bad.returncode == 2
    assert "turn" in bad.stderr
    assert "Traceback" not in bad.stderr
