# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of motion files and audio files that belong together by name, to a data set."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ...errors import DataError, GestureError
from ...motion.joint_names import map_joints
from ...motion.skeletons import directions_to_joints
from ...reading import beside
from ...speech.audio import load_audio
from ...speech.features import SAMPLE_RATE
from ...words.alignment import aligned
from ...words.transcript import read_transcript
from ..dataset import DatasetWriter
from .body import Body, layout_directions, named_body
from .bvh import read_bvh
from .checks import check_directions, check_lengths
from .filters import WindowFilter
from .lmdb_file import OnDamage
from .motion_files import read_clips, read_smplx

TRANSCRIPT_SUFFIXES: Final = (".TextGrid", ".textgrid", ".srt", ".vtt")
AUDIO_SUFFIXES: Final = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".aac", ".opus", ".mp4", ".mov", ".mkv")


@dataclass(frozen=True)
class Recording:
    """One take to be imported: how to read its motion, and its audio file."""

    name: str
    speaker: str
    motion: Path
    audio: Path
    read: Callable[[], Body]


def find_bvh(folder: Path, speaker: str | None, map_file: Path | None, on_bad: OnDamage) -> list[Recording]:
    """BVH files with audio of the same name, in one folder or in different ones below ``folder``."""
    return [
        Recording(name, speaker_of(name, motion, folder, speaker), motion, audio, _bvh_reader(motion, map_file))
        for name, motion, audio in pair_files(folder, ".bvh", on_bad)
    ]


def find_beat2(folder: Path, speaker: str | None, on_bad: OnDamage) -> list[Recording]:
    """SMPL-X archives with audio of the same name. BEAT2's names begin with the speaker, such as 2_scott."""
    speaker = speaker or r"^(\d+_[^_]+)_"
    return [
        Recording(name, speaker_of(name, motion, folder, speaker), motion, audio, _smplx_reader(motion))
        for name, motion, audio in pair_files(folder, ".npz", on_bad)
    ]


def find_npz(folder: Path, speaker: str | None, map_file: Path | None, on_bad: OnDamage) -> list[Recording]:
    """Clips of archives of the corpora: the audio that the clip names, else that of the archive's name."""
    motions, audios = _files(folder, ".npz"), _audio_by_name(folder)
    recordings = []
    for motion in motions:
        try:
            clips = read_clips(motion)
        except DataError as error:
            on_bad(str(error))
            continue
        for k, (_, audio_name) in enumerate(clips):
            try:
                audio = beside(motion, audio_name, "recording", DataError) if audio_name else None
            except DataError as error:
                on_bad(f"clip {k}: {error}")
                continue
            if audio is None:
                audio = (
                    _one_audio(motion, audios.get(motion.stem.lower(), []), on_bad) if len(clips) == 1 else None
                )
            if audio is None:
                on_bad(f"{motion}: clip {k} names no audio file.")
                continue
            name = motion.stem if len(clips) == 1 else f"{motion.stem}/{k}"
            who = speaker_of(name, motion, folder, speaker)
            recordings.append(Recording(name, who, motion, audio, _clip_reader(motion, k, map_file)))
    if not motions:
        raise DataError(f"There are no .npz files in {folder}.")
    return recordings


def _bvh_reader(path: Path, map_file: Path | None) -> Callable[[], Body]:
    def read() -> Body:
        armature = read_bvh(path)
        return named_body(armature, map_joints(armature.joint_names, str(path), map_file))

    return read


def _smplx_reader(path: Path) -> Callable[[], Body]:
    def read() -> Body:
        armature = read_smplx(path)
        return named_body(armature, map_joints(armature.joint_names, str(path)))

    return read


def _clip_reader(path: Path, index: int, map_file: Path | None) -> Callable[[], Body]:
    def read() -> Body:
        armature = read_clips(path)[index][0]
        return named_body(armature, map_joints(armature.joint_names, str(path), map_file))

    return read


def pair_files(folder: Path, motion_suffix: str, on_bad: OnDamage) -> Iterator[tuple[str, Path, Path]]:
    """(name, motion file, audio file), sorted; a motion without audio or with several is told to ``on_bad``.

    Raises DataError when the folder holds no motion at all.
    """
    motions, audios = _files(folder, motion_suffix), _audio_by_name(folder)
    if not motions:
        raise DataError(f"There are no {motion_suffix} files in {folder}.")
    stems = [path.stem.lower() for path in motions]
    for motion in motions:
        audio = _one_audio(motion, audios.get(motion.stem.lower(), []), on_bad)
        if audio is not None:
            # Files of the same name in several folders are told apart by the folder.
            shared = stems.count(motion.stem.lower()) > 1
            yield (motion.relative_to(folder).with_suffix("").as_posix() if shared else motion.stem), motion, audio


def _files(folder: Path, suffix: str) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() == suffix and path.is_file())


def _audio_by_name(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file():
                found.setdefault(path.stem.lower(), []).append(path)
    return found


def _one_audio(motion: Path, candidates: Sequence[Path], on_bad: OnDamage) -> Path | None:
    beside = [path for path in candidates if path.parent == motion.parent]
    choice = beside or list(candidates)
    if len(choice) == 1:
        return choice[0]
    if not choice:
        on_bad(f"{motion}: there is no audio file of that name.")
    else:
        on_bad(f"{motion}: it could belong to {' or '.join(str(path) for path in choice)}.")
    return None


def speaker_of(name: str, motion: Path, folder: Path, pattern: str | None) -> str:
    """The speaker of a take: what ``pattern`` finds in the name, else the folder the file is in. DataError."""
    if pattern:
        try:
            match = re.search(pattern, motion.stem)
        except re.error as error:
            raise DataError(f"--speaker is not a regular expression: {error}.") from error
        if match:
            return match[1] if match.re.groups else match[0]
    beneath = motion.parent.relative_to(folder)
    return beneath.as_posix() if beneath.parts else folder.name


def import_folder(
    recordings: Sequence[Recording],
    splits: dict[str, str],
    writer: DatasetWriter,
    tolerance: float,
    licence: str,
    on_bad: OnDamage,
    windows: WindowFilter | None = None,
    report: Callable[[str], None] = lambda _: None,
    low_pass: bool = False,
) -> None:
    """Adds each recording to ``writer``; ``splits`` gives the split of a take's name.

    ``low_pass``: before frames are left out. Remarks on a take (missing fingers and the like) go to ``report``.
    """
    skeleton, fps = writer.skeleton, writer.fps
    for recording in recordings:
        place = str(recording.motion)
        try:
            audio = load_audio(recording.audio)
            body = recording.read()
            check_lengths(place, len(audio) / SAMPLE_RATE, body.seconds, tolerance)
            try:
                directions = layout_directions(body, skeleton, fps, low_pass=low_pass)
            except DataError as error:
                raise DataError(f"{place}: {error}.") from error
            directions = directions[: max(1, round(len(audio) / SAMPLE_RATE * fps))]
            check_directions(place, directions, skeleton)
        except GestureError as error:
            text = f"{error} {error.hint}" if error.hint else str(error)
            on_bad(text if place in text else f"{place}: {text}")
            continue
        picked = None
        if windows is not None:
            joints = directions_to_joints(skeleton.to_native(directions), skeleton)
            firsts = windows.pick(joints - joints.mean(axis=0) + windows.mean_pose, fps)
            picked = [(first, round(first / fps * SAMPLE_RATE)) for first in firsts]
        for note in body.notes:
            report(f"{recording.name}: {note}")
        writer.add(
            recording.name,
            recording.speaker,
            splits[recording.name],
            audio,
            directions.astype(np.float32),
            licence,
            recording.motion.name,
            windows=picked,
            words=_spoken(recording, audio, on_bad),
        )


def _spoken(recording: Recording, audio: np.ndarray, on_bad: OnDamage) -> list[tuple[str, float, float]]:
    """The words of a transcript that lies beside motion or sound under the same name; none without one."""
    places = [
        path.with_suffix(suffix) for path in (recording.audio, recording.motion) for suffix in TRANSCRIPT_SUFFIXES
    ]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        return []
    try:
        words, _ = aligned(read_transcript(found), audio)
    except GestureError as error:
        on_bad(f"{found}: {error}")
        return []
    return [(word.text, word.start, word.end) for word in words]


def assign_splits(
    names: Sequence[str], groups: Sequence[str], val: float, test: float, seed: int
) -> dict[str, str]:
    """A split for each take name: whole groups (speakers, or takes themselves) are drawn for val and test.

    At least one group is drawn for a share above 0 while one is left for training; a single group is trained on.
    """
    distinct = sorted(set(groups))
    order = [distinct[k] for k in np.random.default_rng(seed).permutation(len(distinct))]
    of_group = dict.fromkeys(order, "train")
    taken = 0
    for split, share in (("val", val), ("test", test)):
        count = min(max(1, round(share * len(order))), len(order) - 1 - taken) if share > 0 else 0
        for group in order[taken : taken + max(0, count)]:
            of_group[group] = split
        taken += max(0, count)
    return {name: of_group[group] for name, group in zip(names, groups, strict=True)}
