# SPDX-License-Identifier: GPL-3.0-or-later
"""Composes a paired data set from unpaired corpora: real speech with gesture units placed on its accents."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ..data.dataset import DatasetWriter, split_of_speakers
from ..data.summary import summary
from ..evaluation.takes import Take, take_of_directions
from ..speech.prosody import Prosody, analyse
from . import canonical
from .composer import Library, draw_style, make_plan
from .corpora import WORK_FPS, load_motion
from .performer import perform
from .recordings import Recording, group_for_takes, load_recordings, make_take

FloatArray = np.ndarray

FPS: Final = 15.0
LAYOUT: Final = "ted_expressive"
VAL_FRACTION: Final = 0.08
# Not the data set's seed: the same speakers stay unseen whatever is composed.
SPLIT_SEED: Final = 11


@dataclass(frozen=True)
class ComposedTake:
    """Audio (N,) and directions (T, 42, 3) at 15 fps of one made take, with its prosody."""

    name: str
    speaker: str
    audio: FloatArray
    directions: FloatArray
    prosody: Prosody
    licence: str
    source: str


def generator(seed: int, *keys: str | int) -> np.random.Generator:
    """A random stream of its own for each combination of keys, the same on every machine."""
    words = [k if isinstance(k, int) else zlib.crc32(k.encode("utf-8")) for k in keys]
    return np.random.default_rng([seed, *words])


def compose_motion(
    prosody: Prosody, frames: int, library: Library, seed: int, speaker: str, take: int, variant: int = 0
) -> FloatArray:
    """Local rotations (2 * frames, J, 4) at 30 fps for speech of ``frames`` / 15 seconds.

    Takes of one ``speaker`` and ``variant`` share a style.
    """
    style = draw_style(library, generator(seed, speaker, variant, 1))
    rng = generator(seed, speaker, take, 2)
    plan = make_plan(prosody, library, style, rng)
    return perform(plan, prosody, library, style, 2 * frames, rng)


def compose_takes(
    recordings: list[Recording], library: Library, hours: float, seed: int
) -> Iterator[ComposedTake]:
    """Made takes, round after round over all speakers, until ``hours`` are reached.

    Each round joins and pauses the recordings anew; every second round a speaker's style is drawn anew, so that
    the same words are seen with other gestures.
    """
    by_speaker: dict[str, list[Recording]] = {}
    for recording in recordings:
        by_speaker.setdefault(recording.speaker, []).append(recording)
    prosodies: dict[str, Prosody] = {}
    seconds, take, round_number = 0.0, 0, 0
    while seconds < hours * 3600.0:
        for speaker in sorted(by_speaker):
            own = by_speaker[speaker]
            for group in group_for_takes(own, generator(seed, speaker, round_number, 3)):
                for k in group:
                    if own[k].name not in prosodies:
                        prosodies[own[k].name] = analyse(own[k].audio)
                parts = [(own[k], prosodies[own[k].name]) for k in group]
                audio, prosody = make_take(parts, FPS, generator(seed, speaker, take, 4))
                frames = round(len(audio) / 16000.0 * FPS)
                local = compose_motion(prosody, frames, library, seed, speaker, take, round_number // 2)
                directions = canonical.directions(local[:: round(WORK_FPS / FPS)]).astype(np.float32)
                yield ComposedTake(
                    name=f"take{take:05d}",
                    speaker=speaker,
                    audio=audio,
                    directions=directions,
                    prosody=prosody,
                    licence=parts[0][0].licence,
                    source="+".join(recording.name for recording, _ in parts),
                )
                seconds += frames / FPS
                take += 1
                if seconds >= hours * 3600.0:
                    return
        round_number += 1


def compose_dataset(
    source: Path, target: Path, hours: float, seed: int, progress: Callable[[str], None] = lambda _: None
) -> dict[str, float | None]:
    """Writes a data set of about ``hours`` to ``target`` and returns its statistics.

    The same corpora, hours and seed give the same files. Raises DataError when the corpora are not complete.
    """
    clips = load_motion(source)
    library = Library.from_clips(clips)
    recordings = load_recordings(source)
    progress(f"{len(library.units)} gesture units, {len(recordings)} recordings")
    splits = split_of_speakers([r.speaker for r in recordings], VAL_FRACTION, generator(SPLIT_SEED, 0))
    writer = DatasetWriter(target, LAYOUT, FPS)
    measured: list[Take] = []
    for made in compose_takes(recordings, library, hours, seed):
        split = splits[made.speaker]
        writer.add(made.name, made.speaker, split, made.audio, made.directions, made.licence, made.source)
        if len(measured) < 400:
            measured.append(take_of_directions(made.name, made.audio, made.directions, LAYOUT, FPS))
        if len(writer.takes) % 50 == 0:
            progress(f"{len(writer.takes)} takes, {sum(t.frames for t in writer.takes) / FPS / 60.0:.1f} min")
    statistics = summary(measured)
    licences = sorted({f"{clip.motion_set}: {clip.licence}" for clip in clips})
    writer.close(statistics, {"made_by": "prepare.py compose", "seed": seed, "motion_licences": licences})
    return statistics
