# SPDX-License-Identifier: GPL-3.0-or-later
"""Composes a paired data set from unpaired corpora: real speech with gesture units placed on its accents.

Next to speakers there are listeners, and sounds that nobody speaks in, both with idle motion. What is known of
each take - the speaker's style, the cues that were played, who speaks - is stored as streams of its frames.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ..data.dataset import DatasetWriter, split_of_speakers
from ..evaluation.summary import summary
from ..evaluation.takes import Take, take_of_directions
from ..motion import canonical
from ..speech.prosody import SAMPLE_RATE, Prosody, analyse
from .capture import disturb
from .composer import draw_style, make_plan
from .corpora import WORK_FPS, load_motion
from .cues import CUES, CueEvent, cue_stream, cue_units
from .performer import perform
from .plan import Library, Plan
from .recordings import Recording, at_speed, group_for_takes, load_recordings, make_take
from .sounds import draw_sound
from .style import STYLE_COLUMNS, Style

FloatArray = np.ndarray

FPS: Final = 15.0
LAYOUT: Final = "ted_expressive"
VAL_FRACTION: Final = 0.08
# Not the data set's seed: the same speakers stay unseen whatever is composed.
SPLIT_SEED: Final = 11
STREAMS: Final = {"style": STYLE_COLUMNS, "cues": CUES, "role": ("speaking",)}
# Shares of takes: nobody speaks; someone listens; cues are asked for; the recording is faster or slower.
SOUND_ALONE, _LISTENING, _WITH_CUES, _OTHER_SPEED = 0.07, 0.18, 0.55, 0.3


@dataclass(frozen=True)
class ComposedTake:
    """Audio (N,) and directions (T, 42, 3) at 15 fps of one made take, with its prosody and its streams (T, n)."""

    name: str
    speaker: str
    audio: FloatArray
    directions: FloatArray
    prosody: Prosody
    licence: str
    source: str
    streams: dict[str, FloatArray]


@dataclass(frozen=True)
class Performance:
    """Local rotations (2 * frames, J, 4) at 30 fps, and what was performed."""

    local: FloatArray
    style: Style
    cues: tuple[CueEvent, ...]
    listening: bool

    def directions(self) -> FloatArray:
        """(frames, 42, 3) at 15 fps."""
        return canonical.directions(self.local[:: round(WORK_FPS / FPS)]).astype(np.float32)

    def streams(self) -> dict[str, FloatArray]:
        """The columns of :data:`STREAMS` of each frame at 15 fps."""
        frames = len(self.local) // round(WORK_FPS / FPS)
        return {
            "style": np.tile(self.style.values(), (frames, 1)),
            "cues": cue_stream(self.cues, frames, FPS),
            "role": np.full((frames, 1), 0.0 if self.listening else 1.0, dtype=np.float32),
        }


def generator(seed: int, *keys: str | int) -> np.random.Generator:
    """A random stream of its own for each combination of keys, the same on every machine."""
    words = [k if isinstance(k, int) else zlib.crc32(k.encode("utf-8")) for k in keys]
    return np.random.default_rng([seed, *words])


def compose_performance(
    prosody: Prosody,
    frames: int,
    library: Library,
    style: Style,
    rng: np.random.Generator,
    cue_rate: float = 0.0,
    listening: bool = False,
) -> Performance:
    """A performance of ``frames`` / 15 seconds to that speech, with about ``cue_rate`` cues a second."""
    plan = Plan((), (), ()) if listening else make_plan(prosody, library, style, rng, cue_rate)
    return Performance(
        perform(plan, prosody, library, style, 2 * frames, rng, listening), style, plan.cues, listening
    )


def compose_motion(
    prosody: Prosody, frames: int, library: Library, seed: int, speaker: str, take: int, variant: int = 0
) -> FloatArray:
    """Local rotations (2 * frames, J, 4) at 30 fps for speech of ``frames`` / 15 seconds.

    Takes of one ``speaker`` and ``variant`` share a style.
    """
    style = draw_style(library, generator(seed, speaker, variant, 1))
    return compose_performance(prosody, frames, library, style, generator(seed, speaker, take, 2)).local


def compose_takes(
    recordings: list[Recording], library: Library, hours: float, seed: int, sound_alone: float = SOUND_ALONE
) -> Iterator[ComposedTake]:
    """Made takes, round after round over all speakers, until ``hours`` are reached.

    Each round joins and pauses the recordings anew and draws every speaker's style anew, so that the same words
    are seen with other gestures.
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
                style = draw_style(library, generator(seed, speaker, round_number, 1))
                rng = generator(seed, speaker, take, 4)
                made = _compose_take(parts, library, style, rng, f"take{take:05d}", sound_alone)
                yield made
                seconds += len(made.directions) / FPS
                take += 1
                if seconds >= hours * 3600.0:
                    return
        round_number += 1


def _compose_take(
    parts: list[tuple[Recording, Prosody]],
    library: Library,
    style: Style,
    rng: np.random.Generator,
    name: str,
    sound_alone: float,
) -> ComposedTake:
    kind, cued = rng.random(), rng.random() < _WITH_CUES
    if rng.random() < _OTHER_SPEED:
        factor = float(rng.choice([0.9, 1.1, 1.2, 1.3]))
        parts = [(faster, analyse(faster.audio)) for faster in (at_speed(r, factor) for r, _ in parts)]
    audio, prosody = make_take(parts, FPS, rng)
    if kind < sound_alone:
        audio = _sound_alone(min(len(audio), round(20.0 * SAMPLE_RATE)), rng)
        prosody = analyse(np.zeros_like(audio))
    frames = round(len(audio) / SAMPLE_RATE * FPS)
    performance = compose_performance(
        prosody,
        frames,
        library,
        style,
        rng,
        cue_rate=0.42 if cued and kind >= sound_alone else 0.0,
        listening=kind < sound_alone + _LISTENING and (kind >= sound_alone or rng.random() < 0.5),
    )
    return ComposedTake(
        name=name,
        speaker=parts[0][0].speaker,
        audio=audio if kind < sound_alone else disturb(audio, prosody, rng),
        directions=performance.directions(),
        prosody=prosody,
        licence=parts[0][0].licence,
        source="+".join(recording.name for recording, _ in parts),
        streams=performance.streams(),
    )


def _sound_alone(samples: int, rng: np.random.Generator) -> FloatArray:
    """Sound without speech (N,), from hardly audible to loud, a whole number of frames long; at times silence."""
    frames = int(samples / SAMPLE_RATE * FPS)
    samples = round(frames / FPS * SAMPLE_RATE)
    sound = draw_sound(samples, rng) * 10.0 ** (rng.uniform(-70.0, -18.0) / 20.0)
    if rng.random() < 0.3:
        sound = sound * (np.arange(samples) > rng.uniform(0.0, 0.7) * samples)
    return np.clip(sound, -1.0, 1.0).astype(np.float32)


def compose_dataset(
    source: Path,
    target: Path,
    hours: float,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
    sound_alone: float = SOUND_ALONE,
) -> dict[str, float | None]:
    """Writes a data set of about ``hours`` to ``target`` and returns its statistics.

    In a share ``sound_alone`` of the takes nobody speaks. The same corpora and numbers give the same files. Raises
    DataError when the corpora are not complete.
    """
    clips = load_motion(source)
    library = Library.from_clips(clips, cue_units(source, clips))
    recordings = load_recordings(source)
    progress(f"{len(library.units)} gesture units, {len(recordings)} recordings")
    splits = split_of_speakers([r.speaker for r in recordings], VAL_FRACTION, generator(SPLIT_SEED, 0))
    writer = DatasetWriter(target, LAYOUT, FPS, STREAMS)
    measured: list[Take] = []
    for made in compose_takes(recordings, library, hours, seed, sound_alone):
        split = splits[made.speaker]
        writer.add(
            made.name,
            made.speaker,
            split,
            made.audio,
            made.directions,
            made.licence,
            made.source,
            streams=made.streams,
        )
        speaks = bool(made.prosody.phrases) and made.streams["role"].all()
        if speaks and len(measured) < 400:
            measured.append(take_of_directions(made.name, made.audio, made.directions, LAYOUT, FPS))
        if len(writer.takes) % 50 == 0:
            progress(f"{len(writer.takes)} takes, {sum(t.frames for t in writer.takes) / FPS / 60.0:.1f} min")
    statistics = summary(measured)
    licences = sorted({f"{clip.motion_set}: {clip.licence}" for clip in clips})
    writer.close(statistics, {"made_by": "prepare.py compose", "seed": seed, "motion_licences": licences})
    return statistics
