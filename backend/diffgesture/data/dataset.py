# SPDX-License-Identifier: GPL-3.0-or-later
"""Paired training data on disk: a folder with ``dataset.json``, ``directions.npy`` and ``audio.npy``.

``directions.npy`` (sum of T, B, 3) float32: unit bone directions in the public frame, the takes one after the
other. ``audio.npy`` (sum of N,) int16: 16 kHz mono speech, for each take exactly ``round(T / fps * 16000)``
samples. ``streams/NAME.npy`` (sum of T, n) float16, where there are any: further conditions of each frame, their
columns named in ``dataset.json``. All are memory-mapped by the reader. ``dataset.json`` names layout,
fps and every take with its offsets, speaker, split and licence. Where windows were
picked by filters, ``windows.npy`` (K, 3) int64 lists them: take, first frame and first audio sample in the take.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import DataError, OutputError
from ..motion.skeletons import SKELETONS, Skeleton
from ..reading import Items, Named, Real, Table, Text, Whole, check_file, read_json, understood
from ..speech.features import SAMPLE_RATE
from ..writing import write_file, written

FloatArray = np.ndarray

FORMAT: Final = "diffgesture-dataset-1"
_HEADER_BYTES: Final = 192
_RESERVE_BYTES: Final = 1 << 16
_MAX_CARD: Final = 256 << 20
# Fields of ``dataset.json`` that are a list of takes and a table of streams.
_TAKES: Final = Items(
    Table(
        {
            **dict.fromkeys(("name", "speaker", "split", "source"), Text()),
            **dict.fromkeys(("frames", "frame_offset", "samples", "sample_offset"), Whole()),
            "licence": Text(20_000),
        }
    ),
    most=1_000_000,
)
_STREAMS: Final = Named(Table({"columns": Items(Text(), 1024)}, open=True), 16)


@dataclass(frozen=True)
class Take:
    """One take: ``frames`` poses from ``frame_offset`` on, ``samples`` of audio from ``sample_offset`` on."""

    name: str
    speaker: str
    split: str
    frames: int
    frame_offset: int
    samples: int
    sample_offset: int
    licence: str
    source: str


def samples_for(frames: int, fps: float) -> int:
    """Audio samples that belong to ``frames`` poses."""
    return round(frames / fps * SAMPLE_RATE)


class DatasetWriter:
    """Appends takes to a data set folder; :meth:`close` completes it. Works in constant memory.

    A data set that is in the folder already stays as it is until then. When the disk is full, :meth:`add` raises
    OutputError and the takes before can still be completed with :meth:`close`: room for that is kept.
    """

    def __init__(
        self, folder: Path, layout: str, fps: float, streams: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """``streams`` names the columns of each further condition that every take brings."""
        self.folder = folder
        self._columns = {name: list(columns) for name, columns in (streams or {}).items()}
        self.skeleton = SKELETONS[layout]
        self.fps = fps
        self.takes: list[Take] = []
        self._windows: list[tuple[int, int, int]] = []
        self._has_windows = False
        self._words: list[list[tuple[str, float, float]]] = []
        self._frames = 0
        self._samples = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._directions = (folder / "directions.part").open("wb", buffering=0)
            self._audio = (folder / "audio.part").open("wb", buffering=0)
            self._reserve = (folder / "reserve.part").open("wb", buffering=0)
            if self._columns:
                (folder / "streams").mkdir(exist_ok=True)
            self._streams = {
                name: (folder / "streams" / f"{name}.part").open("wb", buffering=0) for name in self._columns
            }
            for file in (self._directions, self._audio, *self._streams.values()):
                _write(file, bytes(_HEADER_BYTES))
            _write(self._reserve, bytes(_RESERVE_BYTES))
        except OSError as error:
            for part in folder.rglob("*.part"):
                part.unlink(missing_ok=True)
            raise OutputError(f"The data set cannot be written to {folder}: {error.strerror}.") from error

    def add(
        self,
        name: str,
        speaker: str,
        split: str,
        audio: FloatArray,
        directions: FloatArray,
        licence: str,
        source: str,
        windows: Sequence[tuple[int, int]] | None = None,
        streams: Mapping[str, FloatArray] | None = None,
        words: Sequence[tuple[str, float, float]] = (),
    ) -> None:
        """Adds a take: audio (N,) float in -1..1, directions (T, B, 3). Audio is cut or zero-padded to fit.

        ``streams`` (T, n) are all those that the writer was made for. ``words`` are what is said, each with its
        begin and end in seconds of the take.

        ``windows``: (first frame, first sample) of those that are good to learn from. Raises DataError for arrays
        of a wrong shape or with NaN or infinity, OutputError when the take cannot be written.
        """
        if directions.ndim != 3 or directions.shape[1:] != (self.skeleton.num_bones, 3):
            raise DataError(
                f"Take {name}: directions have the shape {directions.shape}, "
                f"but the layout {self.skeleton.name} needs (T, {self.skeleton.num_bones}, 3)."
            )
        if not np.isfinite(directions).all() or not np.isfinite(audio).all():
            raise DataError(f"Take {name}: directions or audio contain NaN or infinity.")
        frames = len(directions)
        streams = streams or {}
        for stream, columns in self._columns.items():
            if stream not in streams or streams[stream].shape != (frames, len(columns)):
                raise DataError(f"Take {name}: the stream '{stream}' must be ({frames}, {len(columns)}).")
        samples = samples_for(frames, self.fps)
        audio = np.pad(audio[:samples], (0, max(0, samples - len(audio))))
        pcm = np.round(np.clip(audio, -1.0, 1.0) * 32767.0).astype("<i2")
        take = Take(name, speaker, split, frames, self._frames, samples, self._samples, licence, source)
        try:
            _write(self._directions, np.ascontiguousarray(directions, dtype="<f4").tobytes())
            _write(self._audio, pcm.tobytes())
            for stream, file in self._streams.items():
                _write(file, np.ascontiguousarray(streams[stream], dtype="<f2").tobytes())
            _write(
                self._reserve,
                bytes(2 * len(json.dumps(asdict(take))) + 24 * len(windows or ()) + 64 * len(words) + 256),
            )
        except OSError as error:
            raise OutputError(
                f"Take {name} cannot be written to {self.folder}: {error.strerror}. "
                f"The {len(self.takes)} takes before it are complete."
            ) from error
        if windows is not None:
            self._has_windows = True
            self._windows += [(len(self.takes), frame, sample) for frame, sample in windows]
        self._words.append([(str(word), round(begin, 3), round(end, 3)) for word, begin, end in words])
        self.takes.append(take)
        self._frames += frames
        self._samples += samples

    def close(
        self, statistics: dict[str, Any], provenance: dict[str, Any], selection: dict[str, Any] | None = None
    ) -> None:
        """Completes the arrays and writes ``dataset.json`` last. ``selection`` says how windows were picked."""
        card = {
            "format": FORMAT,
            "layout": self.skeleton.name,
            "fps": self.fps,
            "frame": "public",
            "sample_rate": SAMPLE_RATE,
            "frames": self._frames,
            "samples": self._samples,
            "hours": round(self._frames / self.fps / 3600.0, 4),
            "statistics": statistics,
            "provenance": provenance,
            **({"streams": {n: {"columns": c} for n, c in self._columns.items()}} if self._columns else {}),
            "takes": [asdict(take) for take in self.takes],
        }
        if any(self._words):
            card["words"] = sum(map(len, self._words))
        if self._has_windows:
            card["windows"] = {"count": len(self._windows), **(selection or {})}
        try:
            self._finish(card)
        except OSError as error:
            raise OutputError(f"The data set cannot be completed in {self.folder}: {error.strerror}.") from error

    @property
    def num_windows(self) -> int:
        """Windows that were picked so far."""
        return len(self._windows)

    def discard(self) -> None:
        """Gives up: what was written is removed, a data set that was in the folder before stays."""
        for file in (self._directions, self._audio, *self._streams.values(), self._reserve):
            file.close()
            Path(file.name).unlink(missing_ok=True)

    def _finish(self, card: dict[str, Any]) -> None:
        # A take that was not written completely is cut off, which also gives room back.
        arrays = (
            (self._directions, np.dtype("<f4"), (self._frames, self.skeleton.num_bones, 3)),
            (self._audio, np.dtype("<i2"), (self._samples,)),
            *(
                (file, np.dtype("<f2"), (self._frames, len(self._columns[name])))
                for name, file in self._streams.items()
            ),
        )
        for file, dtype, shape in arrays:
            file.truncate(_HEADER_BYTES + int(np.prod(shape)) * dtype.itemsize)
            file.seek(0)
            _write(file, _array_header(dtype, shape))
            os.fsync(file.fileno())
            file.close()
        self._reserve.close()
        (self.folder / "reserve.part").unlink()
        windows = self.folder / "windows.npy"
        targets = [self.folder / "dataset.json", *([windows] if self._has_windows else [])]
        if "words" in card:
            write_file(self.folder / "words.json", json.dumps(self._words, ensure_ascii=False))
        with written(*targets) as parts:
            parts[0].write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
            if self._has_windows:
                np.save(parts[1], np.array(self._windows, dtype=np.int64).reshape(-1, 3))
            else:
                windows.unlink(missing_ok=True)
            # The arrays are on the disk; their names are all that changes, and dataset.json comes last.
            for name in ("directions", "audio", *(f"streams/{stream}" for stream in self._columns)):
                (self.folder / f"{name}.part").replace(self.folder / f"{name}.npy")


def _write(file: FileIO, data: bytes) -> None:
    """All of ``data``: a full disk may take a part of it first."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _array_header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """The header of an npy file of version 1.0, always of the same length."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    text = repr(header).encode("latin1").ljust(_HEADER_BYTES - 11) + b"\n"
    return np.lib.format.magic(1, 0) + len(text).to_bytes(2, "little") + text


class Dataset:
    """Read access to a data set folder. Raises DataError naming file and field when it is not usable.

    >>> data = Dataset(Path("dataset"))                          # doctest: +SKIP
    >>> audio, directions = data.take(data.indices("train")[0])  # doctest: +SKIP
    """

    def __init__(self, folder: Path | str, layout: str | None = None, in_memory: bool = False) -> None:
        """``in_memory``: arrays are read through once instead of mapped, which network drives are faster at."""
        self.folder, self._in_memory = Path(folder), in_memory
        with understood(f"{self._json} is not as it must be", DataError, " Make the data set again."):
            self._open(self._read_card(), layout)

    def _open(self, card: dict[str, Any], layout: str | None) -> None:
        self.card = card
        self.layout = Text()(card["layout"], "field 'layout'")
        if self.layout not in SKELETONS:
            raise DataError(f"{self._json}: field 'layout' is '{self.layout}', known are {', '.join(SKELETONS)}.")
        if layout is not None and layout != self.layout:
            raise DataError(f"{self._json}: field 'layout' is '{self.layout}', but '{layout}' is needed.")
        self.skeleton: Skeleton = SKELETONS[self.layout]
        self.fps = Real(1, 240)(card["fps"], "field 'fps'")
        self.sample_rate = Whole()(card["sample_rate"], "field 'sample_rate'")
        if self.sample_rate != SAMPLE_RATE:
            raise DataError(f"{self._json}: field 'sample_rate' is {self.sample_rate}, it must be {SAMPLE_RATE}.")
        if card["frame"] != "public":
            raise DataError(f"{self._json}: field 'frame' is '{card['frame']}', it must be 'public'.")
        self.takes: tuple[Take, ...] = tuple(Take(**take) for take in _TAKES(card["takes"], "field 'takes'"))
        self.directions = self._map("directions.npy")
        self.audio = self._map("audio.npy")
        streams = _STREAMS(card.get("streams", {}), "field 'streams'")
        self.stream_columns: dict[str, list[str]] = {name: streams[name]["columns"] for name in streams}
        if strange := [name for name in streams if not name.isidentifier()]:
            raise ValueError(f"a stream is called {strange[0]!r:.40}, which can be no file's name")
        self._streams = {name: self._map(f"streams/{name}.npy") for name in self.stream_columns}
        self._words: list[list[tuple[str, float, float]]] | None = None
        self.windows: np.ndarray | None = self._map("windows.npy") if "windows" in card else None
        self._check()

    @property
    def _json(self) -> Path:
        return self.folder / "dataset.json"

    def _read_card(self) -> dict[str, Any]:
        if not self._json.is_file():
            raise DataError(f"{self._json} cannot be read: it is not there. Make it with prepare.py.")
        card = read_json(self._json, "data set", DataError, _MAX_CARD)
        if not isinstance(card, dict) or card.get("format") != FORMAT:
            raise DataError(f"{self._json}: field 'format' is not '{FORMAT}'. Make the data set again.")
        for field in ("layout", "fps", "frame", "sample_rate", "takes"):
            if field not in card:
                raise DataError(f"{self._json}: field '{field}' is missing.")
        return card

    def _map(self, name: str) -> np.ndarray:
        path = self.folder / name
        check_file(path, "part of the data set", DataError)
        with understood(f"{path} cannot be read", DataError):
            array = np.lib.format.open_memmap(path, mode="r")
            if array.dtype.kind not in "fiu":
                raise ValueError("it does not hold numbers")
            return np.array(array) if self._in_memory else array

    def _check(self) -> None:
        bones = self.skeleton.num_bones
        if self.directions.dtype.kind != "f":
            raise DataError(f"{self.folder / 'directions.npy'} does not hold directions.")
        if self.directions.ndim != 3 or self.directions.shape[1:] != (bones, 3):
            raise DataError(
                f"{self.folder / 'directions.npy'} has the shape {self.directions.shape}, "
                f"but the layout {self.layout} needs (T, {bones}, 3)."
            )
        if self.audio.ndim != 1 or self.audio.dtype != np.int16:
            raise DataError(f"{self.folder / 'audio.npy'} is not a row of 16-bit samples.")
        frame, sample = 0, 0
        for take in self.takes:
            if take.samples != samples_for(take.frames, self.fps):
                raise DataError(f"{self._json}: take '{take.name}', field 'samples' does not fit its frames.")
            if take.frame_offset != frame or take.sample_offset != sample:
                raise DataError(f"{self._json}: take '{take.name}' does not start where the one before it ends.")
            frame, sample = frame + take.frames, sample + take.samples
        for name, array, expected in (("directions", self.directions, frame), ("audio", self.audio, sample)):
            if len(array) != expected:
                raise DataError(
                    f"{self.folder / name}.npy has {len(array)} entries, but the takes add up to {expected}."
                )

        for name, array in self._streams.items():
            if array.shape != (frame, len(self.stream_columns[name])):
                raise DataError(
                    f"{self.folder / 'streams' / name}.npy has the shape {array.shape}, it must be"
                    f" ({frame}, {len(self.stream_columns[name])})."
                )
        if self.windows is not None:
            self._check_windows(self.windows)

    def _check_windows(self, windows: np.ndarray) -> None:
        path = self.folder / "windows.npy"
        if windows.ndim != 2 or windows.shape[1] != 3 or windows.dtype.kind != "i":
            raise DataError(f"{path} has the shape {windows.shape}, it must be (windows, 3) whole numbers.")
        if not len(windows):
            return
        ends = [(take.frames, take.samples) for take in self.takes]
        if windows.min() < 0 or windows[:, 0].max() >= len(ends):
            raise DataError(f"{path} names takes that are not in {self._json.name}.")
        if (windows[:, 1:] >= np.array(ends)[windows[:, 0]]).any():
            raise DataError(f"{path} lists windows that begin after the end of their take.")

    def __len__(self) -> int:
        return len(self.takes)

    def indices(self, split: str | None = None) -> list[int]:
        """Takes of a split ("train", "val"), or all of them."""
        return [k for k, take in enumerate(self.takes) if split in (None, take.split)]

    def take(self, index: int) -> tuple[FloatArray, FloatArray]:
        """(audio (N,) float32 in -1..1, directions (T, B, 3) float32) of one take."""
        take = self.takes[index]
        pcm = self.audio[take.sample_offset : take.sample_offset + take.samples]
        directions = self.directions[take.frame_offset : take.frame_offset + take.frames]
        if not np.isfinite(directions).all():
            raise DataError(f"{self.folder / 'directions.npy'}: take '{take.name}' contains NaN or infinity.")
        return pcm.astype(np.float32) / 32768.0, np.array(directions, dtype=np.float32)

    def words(self, index: int) -> list[tuple[str, float, float]]:
        """What is said in a take: words with begin and end in seconds; none where the data do not tell."""
        if "words" not in self.card:
            return []
        if self._words is None:
            path = self.folder / "words.json"
            with understood(f"{path} cannot be read", DataError):
                lists = read_json(path, "list of words", DataError, _MAX_CARD)
                self._words = [[(str(w), float(a), float(b)) for w, a, b in words] for words in lists]
            if len(self._words) != len(self.takes):
                raise DataError(f"{path} tells of {len(self._words)} takes, but there are {len(self.takes)}.")
        return self._words[index]

    def streams(self, index: int) -> dict[str, FloatArray]:
        """The further conditions of one take, (T, n) float32 each; their columns are in ``stream_columns``."""
        take = self.takes[index]
        frames = slice(take.frame_offset, take.frame_offset + take.frames)
        return {name: np.array(array[frames], dtype=np.float32) for name, array in self._streams.items()}


def split_of_speakers(speakers: Sequence[str], val_fraction: float, rng: np.random.Generator) -> dict[str, str]:
    """Split of each speaker: "val" for a random share (at least one of several), "train" for the others."""
    names = sorted(set(speakers))
    count = min(len(names) - 1, max(1, round(val_fraction * len(names)))) if len(names) > 1 else 0
    held_out = {names[int(k)] for k in rng.permutation(len(names))[:count]}
    return {name: "val" if name in held_out else "train" for name in names}
