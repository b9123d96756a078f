# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said and when: SRT, VTT, ASS, Whisper and Gentle JSON, TextGrid and plain text, by the standard library.

Of each format only words and times are wanted, which are a few lines each; a library would have to travel with the
add-on. Words without a time of their own are spread over their caption by syllables and pauses (``aligned``).
"""

import html
import itertools
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ..errors import ConfigError
from ..reading import parse_json, read_bytes, understood

MOST_TOLD: Final = 5
_OVERLAP: Final = 0.1
_MAX_BYTES: Final = 16 << 20
_TIME: Final = r"(-?(?:\d+:)?\d+:\d+[.,]\d+|-?\d+:\d+:\d+)"
_ARROW: Final = re.compile(rf"{_TIME}\s*-->\s*{_TIME}")
_ASS: Final = re.compile(rf"^Dialogue:[^,]*,{_TIME},{_TIME},(?:[^,]*,){{6}}(.*)$")
# What is repeated has a bound or excludes its own beginning, so that no text takes quadratic time.
_TAGS: Final = re.compile(r"<[^<>]*>|\{[^{}]*\}|\[[^\[\]]*\]|♪")
_INTERVAL: Final = re.compile(
    r'xmin\s{0,9}=\s{0,9}(\S{1,40})\s{1,99}xmax\s{0,9}=\s{0,9}(\S{1,40})\s{1,99}text\s{0,9}=\s{0,9}"((?:[^"]|""){0,1000})"'
)


@dataclass(frozen=True)
class Piece:
    """Words that share a time in seconds, or one ``timed`` word; its place in the file. No ``end``: no times."""

    text: str
    start: float = 0.0
    end: float | None = None
    timed: bool = False
    where: str = ""


@dataclass(frozen=True)
class Word:
    """One word as written, with its punctuation, and its seconds."""

    text: str
    start: float
    end: float


@dataclass
class Transcript:
    """Pieces in their order, and what to say about the file."""

    pieces: list[Piece] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, text: str, start: Any, end: Any, where: str, timed: bool = False) -> None:
        """Take a piece in, or note why it cannot be used."""
        text = " ".join(html.unescape(_TAGS.sub(" ", str(text)).replace("\\N", " ")).split())
        try:
            first, last = float(start), float(end)
        except (TypeError, ValueError, OverflowError):
            first, last = 0.0, -1.0
        if not text:
            return
        if not 0.0 <= first < last < 1e6:
            self.notes.append(f"{where} is left out: its times are negative, or its end is not after its start.")
            return
        self.pieces.append(Piece(text, first, last, timed, where))

    def shifted(self, seconds: float) -> "Transcript":
        """The same in the time of a recording that begins elsewhere; what would begin before it is left out."""
        if not seconds:
            return self
        kept = [
            piece if piece.end is None else replace(piece, start=piece.start + seconds, end=piece.end + seconds)
            for piece in self.pieces
            if piece.end is None or piece.start + seconds >= 0.0
        ]
        return Transcript(kept, list(self.notes))


def read_transcript(path: Path) -> Transcript:
    """The pieces of a file by what it holds, not by its ending; ConfigError where nothing in it can be used."""
    data = read_bytes(path, "transcript", ConfigError, _MAX_BYTES)
    result = Transcript()
    try:
        text = data.decode(_encoding(data))
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
        result.notes.append(f"{path.name} is not UTF-8; it is read as Western European (Windows-1252).")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    with understood(f"The transcript {path.name} cannot be understood", ConfigError):
        _parse(text, result, path.name)
    if not result.pieces:
        raise ConfigError(
            f"The transcript {path.name} holds no words that can be used. {' '.join(result.notes[:1])}"
        )
    result.pieces.sort(key=lambda piece: piece.start)
    _tell_overlaps(result)
    if len(result.notes) > MOST_TOLD:
        result.notes[MOST_TOLD:] = [f"{len(result.notes) - MOST_TOLD} more lines of {path.name} are left out."]
    return result


def _encoding(data: bytes) -> str:
    """UTF-16 by its mark or by its zeros, else UTF-8."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    zeros = [data[start:2000:2].count(0) for start in (0, 1)]
    if max(zeros) > 0.3 * min(len(data), 2000) / 2:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    return "utf-8-sig"


def _tell_overlaps(result: Transcript) -> None:
    """Note captions that begin before the one before them has ended."""
    captions = [piece for piece in result.pieces if piece.end is not None and not piece.timed]
    over = [
        later.where
        for first, later in itertools.pairwise(captions)
        if first.end is not None and later.start < first.end - _OVERLAP
    ]
    if over:
        more = f" ({len(over)} such captions)" if len(over) > 1 else ""
        result.notes.append(f"{over[0]} overlaps the caption before it{more}; all words are used.")


def _parse(text: str, result: Transcript, name: str) -> None:
    if "\nDialogue:" in text:
        for number, line in enumerate(text.split("\n"), 1):
            if found := _ASS.match(line):
                result.add(found[3], _seconds(found[1]), _seconds(found[2]), f"Line {number}")
    elif text.lstrip()[:1] in ("{", "["):
        _json(text, result, name)
    elif "-->" in text:
        _captions(text, result)
    elif "ooTextFile" in text[:200]:
        _text_grid(text, result)
    elif text.strip():
        result.pieces = [Piece(" ".join(text.split()))]


def _seconds(text: str) -> float:
    parts = text.lstrip("-").replace(",", ".").split(":")
    value = sum(float(part) * 60**power for power, part in enumerate(reversed(parts)))
    return -value if text.startswith("-") else value


def _captions(text: str, result: Transcript) -> None:
    lines, start = text.split("\n"), 0
    heads = [(number, found) for number, line in enumerate(lines) if (found := _ARROW.search(line[:200]))]
    for place, (number, found) in enumerate(heads):
        start = number + 1
        stop = heads[place + 1][0] if place + 1 < len(heads) else len(lines)
        body = lines[start:stop]
        if "" in (stripped := [line.strip() for line in body]):
            body = body[: stripped.index("")]
        result.add(" ".join(body), _seconds(found[1]), _seconds(found[2]), f"Line {number + 1}")


def _json(text: str, result: Transcript, name: str) -> None:
    data = parse_json(text, name, ConfigError)
    if isinstance(data, dict):
        if isinstance(data.get("transcription"), list):  # whisper.cpp, milliseconds
            for number, item in enumerate(data["transcription"], 1):
                times = item.get("offsets", {}) if isinstance(item, dict) else {}
                if times:
                    ends = times.get("from", -1) / 1000, times.get("to", -1) / 1000
                    result.add(item.get("text", ""), *ends, f"Segment {number}")
            return
        data = data.get("segments") or data.get("words") or []
    for number, item in enumerate(data if isinstance(data, list) else [], 1):
        if not isinstance(item, dict):
            continue
        words = item.get("words")
        for word in words if isinstance(words, list) and words else [item]:
            if not isinstance(word, dict) or word.get("case", "success") != "success":  # Gentle did not find it
                continue
            spoken = word.get("word", word.get("text", ""))
            timed = word is not item or "word" in item
            result.add(spoken, word.get("start"), word.get("end"), f"Segment {number}", timed)


def _text_grid(text: str, result: Transcript) -> None:
    tiers = re.split(r"item\s*\[\d+\]\s*:", text)[1:] or [text]
    tier = next((tier for tier in tiers if re.search(r'name\s*=\s*"[^"]*word', tier, re.IGNORECASE)), tiers[0])
    for number, (start, end, spoken) in enumerate(_INTERVAL.findall(tier), 1):
        if spoken.strip() not in ("", "sp", "sil", "<eps>"):
            result.add(spoken.replace('""', '"'), start, end, f"Interval {number}", timed=True)
