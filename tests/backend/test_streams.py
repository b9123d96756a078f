# SPDX-License-Identifier: GPL-3.0-or-later
"""Style, cues and role: from the composer to the data set, the batches and the checkpoint's card."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import babble
from diffgesture.composing import sounds
from diffgesture.composing.arm_pose import palm_direction, reach
from diffgesture.composing.capture import disturb
from diffgesture.composing.compose import STREAMS, compose_performance, generator
from diffgesture.composing.composer import draw_style
from diffgesture.composing.corpora import Clip
from diffgesture.composing.cues import CUES, CueEvent, cue_stream, head_cue
from diffgesture.composing.plan import Library
from diffgesture.composing.style import NUMBERS, STYLE_COLUMNS
from diffgesture.composing.units import wrists_in_chest
from diffgesture.data.dataset import Dataset, DatasetWriter
from diffgesture.errors import DataError
from diffgesture.evaluation.character import character, gestures
from diffgesture.evaluation.takes import STILL, take_of_directions
from diffgesture.generation.default_preset import stream_guidance
from diffgesture.model.card import SamplerSettings
from diffgesture.model.checkpoint import load_checkpoint
from diffgesture.model.direction import BUMP, role_columns, style_columns
from diffgesture.motion import canonical
from diffgesture.motion.skeletons import TED_EXPRESSIVE, neutral_directions
from diffgesture.speech.prosody import analyse
from diffgesture.training.batches import BatchMaker, Normalisation, collect_takes, mirror_columns
from diffgesture.training.config import AugmentConfig
from diffgesture.training.distributed import Group
from diffgesture.training.loop import train
from diffgesture.training.masked_recipe import MaskedRecipe
from test_composer import hanging_arms, raised_clip
from test_training import SMALL, take


@pytest.fixture(scope="module")
def library() -> Library:
    idle = Clip(
        "hifi_67", "idle_2016-05-09", "idle", "", "", "none", np.tile(hanging_arms(), (300, 1, 1)), None, "test"
    )
    gestures = [
        raised_clip(f"Wave{k}", 55.0 + 8.0 * k, ("right",) if k % 3 == 0 else ("left", "right")) for k in range(9)
    ]
    plain = Library.from_clips([idle, *gestures])
    return dataclasses.replace(plain, cues={"stop": plain.units[:2]})


def test_cue_rises_to_one_at_its_arrival_and_is_gone_a_bump_away() -> None:
    stream = cue_stream([CueEvent("negation", 2.0), CueEvent("nod", 2.2)], 60, 15.0)
    column = stream[:, CUES.index("negation")]
    assert column[30] == 1.0
    assert column.argmax() == 30
    assert not column[np.abs(np.arange(60) / 15.0 - 2.0) > BUMP + 1e-6].any()
    assert np.diff(column[26:31]).min() > 0
    assert stream[33, CUES.index("nod")] == 1.0
    assert stream.sum(axis=0).astype(bool).sum() == 2


def test_what_is_not_said_is_an_average_speaker_with_hanging_arms() -> None:
    columns = ("rate", "size", "rest_sides", "rest_front")
    assert style_columns({"size": 0.5}, columns, 3).tolist() == [[0.0, 0.5, 1.0, 0.0]] * 3
    assert style_columns({"rest_front": 1.0}, columns, 1).tolist() == [[0.0, 0.0, 0.0, 1.0]]
    assert role_columns("listener", 2).tolist() == [[0.0], [0.0]]
    assert role_columns("speaker", 1).tolist() == [[1.0]]


def test_a_cue_is_played_when_it_was_asked_for(library: Library) -> None:
    prosody = analyse(babble(20.0, seed=2))
    style = draw_style(library, generator(3))
    made = compose_performance(prosody, 300, library, style, generator(4), cue_rate=0.5)
    assert made.cues
    streams = made.streams()
    assert {name: stream.shape for name, stream in streams.items()} == {
        name: (300, len(columns)) for name, columns in STREAMS.items()
    }
    assert streams["cues"].max() > 0.9
    stops = [cue for cue in made.cues if cue.name == "stop" and 1 < cue.time < 19]
    assert stops
    wrists = wrists_in_chest(made.local)[..., 1].max(axis=1)
    assert all(wrists[round(cue.time * 30)] > -0.25 for cue in stops)


def test_head_cues_go_down_and_to_both_sides() -> None:
    times = np.arange(120) / 30.0
    nod = np.degrees(head_cue(CueEvent("nod", 2.0), times, generator(1)))
    shake = np.degrees(head_cue(CueEvent("shake", 2.0), times, generator(1)))
    assert nod[55:66, 0].max() > 8
    assert abs(nod[:40]).max() < 0.1
    assert shake[:, 1].max() > 8
    assert shake[:, 1].min() < -8


def test_a_listener_keeps_the_hands_down_and_the_head_alive(library: Library) -> None:
    prosody = analyse(babble(20.0, seed=5, pause=(8.0, 10.0)))
    made = compose_performance(
        prosody, 300, library, draw_style(library, generator(6)), generator(7), listening=True
    )
    assert not made.streams()["role"].any()
    motion = take_of_directions("a", np.zeros(320_000), made.directions(), "ted_expressive", 15.0)
    assert motion.speed.max() < 0.25
    assert 6 < character([motion])["head_rate"].value < 30


@pytest.mark.parametrize(("number", "measure"), [("body", "trunk_rate"), ("head", "head_rate")])
def test_style_numbers_mean_what_they_say(library: Library, number: str, measure: str) -> None:
    speech = babble(15.0, seed=8, pause=(7.0, 8.0))
    prosody = analyse(speech)
    values = []
    for value in (-1.0, 1.0):
        style = draw_style(library, generator(9))
        style = dataclasses.replace(style, numbers={**dict.fromkeys(NUMBERS, 0.0), number: value})
        assert style.values()[STYLE_COLUMNS.index(number)] == value
        made = compose_performance(prosody, 225, library, style, generator(10))
        motion = take_of_directions("a", speech, made.directions(), "ted_expressive", 15.0)
        values.append(character([motion])[measure].value)
    assert values[1] > 1.25 * values[0]


def test_reach_puts_wrist_and_palm_where_they_were_asked_for() -> None:
    local = canonical.t_pose()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        reach(local, side, np.array([sign * 0.2, 0.05, 0.35]), np.array([0.0, 1.0, 0.0]))
        assert palm_direction(local, side) == pytest.approx([0.0, 1.0, 0.0], abs=1e-6)
    assert wrists_in_chest(local[None])[0] == pytest.approx(
        np.array([[0.2, 0.05, 0.35], [-0.2, 0.05, 0.35]]), abs=2e-3
    )


def test_sounds_have_their_level_and_never_end_in_nan() -> None:
    for name, make in sounds.SOUNDS.items():
        sound = make(48_000, generator(11, name))
        assert sound.shape == (48_000,)
        assert np.sqrt(np.mean(sound**2)) == pytest.approx(1.0, abs=0.15)


def test_disturbed_speech_is_as_long_and_within_range() -> None:
    audio = babble(6.0, seed=3, pause=(2.0, 4.0))
    prosody = analyse(audio)
    made = [disturb(audio, prosody, generator(seed)) for seed in range(12)]
    assert all(one.shape == audio.shape and np.abs(one).max() <= 1.0 for one in made)
    assert len({round(float(one.std()), 6) for one in made}) > 6


def test_streams_come_back_from_the_data_set(tmp_path: Path) -> None:
    directions = np.tile(neutral_directions(TED_EXPRESSIVE), (20, 1, 1)).astype(np.float32)
    values = np.linspace(-1, 1, 40).reshape(20, 2)
    writer = DatasetWriter(tmp_path, "ted_expressive", 15.0, {"style": ("rate", "size")})
    writer.add("a", "s", "train", np.zeros(100), directions, "CC", "x", streams={"style": values})
    with pytest.raises(DataError, match="style"):
        writer.add("b", "s", "train", np.zeros(100), directions, "CC", "x")
    writer.close({}, {})
    data = Dataset(tmp_path)
    assert data.stream_columns == {"style": ["rate", "size"]}
    assert data.streams(0)["style"] == pytest.approx(values, abs=1e-3)


def test_mirroring_swaps_left_and_right_and_turns_handedness() -> None:
    order, signs = mirror_columns(("you", "left", "right", "handedness"))
    assert order == [0, 2, 1, 3]
    assert signs.tolist() == [1, 1, 1, -1]


def test_streams_are_hidden_independently_and_mirrored_with_the_pose() -> None:
    pairs = [take(0)]
    columns = {"style": ("rate", "handedness"), "role": ("speaking",)}
    streams = [{"style": np.full((90, 2), 0.5), "role": np.ones((90, 1))}]
    takes = collect_takes(pairs, 15.0, streams)
    norm = Normalisation.measure(takes, 15.0, columns)
    maker = BatchMaker(takes, norm, TED_EXPRESSIVE, 30, AugmentConfig(mirror=0.5, drop_streams=0.5))
    conditions = maker.draw(np.random.default_rng(0), 400)[3]
    assert conditions.shape[2] == 29 + 3 + 2
    rate, handedness, style_given, speaking, role_given = conditions[:, 5, 29:].T
    assert set(rate.tolist()) == {0.0, 0.5}
    assert torch.equal(rate > 0, style_given > 0)
    assert torch.equal(speaking, role_given)
    assert set(handedness[style_given > 0].tolist()) == {-0.5, 0.5}
    both = (style_given * role_given).mean()
    assert 0.15 < both < 0.35


def test_a_checkpoint_without_streams_learns_them_on_top_of_what_it_knew(tmp_path: Path) -> None:
    takes = [take(seed) for seed in range(2)]
    group = Group(0, 1, torch.device("cpu"))
    config = dataclasses.replace(SMALL, steps=1)
    first = train(config, MaskedRecipe(config, takes, takes), tmp_path / "a", group, report=lambda line: None)
    start = load_checkpoint(first.checkpoint)
    columns = {"style": ("rate", "handedness")}
    streams = {split: [{"style": np.zeros((90, 2))}] * 2 for split in ("train", "val")}
    recipe = MaskedRecipe(config, takes, takes, start, columns=columns, streams=streams)
    network = recipe.make_network()
    wide, narrow = network.state_dict()["linear.weight"], start.network.state_dict()["linear.weight"]
    assert torch.equal(wide[:, : narrow.shape[1]], narrow)
    assert not wide[:, narrow.shape[1] :].any()
    second = train(config, recipe, tmp_path / "b", group, report=lambda line: None)
    card = load_checkpoint(second.checkpoint).card
    assert [(stream.name, stream.dim) for stream in card.streams] == [("speech", 28), ("style", 2)]
    assert card.hyperparameters["condition_dim"] == 32


def test_a_statue_is_told_to_be_one() -> None:
    still = np.tile(neutral_directions(TED_EXPRESSIVE), (300, 1, 1))
    statue = take_of_directions("a", babble(20.0), still, "ted_expressive", 15.0)
    assert statue.speed.mean() < STILL
    measured = character([statue])
    assert measured["stroke_size"].value is None
    assert measured["distinct_strokes"].value is None
    assert gestures(statue) == []


def test_a_style_is_guided_where_one_is_asked_for() -> None:
    sampler = SamplerSettings(guidance=2.0, style_guidance=3.0)
    assert set(stream_guidance(sampler, {"role": "speaker"})) == {"speech"}
    assert stream_guidance(sampler, {"style": {"size": 1.0}})["style"].at(-5.0) == 3.0
