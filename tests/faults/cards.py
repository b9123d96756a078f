# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints of strangers: cards, weights, official files."""

import copy
import json
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from diffgesture.model.card import read_card
from diffgesture.model.official_files import read_official_file
from diffgesture.model.weights import read_weights

from .table import ROOT, Fault, refused

CARD = json.loads((ROOT / "backend" / "checkpoints" / "default.json").read_text(encoding="utf-8"))
DEEP: Any = []
for _ in range(80):
    DEEP = [DEEP]
_MISSING = object()

# Field (a way through the card) -> values that no card has.
FIELDS: dict[str, tuple[Any, ...]] = {
    "format": ("other", None, [], _MISSING),
    "version": (99, "1", None, _MISSING),
    "layout": ([], {}, "human", None, 7),
    "network": ([], {}, "gan", None),
    "frame": ("sideways", None, [], 3),
    "fps": ("x", 0, -1, None, [], 1e9, True),
    "window": ("x", 0, 1, -5, 10**7, 10**30, None, [], {}, _MISSING),
    "overlap": ("x", -1, 10**7, None),
    "seed_frames": ("x", -1, 10**7, None),
    "name": ({}, [], 5, "x" * 2000),
    "licence": ({}, [], 5),
    "hyperparameters": (None, [], "x", {"width": 3}, {"depth": 3, "hidden_dim": -1}),
    "hyperparameters.depth": (0, -1, 10**6, "5", None, [], 2.5),
    "hyperparameters.hidden_dim": (0, 7, 10**9, "x", None),
    "hyperparameters.num_heads": (0, -1, 5, 10**6, "x", None),
    "hyperparameters.mlp_ratio": (0, -4, 1e9, "x", None),
    "hyperparameters.condition_dim": (0, -1, 1, 10**9, "x", None),
    "hyperparameters.reach": (-1, 10**9, "x", None),
    "normalisation": (None, [], "x", {}, 5),
    "normalisation.mean": (None, [], ["x"], [0.0], DEEP, {}),
    "normalisation.std": (None, [], [0.0], "x", [1e-400]),
    "rest_directions": ([], [[0, 0]], "x", {}, DEEP),
    "steps": (0, "x", None, -1),
    "guidance": ("x", -1),
    "sampler": ([], "x", 5),
    "sampler.steps": ("x", 0, -1, 10**9, None, []),
    "sampler.guidance": ("x", -1, 1e9, None),
    "sampler.eta": ("x", -1, 2, None),
    "sampler.style_guidance": ("x", -1, 20, None),
    "sampler.time_exponent": ("x", 0, 1e9, None),
    "sampler.guidance_log_snr": ("x", [1], [1, "x"], 5, None),
    "streams": ([], "x", 5, {}, {"speech": None}, {"speech": {}}, {"speech": {"dim": 10**9}}),
}
TEXTS = {
    "empty": "",
    "a list": "[]",
    "a number": "7",
    "cut off": '{"format": "diffgesture-ch',
    "200,000 brackets": "[" * 200_000,
    "80 levels": json.dumps({**CARD, "training": DEEP}),
    "NaN for the rate": json.dumps({**CARD, "fps": float("nan")}),
    "an infinite window": json.dumps({**CARD, "window": float("inf")}),
    "a number of 5000 digits": json.dumps(CARD).replace('"fps"', '"x": ' + "9" * 5000 + ', "fps"', 1),
}


def rows() -> Iterator[Fault]:
    yield from _cards()
    yield from _weights()
    yield from _official()


def _cards() -> Iterator[Fault]:
    for way, values in FIELDS.items():
        for value in values:
            if way.partition(".")[0] not in CARD and "." in way:
                continue
            shown = "(missing)" if value is _MISSING else json.dumps(value)[:40]
            yield Fault("card", f"{way} = {shown}", lambda folder, w=way, v=value: _card(folder, _changed(w, v)))
    for name, text in TEXTS.items():
        yield Fault("card", f"text: {name}", lambda folder, t=text: _card(folder, t))
    yield Fault("card", "is not there", lambda folder: _card(folder, None))
    yield Fault("card", "is not UTF-8", lambda folder: _card(folder, b'{"name": "\xff"}'))
    yield Fault("card", "has 5 MB", lambda folder: _card(folder, json.dumps({**CARD, "x": "x" * (5 << 20)})))


def _changed(way: str, value: Any) -> str:
    card = copy.deepcopy(CARD)
    *parents, last = way.split(".")
    table = card
    for parent in parents:
        table = table[parent]
    if value is _MISSING:
        table.pop(last, None)
    else:
        table[last] = value
    return json.dumps(card)


def _card(folder: Path, text: str | bytes | None) -> tuple[str, str]:
    path = folder / "m.safetensors"
    path.write_bytes(b"")
    if isinstance(text, str):
        path.with_suffix(".json").write_text(text, encoding="utf-8")
    elif text is not None:
        path.with_suffix(".json").write_bytes(text)
    return refused(lambda: read_card(path), folder)


# -- weights ---------------------------------------------------------------------------------------------------


def _file(header: Any, data: bytes = b"\0" * 64, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _entry(**changes: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [16], "data_offsets": [0, 64], **changes}}


def _weights() -> Iterator[Fault]:
    nan = np.full(16, np.nan, np.float32).tobytes()
    files = {
        "empty": b"",
        "seven bytes": b"\0" * 7,
        "a header of 2^60 bytes": _file({}, length=1 << 60),
        "a header that is no JSON": _file(b"{nonsense}"),
        "a header of a list": _file([]),
        "a header 100,000 levels deep": _file(b"[" * 100_000),
        "an unknown type": _file(_entry(dtype="F7")),
        "a type that is a list": _file(_entry(dtype=[])),
        "a negative shape": _file(_entry(shape=[-16])),
        "a shape of 10^12": _file(_entry(shape=[10**12])),
        "a shape of text": _file(_entry(shape=["x"])),
        "no shape": _file({"a": {"dtype": "F32", "data_offsets": [0, 64]}}),
        "a place behind the end": _file(_entry(data_offsets=[0, 10**9])),
        "a place backwards": _file(_entry(data_offsets=[64, 0])),
        "three places": _file(_entry(data_offsets=[0, 32, 64])),
        "an entry that is a number": _file({"a": 5}),
        "a thousand tensors on one another": _file({str(k): _entry()["a"] for k in range(1000)}),
        "NaN": _file(_entry(), nan),
        "infinity": _file(_entry(), np.full(16, np.inf, np.float32).tobytes()),
        "data cut off": _file(_entry(), b"\0" * 10),
    }
    for name, content in files.items():
        yield Fault("weights", name, lambda folder, c=content: _read_weights(folder, c))
    yield Fault("weights", "a folder of that name", lambda folder: _read_weights(folder, None))


def _read_weights(folder: Path, content: bytes | None) -> tuple[str, str]:
    path = folder / "m.safetensors"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    return refused(lambda: read_weights(path), folder)


# -- official files --------------------------------------------------------------------------------------------

_HEAD = (
    pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    + pickle.dumps(1001, 2)
    + pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, 2)
)
_TAIL = pickle.dumps([], 2)


class _Runs:
    def __init__(self, name: str, arguments: tuple[Any, ...]):
        self.name, self.arguments = name, arguments

    def __reduce__(self) -> Any:
        module, _, attribute = self.name.rpartition(".")
        return getattr(__import__(module), attribute), self.arguments


def _official() -> Iterator[Fault]:
    programs = {
        "calls os.system": pickle.dumps(_Runs("os.system", ("touch ran",)), 2),
        "calls builtins.eval": pickle.dumps(_Runs("builtins.eval", ("1",)), 2),
        "opens a file": pickle.dumps(_Runs("builtins.open", ("ran", "w")), 2),
        "a tuple 10^6 deep as a key": b"})" + b"\x85" * 1_000_000 + b"Ns.",
        "a tuple 10^6 deep in a set": b"(\x8f)" + b"\x85" * 1_000_000 + b"(0\x90.",
        "pops more than there is": b"0" * 10 + b".",
        "a mark and nothing": b"(.",
        "no end": b"N" * 10,
        "a text of 2^31 bytes": b"X\xff\xff\xff\x7f.",
        "bytes of 2^60": b"\x8e" + struct.pack("<Q", 1 << 60) + b".",
        "a number of 10^6 digits": b"I" + b"9" * 1_000_000 + b"\n.",
        "an instruction of its own": b"\x82\x01.",
        "copies a table over and over": b"}("
        + b"".join(b"K\x01K\x02" for _ in range(2))
        + b"uq\x00"
        + b"0ccollections\nOrderedDict\nq\x010"
        + b"h\x01h\x00\x85R0" * 10
        + b"h\x01(h\x00h\x00tR.",
        "names of 10^5 letters": b"c" + b"a" * 100_000 + b"\nb\n.",
        "a storage of a strange kind": b"(X\x07\x00\x00\x00storageK\x01K\x02K\x03K\x04tQ.",
    }
    for name, program in programs.items():
        yield Fault("pickle", name, lambda folder, p=program: _read_official(folder, _HEAD + p + _TAIL))
    yield Fault("pickle", "marks over a stack of 200,000", _many_marks)
    yield Fault("pickle", "another file altogether", lambda folder: _read_official(folder, b"\x89PNG" * 100))
    yield Fault("pickle", "an empty file", lambda folder: _read_official(folder, b""))


def _many_marks(folder: Path) -> tuple[str, str]:
    return _read_official(folder, _HEAD + b"N" * 200_000 + b"(1" * 200_000 + b"(\x85\x85.")


def _read_official(folder: Path, content: bytes) -> tuple[str, str]:
    path = folder / "m.bin"
    path.write_bytes(content)
    told, kept = refused(lambda: read_official_file(path), folder)
    return told, kept
