# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said and when: every kind of transcript, and what is wrong with some."""

from pathlib import Path

import numpy as np
import pytest
from diffgesture.errors import ConfigError
from diffgesture.words.alignment import aligned
from diffgesture.words.transcript import Piece, Transcript, read_transcript

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
