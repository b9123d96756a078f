# SPDX-License-Identifier: GPL-3.0-or-later
"""Cues: the vocabulary, how they are written, and the strokes that show them."""

from pathlib import Path

import numpy as np
import pytest
from diffgesture.composing.cues import CUES, HEAD
from diffgesture.errors import ConfigError
from diffgesture.generation.synthesis import Settings
from diffgesture.motion.constraints import Constraints
from diffgesture.motion.skeletons import TED_EXPRESSIVE
from diffgesture.words.alignment import aligned
from diffgesture.words.finder import find_cues as find
from diffgesture.words.strokes import arm_bones, library, turn_head, with_strokes
from diffgesture.words.tables import table
from diffgesture.words.transcript import Piece, Transcript, Word, read_transcript
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
    known, told = with_strokes([("you", 4.0), ("you", 2.0)], kept, TED_EXPRESSIVE, 15.0, 90, seed=3)
    assert known is not None
    assert told == []
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


SRT = """\ufeff1
00:00:00,500 --> 00:00:02,000
<i>Please</i> tell me,
why?

2
-00:00:01,000 --> 00:00:03,000
lost

3
00:00:03,000 --> 00:00:02,000
lost too
"""


def test_captions_with_tags_marks_and_wrong_times(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text(SRT.replace("\n", "\r\n"), encoding="utf-8", newline="")
    read = read_transcript(path)
    assert [(piece.text, piece.start, piece.end) for piece in read.pieces] == [("Please tell me, why?", 0.5, 2.0)]
    assert [note.split(" is")[0] for note in read.notes] == ["Line 7", "Line 11"]


@pytest.mark.parametrize(
    "text",
    [
        "WEBVTT\n\n00:00.000 --> 00:01.000 align:start\nwell\n\n00:01.000 --> 00:02.000\ndone",
        "[Events]\nDialogue: 0,0:00:00.00,0:00:01.00,D,,0,0,0,,{\\an8}well\n"
        "Dialogue: 0,0:00:01.00,0:00:02.00,D,,0,0,0,,done",
        '{"segments": [{"words": [{"word": " well", "start": 0, "end": 1},'
        ' {"word": "done", "start": 1, "end": 2}]}]}',
        '{"transcription": [{"offsets": {"from": 0, "to": 1000}, "text": "well"},'
        ' {"offsets": {"from": 1000, "to": 2000}, "text": "done"}]}',
        '{"words": [{"word": "well", "case": "success", "start": 0, "end": 1}, {"word": "x", "case": "not-found"},'
        ' {"word": "done", "case": "success", "start": 1, "end": 2}]}',
        'File type = "ooTextFile"\nitem [1]:\nname = "words"\nintervals [1]:\nxmin = 0\nxmax = 1\ntext = "well"\n'
        'intervals [2]:\nxmin = 1\nxmax = 2\ntext = "done"\n',
    ],
    ids=["vtt", "ass", "whisper", "whisper.cpp", "gentle", "TextGrid"],
)
def test_every_kind_of_transcript_gives_words_and_times(text: str, tmp_path: Path) -> None:
    (tmp_path / "t").write_text(text)
    pieces = read_transcript(tmp_path / "t").pieces
    assert [(p.text, p.start, p.end) for p in pieces] == [("well", 0.0, 1.0), ("done", 1.0, 2.0)]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"1\n00:00:05,000 --> 00:00:01,000\nno\n"])
def test_a_transcript_without_words_is_told(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(data)
    with pytest.raises(ConfigError):
        read_transcript(tmp_path / "t")


def test_plain_text_is_laid_over_the_spoken_parts() -> None:
    speech = np.random.default_rng(0).normal(0, 0.1, 16000)
    audio = np.concatenate([np.zeros(16000), speech, np.zeros(32000), speech])
    words, notes = aligned(Transcript([Piece("stop it stop it")]), audio)
    assert notes == []
    assert [round(word.start, 1) for word in words[1:]] == [1.5, 4.0, 4.5]
    late, told = aligned(Transcript([Piece("late", 9.0, 10.0, True)]), audio)
    assert late == []
    assert "another recording" in told[-1]


def spoken(text: str) -> list[Word]:
    return [Word(word, 0.4 * k, 0.4 * k + 0.3) for k, word in enumerate(text.split())]


def find_cues(words: list[Word], amount: float, seed: int = 0) -> list[tuple[str, float]]:
    return [(item.name, item.time) for item in find(words, table("en"), amount, seed)]


def test_words_bring_cues_and_the_amount_decides_how_many() -> None:
    text = spoken("Stop! I have never seen that. First, we shall go and walk everywhere in town. Who was that?")
    many = find_cues(text, 1.0)
    assert {"stop", "count_1", "all", "question"} <= {name for name, _ in many}
    assert find_cues(text, 0.0) == []
    assert len(find_cues(text, 0.3, seed=1)) < len(many)
    assert find_cues(text, 0.5, seed=7) == find_cues(text, 0.5, seed=7)
    assert min(np.diff([time for _, time in many])) >= 1.0


def test_the_english_table_is_large_and_sound() -> None:
    assert len(table("en").phrases) >= 300
    assert {row.cue for row in table("en").phrases.values()} <= set(CUES)
