# SPDX-License-Identifier: GPL-3.0-or-later
"""The official TED Gesture and TED Expressive data (LMDB) to a data set.

One record is a video with its clips: ``skeletons_3d`` (a (J, 3) array per frame), ``audio_raw`` at 16 kHz, words
with their times. A clip becomes a take at 15 fps by the published resampling, the video is its speaker.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ...errors import DataError
from ...motion.skeletons import SKELETONS, Skeleton, joints_to_directions
from ...speech.features import SAMPLE_RATE
from ..dataset import DatasetWriter
from .arrow_stream import StreamError, deserialize
from .checks import check_directions, check_lengths
from .filters import WindowFilter
from .lmdb_file import LmdbFile, OnDamage, stop_at_damage
from .resample import resample_published

FloatArray = np.ndarray

FPS: Final = 15.0
_SPLITS: Final = ("train", "val", "test")
_MIN_FRAMES: Final = 2


@dataclass(frozen=True)
class Clip:
    """A clip as stored: ``skeletons`` (T, J, 3) in official units and axes, ``audio`` (N,) at 16 kHz.

    ``start`` and the times of ``words`` (word, begin, end) are seconds in the video; ``place`` is how messages
    name the clip.
    """

    place: str
    video: str
    record: int
    index: int
    skeletons: FloatArray
    audio: FloatArray
    start: float
    seconds: float
    words: list[tuple[str, float, float]]


def find_databases(source: Path) -> list[tuple[Path, str]]:
    """(database, split) for an LMDB folder and the ones beside it, or for a folder that holds such a set.

    ``ted_train`` brings ``ted_val`` and ``ted_test`` along. The split is "" when the name does not tell it.
    Raises DataError when there is none, or more than one set.
    """
    if not (source / "data.mdb").is_file() and source.name != "data.mdb":
        sets = sorted(source.glob("*_train/data.mdb")) if source.is_dir() else []
        if len(sets) != 1:
            which = f"several: {', '.join(path.parent.name for path in sets)}" if sets else "none"
            raise DataError(
                f"{source} should be an LMDB folder or hold one that is named …_train; it holds {which}."
            )
        source = sets[0].parent
    folder = source.parent if source.name == "data.mdb" else source
    stem, _, split = folder.name.rpartition("_")
    if split not in _SPLITS:
        return [(folder, "")]
    if split != "train":
        return [(folder, split)]
    beside = [(folder.with_name(f"{stem}_{name}"), name) for name in _SPLITS]
    return [(path, name) for path, name in beside if path == folder or (path / "data.mdb").is_file()]


def read_clips(path: Path, on_damage: OnDamage = stop_at_damage) -> Iterator[Clip]:
    """Clips of one LMDB, one video in memory at a time. What is damaged is reported and left out."""
    with LmdbFile(path) as database:
        for record, (key, value) in enumerate(database.records(on_damage)):
            place = f"{database.path}: record {key.decode('ascii', errors='backslashreplace')}"
            try:
                video = deserialize(value)
                name, clips = video["vid"], video["clips"]
                if not isinstance(name, str) or not isinstance(clips, list):
                    raise StreamError("it is not a video with clips")
            except (StreamError, KeyError, TypeError) as error:
                on_damage(f"{place}: {_because(error)}.")
                continue
            for index, clip in enumerate(clips):
                try:
                    yield _clip(f"{place} ({name}), clip {index}", name, record, index, clip)
                except DataError as error:
                    on_damage(str(error))


def _because(error: Exception) -> str:
    return f"field {error} is missing" if isinstance(error, KeyError) else str(error)


def _clip(place: str, video: str, record: int, index: int, clip: Any) -> Clip:
    if not isinstance(clip, dict):
        raise DataError(f"{place} is not a clip.")
    for field in ("skeletons_3d", "audio_raw", "start_time", "end_time"):
        if field not in clip:
            raise DataError(f"{place}: field '{field}' is missing.")
    try:
        skeletons = np.array(clip["skeletons_3d"], dtype=None)
        skeletons = skeletons.reshape(len(skeletons), -1, 3)
        begin, end = float(clip["start_time"]), float(clip["end_time"])
        words = [(str(word[0]), float(word[1]), float(word[2])) for word in clip.get("words") or []]
        audio = np.asarray(clip["audio_raw"])
    except (ValueError, TypeError, IndexError) as error:
        raise DataError(f"{place}: a field is not as expected: {error}.") from error
    if skeletons.dtype.kind != "f":
        raise DataError(f"{place}: field 'skeletons_3d' does not hold numbers.")
    if audio.dtype.kind not in "fi" or audio.ndim != 1:
        raise DataError(f"{place}: field 'audio_raw' is not a row of samples.")
    scale = 1.0 if audio.dtype.kind == "f" else 1.0 / np.iinfo(audio.dtype).max
    if not np.isfinite(audio).all():
        raise DataError(f"{place}: field 'audio_raw' contains NaN or infinity.")
    if not 0 < end - begin < math.inf or len(skeletons) < _MIN_FRAMES:
        raise DataError(
            f"{place}: it lasts {end - begin:g} s and has {len(skeletons)} frames, which is too short."
        )
    return Clip(
        place,
        video,
        record,
        index,
        skeletons,
        audio.astype(np.float32) * np.float32(scale),
        begin,
        end - begin,
        words,
    )


def layout_of(clip: Clip) -> Skeleton:
    """The layout with the clip's number of joints. Raises DataError if there is none."""
    for skeleton in SKELETONS.values():
        if clip.skeletons.shape[1] == skeleton.num_joints:
            return skeleton
    known = " or ".join(f"{s.num_joints} ({s.name})" for s in SKELETONS.values())
    raise DataError(
        f"{clip.place}: field 'skeletons_3d' has {clip.skeletons.shape[1]} joints, it must be {known}."
    )


def import_ted(
    databases: list[tuple[Path, str]],
    writer: DatasetWriter,
    windows: WindowFilter,
    tolerance: float,
    on_bad: OnDamage,
    held_out: dict[int, str],
    report: Callable[[str], None] = lambda _: None,
) -> None:
    """Adds every clip of ``databases`` (path, split) to ``writer``, and which of its windows pass the filters.

    ``held_out`` gives the split of some records where the database has none, the others are trained on.
    Audio and motion may differ by ``tolerance`` seconds.
    """
    skeleton = writer.skeleton
    for path, split in databases:
        for clip in read_clips(path, on_bad):
            try:
                audio, joints, directions = _take(clip, skeleton, tolerance)
            except DataError as error:
                on_bad(str(error))
                continue
            firsts = windows.pick(joints, FPS, clip.words, clip.start)
            samples = [math.floor(first / len(joints) * len(audio)) for first in firsts]
            writer.add(
                f"{clip.video}/{clip.index}",
                clip.video,
                split or held_out.get(clip.record, "train"),
                audio,
                directions,
                "TED talks: research only",
                path.name,
                windows=list(zip(firsts, samples, strict=True)),
                words=[(word, begin - clip.start, end - clip.start) for word, begin, end in clip.words],
            )
            if len(writer.takes) % 100 == 0:
                report(f"{len(writer.takes)} takes")


def _take(clip: Clip, skeleton: Skeleton, tolerance: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(audio, joints (T, J, 3) in official axes at 15 fps, directions (T, B, 3) in the public frame)."""
    if clip.skeletons.shape[1] != skeleton.num_joints:
        raise DataError(
            f"{clip.place}: field 'skeletons_3d' has {clip.skeletons.shape[1]} joints, "
            f"but the layout {skeleton.name} has {skeleton.num_joints}."
        )
    if not np.isfinite(clip.skeletons).all():
        frame = int(np.nonzero(~np.isfinite(clip.skeletons).all(axis=(1, 2)))[0][0])
        raise DataError(f"{clip.place}: field 'skeletons_3d', frame {frame} contains NaN or infinity.")
    check_lengths(clip.place, len(clip.audio) / SAMPLE_RATE, clip.seconds, tolerance)
    joints = resample_published(clip.skeletons, clip.seconds, FPS)
    directions = skeleton.to_public(joints_to_directions(joints.astype(np.float64), skeleton))
    check_directions(f"{clip.place}: field 'skeletons_3d'", directions, skeleton)
    return clip.audio, joints, directions.astype(np.float32)
