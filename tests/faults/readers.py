# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that reads what may come from strangers, with right inputs for the mutations to begin with."""

import io
import json
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import soundfile
import torch
from diffgesture.data.dataset import Dataset, DatasetWriter
from diffgesture.data.importers.bvh import read_bvh
from diffgesture.data.importers.ted import read_clips
from diffgesture.model.card import read_card
from diffgesture.model.official_files import read_official_file
from diffgesture.model.weights import read_weights
from diffgesture.motion.bvh import bvh_text
from diffgesture.motion.clip_archive import ClipArchive
from diffgesture.motion.constraints import load_constraints
from diffgesture.motion.joint_names import map_joints
from diffgesture.motion.motion_file import Motion, load_motion
from diffgesture.motion.skeletons import TED, neutral_directions
from diffgesture.speech.audio import hear
from diffgesture.training.config import load_config
from diffgesture.words.alignment import aligned
from diffgesture.words.tables import read_table
from diffgesture.words.transcript import read_transcript
from diffgesture.words.vocabulary import parse_cues
from diffgesture.worker.server import Server

from diffgesture_blender.motion import load_motion as load_motion_in_blender
from diffgesture_blender.rig.families import read_family
from diffgesture_blender.worker.protocol import NotProtocol, decode

from . import cards, files
from .table import ROOT, GestureError


@dataclass(frozen=True)
class Reader:
    """A reader: the name of the file that it gets, right inputs, and how it reads. ``quick``: in a millisecond."""

    name: str
    name_of_file: str
    seeds: Callable[[], list[bytes]]
    read: Callable[[Path], Any]
    quick: bool = True


def _speech() -> np.ndarray:
    samples, _ = soundfile.read(ROOT / "demo" / "speech.flac", dtype="float32")
    return samples[:16_000]


def _sound(**how: Any) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, _speech(), 16_000, **how)
    return buffer.getvalue()


def _directions() -> np.ndarray:
    return np.repeat(neutral_directions(TED)[None], 8, axis=0).astype(np.float32)


def _motion() -> bytes:
    pairs, names = np.array(TED.bone_pairs), np.array(TED.joint_names)
    return files.npz(
        **files.motion(directions=_directions(), bone_pairs=pairs, joint_names=names, seed=np.int64(1))
    )


def _stored() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **files.motion(directions=_directions(), mask=np.ones((8, 9), bool)))
    return buffer.getvalue()


def _bvh() -> list[bytes]:
    motion = Motion(_directions(), 15.0, "ted", 1, 0.5, "default", "x", neutral_directions(TED))
    return [bvh_text(motion).encode()]


def _archives() -> list[bytes]:
    meta = json.dumps({"clips": [{"fps": 30, "index": 0, "audio": "a.wav"}]})
    names, one = np.array(["hips", "spine"]), np.zeros((4, 2, 4))
    one[..., 0] = 1
    rest = {"parents": np.array([-1, 0]), "rest_offsets": np.zeros((2, 3))}
    return [
        files.npz(meta=np.str_(meta), joint_names=names, **{"0/positions": np.zeros((4, 2, 3))}),
        files.npz(meta=np.str_(meta), joint_names=names, **{"0/rotations": one}, **rest),
    ]


def _read_archive(path: Path) -> None:
    archive = ClipArchive(path)
    for clip in archive.clips[:5]:
        archive.armature(clip)


def _official() -> list[bytes]:
    contents = {"state_dict": {"a.weight": torch.ones(2, 3)}, "args": {"x": [1, 2.5, "y"]}, "epoch": 3}
    made = []
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save(contents, buffer, _use_new_zipfile_serialization=new)
        made.append(buffer.getvalue())
    return [*made, pickle.dumps(contents["args"], 2)]


def _weights() -> list[bytes]:
    return [safetensors.torch.save({"a": torch.ones(2, 3), "b": torch.ones(4, dtype=torch.float16)})]


def _read_card(path: Path) -> None:
    path.with_suffix(".safetensors").write_bytes(b"")
    read_card(path.with_suffix(".safetensors"))


def _read_dataset(path: Path) -> None:
    folder = path.parent / "data"
    if not folder.exists():
        writer = DatasetWriter(folder, "ted", 15.0, {"style": ["size"]})
        directions = _directions()
        ones = np.ones((8, 1))
        writer.add("a", "b", "train", np.zeros(9000), directions, "CC0", "c", streams={"style": ones})
        writer.close({}, {})
    (folder / "dataset.json").write_bytes(path.read_bytes())
    data = Dataset(folder)
    for index in range(min(3, len(data))):
        data.take(index)


def _dataset() -> list[bytes]:
    take = {"name": "a", "speaker": "b", "split": "train", "frames": 8, "frame_offset": 0, "samples": 8533,
            "sample_offset": 0, "licence": "CC0", "source": "c"}  # fmt: skip
    card = {"format": "diffgesture-dataset-1", "layout": "ted", "fps": 15.0, "frame": "public",
            "sample_rate": 16000, "streams": {"style": {"columns": ["size"]}}, "takes": [take]}  # fmt: skip
    return [json.dumps(card).encode()]


def _read_transcript(path: Path) -> None:
    words, _ = aligned(read_transcript(path), _ONE_SECOND)
    if not all(word.start <= word.end for word in words):
        raise AssertionError("a word ends before it begins")


_ONE_SECOND = np.sin(np.arange(16_000, dtype=np.float32) / 20)


def _line(path: Path) -> str:
    """A line to the worker: answered, and never by an internal error; what it says."""
    output = io.StringIO()
    text = path.read_bytes().decode("utf-8", errors="replace").replace("\n", " ")
    kept, sys.stderr = sys.stderr, io.StringIO()
    try:
        Server(output).serve(io.StringIO(text + "\n"))
    finally:
        sys.stderr = kept
    said = ""
    for line in output.getvalue().splitlines():
        answer = json.loads(line)
        said += str((answer.get("error") or {}).get("message", ""))[:60]
        kind = ((answer.get("error") or {}).get("data") or {}).get("type")
        if kind == "internal":
            raise AssertionError(answer["error"]["message"])
    return said


def _lines() -> list[bytes]:
    call = {"jsonrpc": "2.0", "id": 1, "method": "bvh", "params": {"motion": "m.npz", "output_dir": "/tmp"}}
    speech = {"audio": "no.wav", "output_dir": "/tmp", "seed": 1, "variations": 2, "cues": [["you", 1.5]],
              "amount": {"head": 0.5}, "audio_start": 0.5, "engine": "numpy", "device": "cpu"}  # fmt: skip
    made = [
        call,
        {**call, "method": "generate", "params": speech},
        {**call, "method": "hello", "params": {"engine": "numpy", "checkpoint": "no.safetensors"}},
        {**call, "method": "find_cues", "params": {"audio": "no.wav", "transcript": "no.srt", "audio_start": 1}},
        {**call, "method": "cancel", "params": {"id": 1}},
    ]
    return [json.dumps(line).encode() for line in made]


def _reply(path: Path) -> None:
    try:
        decode(path.read_bytes().replace(b"\n", b" "))
    except NotProtocol as error:
        raise GestureError(f"not the protocol: {str(error)[:100]!r}") from error


def _lmdb() -> list[bytes]:
    """The smallest official database that is at hand, beside the repository."""
    found = sorted((ROOT.parent / "shared").glob("parity/lmdb/*/data.mdb"), key=lambda path: path.stat().st_size)
    return [path.read_bytes() for path in found[:1]] or [b"\0" * 8192]


def _text(*lines: str) -> Callable[[], list[bytes]]:
    return lambda: [line.encode() for line in lines]


_MAP = json.dumps(
    {"family": "x", "sides": ["L", "R"], "bones": {"hand": ["hand.{side}"], "spine": ["a", "b|c"]},
     "switches": [{"bone": "a", "property": "b", "value": 1}], "deform": {"prefix": "x", "names": {"a": "b"}},
     "weights": {"spine": [0.5, 0.5]}, "marks": ["m"], "priority": 1}
)  # fmt: skip
_TOML = 'layout = "ted"\nsteps = 5\nbetas = [0.9, 0.99]\n[model]\ndepth = 2\nhidden_dim = 24\n[loss]\narms = 2.0\n'
_SRT = "1\n00:00:00,100 --> 00:00:00,900\nHello <i>there</i>, you!\n\n2\n00:00:01,000 --> 00:00:02,000\nYes.\n"
_GRID = '"ooTextFile"\nitem [1]:\nname = "words"\nxmin = 0.1 xmax = 0.5 text = "hello"\n'
_ASS = "[Events]\nDialogue: 0,0:00:00.10,0:00:00.90,Default,,0,0,0,,Hello {\\i1}you\n"
_WORDS = '{"segments": [{"start": 0.1, "end": 0.9, "words": [{"word": "hi", "start": 0.1, "end": 0.4}]}]}'
_TABLE = '{"entries": [{"say": ["not at all"], "cue": "negation", "priority": 3}], "questions": ["who"]}'

READERS = (
    Reader("card", "m.json", lambda: [json.dumps(cards.CARD).encode()], _read_card),
    Reader("weights", "m.safetensors", _weights, read_weights),
    Reader("official file", "m.bin", _official, read_official_file),
    Reader("motion", "m.npz", lambda: [_motion(), _stored()], load_motion),
    Reader("motion in Blender", "m.npz", lambda: [_motion()], load_motion_in_blender),
    Reader("constraints", "m.npz", lambda: [_stored()], load_constraints),
    Reader("corpus archive", "m.npz", _archives, _read_archive),
    Reader("data set", "dataset.json", _dataset, _read_dataset),
    Reader("BVH", "a.bvh", _bvh, read_bvh),
    Reader(
        "LMDB", "data.mdb", _lmdb, lambda path: sum(1 for _ in islice(read_clips(path.parent), 3)), quick=False
    ),
    Reader("WAV", "a.wav", lambda: [files.wav(), _sound(format="WAV", subtype="FLOAT")], hear, quick=False),
    Reader("FLAC", "a.flac", lambda: [_sound(format="FLAC")], hear, quick=False),
    Reader("Ogg", "a.ogg", lambda: [_sound(format="OGG")], hear, quick=False),
    Reader("MP3", "a.mp3", lambda: [_sound(format="MP3")], hear, quick=False),
    Reader("bone map", "a.json", _text(_MAP), lambda path: map_joints(["hand.L", "a"], "a.bvh", path)),
    Reader("bone map in Blender", "a.json", _text(_MAP), read_family),
    Reader("configuration", "c.toml", _text(_TOML), load_config),
    Reader("transcript", "a.srt", _text(_SRT, _GRID, _ASS, _WORDS, "Hello you."), _read_transcript),
    Reader(
        "cues", "a.json", _text('[{"time": 1.2, "cue": "you"}, [2, "no"]]'), lambda path: parse_cues(str(path))
    ),
    Reader("cues as CSV", "a.csv", _text("time,cue\n1.2,you\n2,no\n"), lambda path: parse_cues(str(path))),
    Reader("table of words", "a.json", _text(_TABLE), read_table),
    Reader("line to the worker", "line", _lines, _line, quick=False),
    Reader(
        "line of the worker", "line", lambda: [*_lines(), b'{"jsonrpc": "2.0", "id": 1, "result": {}}'], _reply
    ),
)
