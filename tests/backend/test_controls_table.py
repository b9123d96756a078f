# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of controls: sane rows, one sentence for what is wrong, and the page of the documents made of it."""

import argparse

import pytest
from conftest import ROOT
from diffgesture.controls import add_arguments, as_markdown, checked_controls, controls, controls_of
from diffgesture.errors import ConfigError


def test_defaults_lie_within_the_limits() -> None:
    for control in controls().values():
        assert control.checked(control.default) == control.default
        assert control.label
        assert control.help[0].isupper()
        assert not control.help.endswith(".")
        assert control.soft_max is None or control.min < control.soft_max <= control.max


def test_the_document_is_the_table() -> None:
    page = (ROOT / "docs" / "CONTROLS.md").read_text(encoding="utf-8")
    assert as_markdown() in page, "run: python -m diffgesture.controls > docs/CONTROLS.md"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seed": -1}, "seed must be a whole number between 0 and 2147483647, not -1"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"steps": True}, "steps must be a whole number"),
        ({"guidance": float("nan")}, "guidance must be a number"),
        ({"intensity": "1"}, "intensity must be a number"),
        ({"preset": "fast"}, "no preset 'fast'; choose default, reference"),
        ({"amounts": {"head": 3}}, "amount head must be a number between 0 and 2"),
        ({"amounts": {"tail": 1}}, "no amount 'tail'"),
        ({"amounts": 1}, "must give a number for each"),
        ({"tempo": 1}, "no control 'tempo'"),
    ],
)
def test_what_is_wrong_is_one_sentence(given: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        checked_controls(given)


def test_a_command_line_gives_the_same_values() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    parsed = parser.parse_args(["--seed", "4", "--amount", "head=0.5,torso=2", "--amount", "left_arm=0"])
    values = controls_of(parsed)
    assert (values["seed"], values["steps"], values["amount_head"], values["amount_left_arm"]) == (
        4,
        None,
        0.5,
        0.0,
    )
    assert values["amount_torso"] == 2.0
