# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that come in: recordings, motions, data sets, captures, bone maps, words, configurations."""

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from diffgesture.composing.recordings import load_recordings
from diffgesture.data.dataset import Dataset, DatasetWriter
from diffgesture.data.importers.bvh import read_bvh
from diffgesture.evaluation.takes import load_real_take
from diffgesture.motion.clip_archive import ClipArchive
from diffgesture.motion.constraints import keep_motion, load_constraints
from diffgesture.motion.joint_names import map_joints
from diffgesture.motion.motion_file import load_motion
from diffgesture.speech.audio import hear
from diffgesture.training.config import load_config
from diffgesture.words.tables import read_table
from diffgesture.words.transcript import read_transcript
from diffgesture.words.vocabulary import parse_cues

from diffgesture_blender.motion import load_motion as load_motion_in_blender
from diffgesture_blender.rig.families import read_family

from .table import Fault, refused

Reader = Callable[[Path], Any]


def rows() -> Iterator[Fault]:
    yield from _audio()
    yield from _motions()
    yield from _datasets()
    yield from _captures()
    yield from _maps()
    yield from _words()
    yield from _configurations()


def _file(kind: str, done: str, name: str, content: bytes | str, read: Reader) -> Fault:
    def play(folder: Path) -> tuple[str, str]:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return refused(lambda: read(path), folder)

    return Fault(kind, done, play)


# -- recordings ------------------------------------------------------------------------------------------------


def wav(
    samples: bytes = b"\1\0" * 16_000, *, kind: int = 1, channels: int = 1, rate: int = 16_000, bits: int = 16
) -> bytes:
    """A WAV file with any header."""
    form = struct.pack("<HHIIHH", kind, channels, rate, 0, 0, bits)
    body = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


def _audio() -> Iterator[Fault]:
    floats = np.full(16_000, np.nan, "<f4").tobytes()
    files = {
        "empty.wav": b"",
        "header alone.wav": wav()[:12],
        "no data.wav": wav()[:36],
        "a rate of 0.wav": wav(rate=0),
        "a rate of 1 Hz.wav": wav(rate=1),
        "a rate of 1 GHz.wav": wav(rate=10**9),
        "no channel.wav": wav(channels=0),
        "65,535 channels of 4 samples.wav": wav(channels=65_535),
        "an unknown coding.wav": wav(kind=0x7FFF),
        "NaN.wav": wav(floats, kind=3, bits=32),
        "a tenth of a second.wav": wav(b"\1\0" * 1600),
        "no sample.wav": wav(b""),
        "a text.mp3": b"this is no music " * 100,
        "a picture.flac": b"\x89PNG\r\n\x1a\n" + bytes(2000),
        "a playlist that names other files.mp3": b"#EXTM3U\n/etc/passwd\n",
        "a list for FFmpeg.mp3": b"ffconcat version 1.0\nfile /etc/passwd\n",
        "a DASH list.mp4": b"<?xml version='1.0'?><MPD/>",
        "a session description.mp3": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 5 RTP/AVP 0\n",
        "no header.raw": b"\1\0" * 16_000,
        "cut FLAC.flac": b"fLaC\0\0\0\x22" + bytes(20),
        "cut Ogg.ogg": b"OggS" + bytes(30),
        "cut MP4.m4a": b"\0\0\0\x20ftypM4A " + bytes(30),
    }
    for name, content in files.items():
        yield _file("audio", name, name, content, hear)
    yield Fault("audio", "a folder", lambda folder: refused(lambda: hear(folder), folder))
    yield Fault("audio", "is not there", lambda folder: refused(lambda: hear(folder / "a.wav"), folder))
    yield Fault("audio", "a name of 300 letters", lambda f: refused(lambda: hear(f / ("x" * 300 + ".wav")), f))
    yield Fault("audio", "a name with a zero", lambda folder: refused(lambda: hear(folder / "a\0.wav"), folder))
    yield Fault("audio", "a pipe that never ends", _pipe)
    yield Fault("audio", "the range is behind the end", lambda f: refused(lambda: hear(_sound(f), 50.0, 60.0), f))


def _sound(folder: Path) -> Path:
    path = folder.parent / f"{folder.name}.wav"
    path.write_bytes(wav())
    return path


def _pipe(folder: Path) -> tuple[str, str]:
    os.mkfifo(folder / "a.wav")
    return refused(lambda: hear(folder / "a.wav"), folder)


# -- motions ---------------------------------------------------------------------------------------------------


def npz(**fields: Any) -> bytes:
    """A NumPy archive in memory."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **fields)
    return buffer.getvalue()


def motion(**changes: Any) -> dict[str, Any]:
    """The fields of a motion of ten frames."""
    directions = np.zeros((10, 9, 3), np.float32)
    directions[..., 1] = 1.0
    fields = {"directions": directions, "fps": np.float64(15), "layout": np.str_("ted"), **changes}
    return {name: value for name, value in fields.items() if value is not None}


def npy(shape: str, descr: str = "<f4", data: bytes = b"\0" * 64) -> bytes:
    """An array whose header says anything."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + data


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file of any members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def _encrypted() -> bytes:
    content = bytearray(archive({"directions.npy": npy("(16,)")}))
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    return bytes(content)


def _says(size: int) -> bytes:
    """An archive whose first member says that it has so many bytes."""
    content = bytearray(archive({"directions.npy": npy("(16,)")}, zipfile.ZIP_DEFLATED))
    for place in (22, content.index(b"PK\1\2") + 24):
        content[place : place + 4] = struct.pack("<I", size)
    return bytes(content)


def _motions() -> Iterator[Fault]:
    bad = np.zeros((10, 9, 3), np.float32)
    bad[3] = np.nan
    archives = {
        "empty": b"",
        "a text": b"no archive",
        "cut off": npz(**motion())[:200],
        "no directions": npz(**motion(directions=None)),
        "no layout": npz(**motion(layout=None)),
        "an unknown layout": npz(**motion(layout=np.str_("human"))),
        "a layout that is a number": npz(**motion(layout=np.int64(5))),
        "three layouts": npz(**motion(layout=np.array(["ted"] * 3))),
        "NaN in it": npz(**motion(directions=bad)),
        "directions that are text": npz(**motion(directions=np.array(["x"] * 9))),
        "directions of two dimensions": npz(**motion(directions=np.zeros((10, 27), np.float32))),
        "another number of bones": npz(**motion(directions=np.zeros((10, 8, 3), np.float32))),
        "a frame rate of 0": npz(**motion(fps=np.float64(0))),
        "a frame rate of NaN": npz(**motion(fps=np.float64("nan"))),
        "a frame rate of text": npz(**motion(fps=np.str_("x"))),
        "two frame rates": npz(**motion(fps=np.ones(2))),
        "pickled objects": npz(**motion(directions=np.array([{}], dtype=object))),
        "a shape of 10^12": archive({"directions.npy": npy("(1000000, 1000000, 3)"), "fps.npy": npy("()")}),
        "a negative shape": archive({"directions.npy": npy("(-1, 9, 3)")}),
        "a shape of 10,000 dimensions": archive({"directions.npy": npy("(" + "1, " * 4000 + ")")}),
        "a header 10,000 levels deep": archive({"directions.npy": npy("(" * 5000 + ")" * 5000)}),
        "a type of a billion letters": archive({"directions.npy": npy("(1,)", "<U999999999")}),
        "a bomb that says 4 GB": _says(0xFFFFFFF0),
        "another size than it says": _says(10**6),
        "encrypted": _encrypted(),
        "compressed by bzip2": archive({"directions.npy": npy("(16,)")}, zipfile.ZIP_BZIP2),
        "compressed by LZMA": archive({"directions.npy": npy("(16,)")}, zipfile.ZIP_LZMA),
        "30,000 members": archive({str(k): b"" for k in range(30_000)}),
    }
    for name, content in archives.items():
        yield _file("motion", name, "m.npz", content, load_motion)
    for name in ("empty", "cut off", "pickled objects", "a shape of 10^12", "encrypted", "NaN in it"):
        yield _file("motion in Blender", name, "m.npz", archives[name], load_motion_in_blender)
    for name in ("a text", "no layout", "a frame rate of NaN", "directions of two dimensions", "a shape of 10^12"):
        yield _file("constraints", name, "m.npz", archives[name], load_constraints)
        yield _file("--keep", name, "m.npz", archives[name], lambda path: keep_motion(path, [(0.1, 0.2)]))
    for name in ("a text", "cut off", "pickled objects", "encrypted", "a shape of 10^12"):
        yield _file("corpus", name, "m.npz", archives[name], ClipArchive)
    for name, meta in {
        "no JSON": "{",
        "a list": "[]",
        "clips that are numbers": '{"clips": [5]}',
        "a rate of text": '{"clips": [{"fps": "x"}]}',
        "an endless index": '{"clips": [{"fps": 30, "index": 1e999}]}',
        "2000 levels": "[" * 2000,
    }.items():
        fields = {"meta": np.str_(meta), "joint_names": np.array(["a", "b"])}
        yield _file("corpus", f"meta: {name}", "m.npz", npz(**fields), ClipArchive)
    for name in ("../../secret.wav", "/etc/passwd", "C:\\x.wav", "..", "", "a\0b"):
        meta = json.dumps({"clips": [{"fps": 30, "audio": name}]})
        joints = ["hips", "spine", "l_shoulder"]
        fields = {"meta": np.str_(meta), "joint_names": np.array(joints), "0/positions": np.zeros((5, 3, 3))}
        yield _file("corpus", f"names the recording {name!r}", "m.npz", npz(**fields), load_real_take)


# -- data sets -------------------------------------------------------------------------------------------------


def _dataset(folder: Path) -> Path:
    target = folder / "data"
    writer = DatasetWriter(target, "ted", 15.0, {"style": ["size"]})
    directions = np.zeros((30, 9, 3), np.float32)
    writer.add("a", "b", "train", np.zeros(32_000), directions, "CC0", "c", streams={"style": np.zeros((30, 1))})
    writer.close({}, {})
    return target


def _datasets() -> Iterator[Fault]:
    takes = "takes.0."
    changes: dict[str, tuple[Any, ...]] = {
        "layout": ([], "human", 5, None),
        "fps": (0, "x", None, 1e9, []),
        "frame": ("native", [], None),
        "sample_rate": ("x", 8000, None, 1e9),
        "takes": (None, {}, "x", [5], [{}], [[]]),
        takes + "frames": (-1, "x", 10**12, None, 2.5),
        takes + "frame_offset": (-5, "x", 10**12),
        takes + "samples": (-1, 10**15, "x"),
        takes + "name": (5, None, [], "x" * 5000),
        takes + "split": (None, []),
        "streams": (
            [],
            "x",
            {"../../x": {"columns": ["a"]}},
            {"a/b": {"columns": []}},
            {"style": {}},
            {"style": 5},
        ),
        "streams.style.columns": ("x", None, [5], ["a"] * 3),
        "windows": ({"count": 1},),
        "format": ("other", None),
    }
    for way, values in changes.items():
        for value in values:
            yield Fault(
                "data set", f"{way} = {json.dumps(value)[:40]}", lambda f, w=way, v=value: _changed(f, w, v)
            )
    for name, content in {"no JSON": "{", "a list": "[]", "2000 levels": "[" * 2000, "empty": ""}.items():
        yield Fault(
            "data set", f"dataset.json: {name}", lambda f, c=content: _replaced(f, "dataset.json", c.encode())
        )
    for name in ("directions.npy", "audio.npy", "streams/style.npy"):
        for what, content in {
            "empty": b"",
            "cut off": npy("(30, 9, 3)"),
            "pickled": npy("(1,)", "|O"),
            "of 10^12": npy("(1000000, 1000000)"),
            "text": npy("(16,)", "<U1"),
            "a zip": npz(**motion()),
        }.items():
            yield Fault("data set", f"{name}: {what}", lambda f, n=name, c=content: _replaced(f, n, c))
    yield Fault(
        "recordings", "a list that leads out of its folder", lambda f: _recordings(f, "../../../etc/passwd")
    )
    yield Fault("recordings", "a list with an absolute path", lambda f: _recordings(f, "/etc/passwd"))
    yield Fault("recordings", "a list without columns", lambda f: _recordings(f, None))


def _changed(folder: Path, way: str, value: Any) -> tuple[str, str]:
    data = _dataset(folder)
    card = json.loads((data / "dataset.json").read_text())
    *parents, last = way.split(".")
    table = card
    for parent in parents:
        table = table[int(parent) if parent.isdigit() else parent]
    table[last] = value
    (data / "dataset.json").write_text(json.dumps(card))
    return refused(lambda: Dataset(data), folder)


def _replaced(folder: Path, name: str, content: bytes) -> tuple[str, str]:
    data = _dataset(folder)
    (data / name).write_bytes(content)
    return refused(lambda: Dataset(data), folder)


def _recordings(folder: Path, name: str | None) -> tuple[str, str]:
    from diffgesture.composing.recordings import SPEECH_SETS

    first = folder / "speech" / next(iter(SPEECH_SETS))
    first.mkdir(parents=True)
    text = "a,b\n1,2\n" if name is None else f"file,speaker,licence\n{name},x,CC0\n"
    (first / "index.csv").write_text(text)
    return refused(lambda: load_recordings(folder), folder)


# -- captures and maps -----------------------------------------------------------------------------------------

_JOINT = "ROOT a\n{\nOFFSET 0 0 0\nCHANNELS 3 Zrotation Xrotation Yrotation\n"
_MOTION = "MOTION\nFrames: 2\nFrame Time: 0.033\n0 0 0\n0 0 0\n"


def _captures() -> Iterator[Fault]:
    many = "".join(f"JOINT j{k}\n{{\nOFFSET 0 1 0\nCHANNELS 0\n}}\n" for k in range(4000))
    files = {
        "empty": "",
        "a picture": "\x89PNG",
        "no motion": f"HIERARCHY\n{_JOINT}}}\n",
        "a brace too many": f"HIERARCHY\n{_JOINT}}}\n}}\n{_MOTION}",
        "a brace too few": f"HIERARCHY\n{_JOINT}{_MOTION}",
        "an unknown word": f"HIERARCHY\nBONE x\n{_JOINT}}}\n{_MOTION}",
        "an offset of text": f"HIERARCHY\n{_JOINT.replace('0 0 0', 'a b c')}}}\n{_MOTION}",
        "an infinite offset": f"HIERARCHY\n{_JOINT.replace('0 0 0', 'inf 0 0')}}}\n{_MOTION}",
        "10^9 channels": f"HIERARCHY\n{_JOINT.replace('CHANNELS 3', 'CHANNELS 1000000000')}}}\n{_MOTION}",
        "a frame time of 0": f"HIERARCHY\n{_JOINT}}}\n{_MOTION.replace('0.033', '0')}",
        "a frame time of NaN": f"HIERARCHY\n{_JOINT}}}\n{_MOTION.replace('0.033', 'nan')}",
        "10^12 frames": f"HIERARCHY\n{_JOINT}}}\n{_MOTION.replace('Frames: 2', 'Frames: 1000000000000')}",
        "NaN in the motion": f"HIERARCHY\n{_JOINT}}}\n{_MOTION.replace('0 0 0', 'nan 0 0')}",
        "words in the motion": f"HIERARCHY\n{_JOINT}}}\n{_MOTION.replace('0 0 0', 'a b c')}",
        "4000 joints, 100,000 frames": "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 1 Xposition\n"
        + many
        + "}\nMOTION\nFrames: 100000\nFrame Time: 0.033\n"
        + "0\n" * 100_000,
        "no channel at all": "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 0\n}\n" + _MOTION,
    }
    for name, content in files.items():
        yield _file("BVH", name, "a.bvh", content, read_bvh)


def _maps() -> Iterator[Fault]:
    good = {"family": "x", "sides": ["L", "R"], "bones": {"hand": ["hand.{side}"]}}
    maps = {
        "empty": "",
        "a list": "[]",
        "2000 levels": "[" * 2000,
        "not UTF-8": b"\xff",
        "no bones": json.dumps({**good, "bones": None}),
        "bones that are a list": json.dumps({**good, "bones": []}),
        "a bone that is a number": json.dumps({**good, "bones": {"hand": [5]}}),
        "names that are a text": json.dumps({**good, "bones": {"hand": "x"}}),
        "sides that are a number": json.dumps({**good, "sides": 5}),
        "no sides": json.dumps({**good, "sides": []}),
        "one side": json.dumps({**good, "sides": ["L"]}),
        "sides of nothing": json.dumps({**good, "sides": [[]]}),
    }
    for name, content in maps.items():
        yield _file("bone map", name, "a.json", content, lambda path: map_joints(["a"], "a.bvh", path))
        yield _file("bone map in Blender", name, "a.json", content, read_family)
    for name, value in {
        "switches": [5],
        "switches ": [{"bone": 5, "property": "x", "value": 1}],
        "switches  ": [{"bone": "a", "property": "b", "value": "x"}],
        "deform": [],
        "deform ": {"names": 5},
        "deform  ": {"other": "x"},
        "weights": {"spine": "x"},
        "weights ": {"spine": [1e999]},
        "priority": "x",
        "priority ": 10**30,
        "marks": 5,
        "family": [],
    }.items():
        text = json.dumps({**good, name.strip(): value})
        yield _file(
            "bone map in Blender", f"{name.strip()} = {json.dumps(value)[:40]}", "a.json", text, read_family
        )


# -- words and configurations ----------------------------------------------------------------------------------


def _words() -> Iterator[Fault]:
    for name, content in {
        "empty": b"",
        "JSON cut off": b'{"segments": [',
        "2000 levels": b"[" * 2000,
        "times that are tables": b'{"segments": [{"text": "a", "start": {}, "end": []}]}',
        "endless times": b'[{"text": "a", "start": 1e999, "end": 1e999}]',
        "times backwards": b"1\n00:00:05,000 --> 00:00:01,000\nhello\n",
        "offsets of text": b'{"transcription": [{"text": "a", "offsets": {"from": "x"}}]}',
        "200,000 open tags": b"1\n00:00:01,000 --> 00:00:00,000\n" + b"<" * 200_000,
        "200,000 digits before an arrow": b"1" * 200_000 + b" -->",
    }.items():
        yield _file("transcript", name, "a.srt", content, read_transcript)
    for name, content in {
        "a list of numbers": "[5]",
        "a table": "{}",
        "no JSON": "{",
        "2000 levels": "[" * 2000,
        "an endless time": '[{"time": 1e999, "cue": "you"}]',
        "a time of 400 digits": '[{"time": ' + "9" * 400 + ', "cue": "you"}]',
        "an unknown cue": '[{"time": 1, "cue": "salto"}]',
        "a cue that is a table": '[{"time": 1, "cue": {}}]',
    }.items():
        yield _file("cues", name, "a.json", content, lambda path: parse_cues(str(path)))
    yield _file(
        "cues",
        "a CSV with a field of 200,000 letters",
        "a.csv",
        '1,"' + "x" * 200_000,
        lambda path: parse_cues(str(path)),
    )
    yield _file("cues", "a CSV that is not UTF-8", "a.csv", b"1,\xff", lambda path: parse_cues(str(path)))
    for name, entry in {
        "a probability of -1": {"say": ["x"], "cue": "you", "probability": -1},
        "a probability of 10^999": {"say": ["x"], "cue": "you", "probability": 10**999},
        "a cool-down of text": {"say": ["x"], "cue": "you", "cooldown": "x"},
        "an unknown cue": {"say": ["x"], "cue": "salto"},
        "a cue that is a list": {"say": ["x"], "cue": []},
        "words that are numbers": {"say": [5], "cue": "you"},
        "no words": {"cue": "you"},
    }.items():
        yield _file("table of words", name, "a.json", json.dumps({"entries": [entry]}), read_table)
    yield _file("table of words", "2000 levels", "a.json", "[" * 2000, read_table)


def _configurations() -> Iterator[Fault]:
    lines = {
        "layout": ('"human"', "5", "[]"),
        "network": ("5", "[]"),
        "fps": ("0", '"x"', "nan", "inf", "1e9"),
        "window": ("0", "-1", "1.5", "10000000", '"x"', "true"),
        "steps": ("0", "-5", "1e9", "1000000000000"),
        "batch_size": ("0", "-1", "1000000000", "1.5"),
        "learning_rate": ("0", "-1", "nan", "inf", '"x"'),
        "betas": ("[]", "[0.9]", '["x", "y"]', "[2.0, 2.0]", "5"),
        "ema_decay": ("2.0", "-1.0", "nan"),
        "seed": ("-1", "1e3", "99999999999999999999"),
        "mean_direction": ('["x"]', "5"),
        "save_minutes": ("0", "-1.0", "nan"),
        "no_such_key": ("1",),
    }
    for key, values in lines.items():
        for value in values:
            text = f'layout = "ted"\n{key} = {value}\n' if key != "layout" else f"layout = {value}\n"
            yield _file("configuration", f"{key} = {value}", "c.toml", text, load_config)
    texts: dict[str, bytes | str] = {
        "empty": "",
        "no TOML": "layout = = =",
        "not UTF-8": b'name = "\xff"',
        "2 MB": "# " + "x" * (2 << 20),
        "2000 levels": 'layout = "ted"\nbetas = ' + "[" * 2000 + "]" * 2000,
        "a network of 10^6 layers": 'layout = "ted"\n[model]\ndepth = 1000000\n',
        "a network of no width": 'layout = "ted"\n[model]\nhidden_dim = 0\n',
        "an unknown part": 'layout = "ted"\n[nonsense]\nx = 1\n',
    }
    for name, content in texts.items():
        yield _file("configuration", name, "c.toml", content, load_config)
