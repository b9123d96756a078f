# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said and when: every kind of transcript, and what is wrong with some."""

import itertools
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from diffgesture.errors import ConfigError
from diffgesture.words import forced
from diffgesture.words.alignment import aligned
from diffgesture.words.transcript import Piece, Transcript, Word, read_transcript

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


def test_overlaps_are_told_with_their_line_and_all_words_used(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:02,000\nyes\n\n2\n00:00:01,000 --> 00:00:03,000\nno\n")
    read = read_transcript(path)
    assert [piece.text for piece in read.pieces] == ["yes", "no"]
    assert read.notes == ["Line 6 overlaps the caption before it; all words are used."]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_common_encodings_are_read(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes("1\n00:00:00,000 --> 00:00:02,000\nnaïve café\n".encode(encoding))
    read = read_transcript(path)
    assert read.pieces[0].text == "naïve café"
    assert bool(read.notes) == (encoding == "cp1252")


def test_text_of_another_recording_is_told() -> None:
    audio = spoken(2.0, 0.3, 2.0)
    _, notes = aligned(Transcript([Piece("never ever again " * 40)]), audio)
    assert "another recording" in notes[-1]
    _, notes = aligned(Transcript([Piece("never ever again and so we go on ")]), audio)
    assert notes == []


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"1\n00:00:05,000 --> 00:00:01,000\nno\n"])
def test_a_transcript_without_words_is_told(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(data)
    with pytest.raises(ConfigError):
        read_transcript(tmp_path / "t")


def spoken(*parts: float) -> np.ndarray:
    """Speech-like noise and silence in turn, of these lengths in seconds."""
    noise = np.random.default_rng(0)
    return np.concatenate(
        [
            noise.normal(0, 0.1, round(16000 * s)) if k % 2 == 0 else np.zeros(round(16000 * s))
            for k, s in enumerate(parts)
        ]
    )


def test_pauses_heard_fall_between_sentences_though_one_is_spoken_fast() -> None:
    text = "One two three four five six seven eight. Nine ten, eleven twelve. Thirteen fourteen fifteen sixteen."
    audio = spoken(1.6, 0.5, 1.4, 0.5, 1.6)
    words, _ = aligned(Transcript([Piece(text)]), audio)
    starts = {word.text.strip(".,"): word.start for word in words}
    assert starts["Nine"] == pytest.approx(2.1, abs=0.1)
    assert starts["Thirteen"] == pytest.approx(4.0, abs=0.1)
    assert all(first.start <= second.start for first, second in itertools.pairwise(words))


def test_a_short_pause_within_a_word_moves_no_boundary() -> None:
    words, _ = aligned(Transcript([Piece("Unquestionably extraordinary.")]), spoken(0.5, 0.1, 0.5, 0.3, 1.0))
    assert words[1].start == pytest.approx(1.4, abs=0.1)


def test_text_over_silence_and_no_text_are_spread_or_nothing() -> None:
    words, _ = aligned(Transcript([Piece("not a sound", 1.0, 2.5)]), np.zeros(48000))
    assert words[0].start == pytest.approx(1.0, abs=0.1)
    assert words[-1].end <= 2.51


def test_a_long_transcript_is_read_and_aligned() -> None:
    lines = [f"{n}\n00:00:{n % 60:02d},000 --> 00:00:{n % 60:02d},900\n<b>word</b> {n}\n" for n in range(5000)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.srt"
        path.write_text("\n".join(lines), encoding="utf-8")
        read = read_transcript(path)
    words, notes = aligned(read, spoken(*[0.8, 0.2] * 10))
    assert len(read.pieces) == 5000
    assert {word.text for word in words if word.text != "word"} >= {"0", "1", "9"}
    assert "begin after the speech ends (10.0 s)" in " ".join(notes)


@pytest.mark.skipif(not forced.is_installed(), reason="pocketsphinx is optional")
def test_forced_alignment_keeps_what_it_cannot_find() -> None:
    words = [Word("Xqzrt", 0.1, 0.5), Word("blorpf.", 0.5, 0.9)]
    assert forced.refined(words, spoken(1.0)) == words


def test_a_draft_without_pocketsphinx_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(ConfigError, match="PocketSphinx"):
        forced.drafted(np.zeros(16000))


def test_captions_break_at_pauses() -> None:
    words = [Word("well", 0.0, 0.4), Word("done", 0.5, 0.9), Word("now", 2.0, 2.4)]
    assert forced.captions(words) == (
        "1\n00:00:00,000 --> 00:00:00,900\nwell done\n\n2\n00:00:02,000 --> 00:00:02,400\nnow\n"
    )


def test_plain_text_is_laid_over_the_spoken_parts() -> None:
    speech = np.random.default_rng(0).normal(0, 0.1, 16000)
    audio = np.concatenate([np.zeros(16000), speech, np.zeros(32000), speech])
    words, notes = aligned(Transcript([Piece("stop it stop it")]), audio)
    assert notes == []
    assert [word.start for word in words[1:]] == pytest.approx([1.55, 4.0, 4.55], abs=0.06)
    late, told = aligned(Transcript([Piece("late", 9.0, 10.0, True)]), audio)
    assert late == []
    assert "another recording" in told[-1]
