# SPDX-License-Identifier: GPL-3.0-or-later
"""Paired training data on disk: a folder with ``dataset.json``, ``directions.npy`` and ``audio.npy``.

``directions.npy`` (sum of T, B, 3) float32: unit bone directions in the public frame, the takes one after the
other. ``audio.npy`` (sum of N,) int16: 16 kHz mono speech, for each take exactly ``round(T / fps * 16000)``
samples. Both are memory-mapped by the reader. ``dataset.json`` names layout, fps and every take with its
offsets, speaker, split and licence.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..skeletons import SKELETONS, Skeleton
from .corpora import DataError

FloatArray = np.ndarray

FORMAT: Final = "diffgesture-dataset-1"
SAMPLE_RATE: Final = 16000


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
    """Appends takes to a data set folder; :meth:`close` completes it. Works in constant memory."""

    def __init__(self, folder: Path, layout: str, fps: float) -> None:
        self.folder = folder
        self.skeleton = SKELETONS[layout]
        self.fps = fps
        self.takes: list[Take] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._directions = (folder / "directions.part").open("wb")
        self._audio = (folder / "audio.part").open("wb")
        self._frames = 0
        self._samples = 0

    def add(
        self,
        name: str,
        speaker: str,
        split: str,
        audio: FloatArray,
        directions: FloatArray,
        licence: str,
        source: str,
    ) -> None:
        """Adds a take: audio (N,) float in -1..1, directions (T, B, 3). Audio is cut or zero-padded to fit."""
        if directions.ndim != 3 or directions.shape[1:] != (self.skeleton.num_bones, 3):
            raise DataError(
                f"Take {name}: directions have the shape {directions.shape}, "
                f"but the layout {self.skeleton.name} needs (T, {self.skeleton.num_bones}, 3)."
            )
        if not np.isfinite(directions).all() or not np.isfinite(audio).all():
            raise DataError(f"Take {name}: directions or audio hold values that are not numbers.")
        frames = len(directions)
        samples = samples_for(frames, self.fps)
        audio = np.pad(audio[:samples], (0, max(0, samples - len(audio))))
        pcm = np.round(np.clip(audio, -1.0, 1.0) * 32767.0).astype("<i2")
        self._directions.write(np.ascontiguousarray(directions, dtype="<f4").tobytes())
        self._audio.write(pcm.tobytes())
        self.takes.append(
            Take(name, speaker, split, frames, self._frames, samples, self._samples, licence, source)
        )
        self._frames += frames
        self._samples += samples

    def close(self, statistics: dict[str, Any], provenance: dict[str, Any]) -> None:
        """Writes the arrays' headers and ``dataset.json``."""
        self._directions.close()
        self._audio.close()
        bones = self.skeleton.num_bones
        _finish(self.folder, "directions", np.dtype("<f4"), (self._frames, bones, 3))
        _finish(self.folder, "audio", np.dtype("<i2"), (self._samples,))
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
            "takes": [asdict(take) for take in self.takes],
        }
        (self.folder / "dataset.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def _finish(folder: Path, name: str, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    part = folder / f"{name}.part"
    with (folder / f"{name}.npy").open("wb") as target, part.open("rb") as source:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(target, header)
        while block := source.read(1 << 22):
            target.write(block)
    part.unlink()


class Dataset:
    """Read access to a data set folder. Raises DataError naming file and field when it is not usable.

    >>> data = Dataset(Path("dataset"))                          # doctest: +SKIP
    >>> audio, directions = data.take(data.indices("train")[0])  # doctest: +SKIP
    """

    def __init__(self, folder: Path | str, layout: str | None = None) -> None:
        self.folder = Path(folder)
        card = self._read_card()
        self.card = card
        self.layout = str(card["layout"])
        if self.layout not in SKELETONS:
            raise DataError(f"{self._json}: field 'layout' is '{self.layout}', known are {', '.join(SKELETONS)}.")
        if layout is not None and layout != self.layout:
            raise DataError(f"{self._json}: field 'layout' is '{self.layout}', but '{layout}' is needed.")
        self.skeleton: Skeleton = SKELETONS[self.layout]
        self.fps = float(card["fps"])
        self.sample_rate = int(card["sample_rate"])
        if self.sample_rate != SAMPLE_RATE:
            raise DataError(f"{self._json}: field 'sample_rate' is {self.sample_rate}, it must be {SAMPLE_RATE}.")
        if card["frame"] != "public":
            raise DataError(f"{self._json}: field 'frame' is '{card['frame']}', it must be 'public'.")
        try:
            self.takes: tuple[Take, ...] = tuple(Take(**take) for take in card["takes"])
        except TypeError as error:
            raise DataError(f"{self._json}: field 'takes' is not as expected: {error}.") from error
        self.directions = self._map("directions.npy")
        self.audio = self._map("audio.npy")
        self._check()

    @property
    def _json(self) -> Path:
        return self.folder / "dataset.json"

    def _read_card(self) -> dict[str, Any]:
        try:
            card = json.loads(self._json.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{self._json} cannot be read: {error}. Make it with prepare.py.") from error
        if not isinstance(card, dict) or card.get("format") != FORMAT:
            raise DataError(f"{self._json}: field 'format' is not '{FORMAT}'. Make the data set anew.")
        for field in ("layout", "fps", "frame", "sample_rate", "takes"):
            if field not in card:
                raise DataError(f"{self._json}: field '{field}' is missing.")
        return card

    def _map(self, name: str) -> np.ndarray:
        try:
            return np.load(self.folder / name, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.folder / name} cannot be read: {error}.") from error

    def _check(self) -> None:
        bones = self.skeleton.num_bones
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
            raise DataError(
                f"{self.folder / 'directions.npy'}: take '{take.name}' holds values that are not numbers."
            )
        return pcm.astype(np.float32) / 32768.0, np.array(directions, dtype=np.float32)


def split_of_speakers(speakers: Sequence[str], val_fraction: float, rng: np.random.Generator) -> dict[str, str]:
    """Split of each speaker: "val" for a random share (at least one of several), "train" for the others."""
    names = sorted(set(speakers))
    count = min(len(names) - 1, max(1, round(val_fraction * len(names)))) if len(names) > 1 else 0
    held_out = {names[int(k)] for k in rng.permutation(len(names))[:count]}
    return {name: "val" if name in held_out else "train" for name in names}
