# SPDX-License-Identifier: GPL-3.0-or-later
"""From speech samples to a motion: the two presets.

``reference`` is the official algorithm: 500 DDPM steps with the smooth stabilizer and guidance 1.15, windows one
after another, cross-fade. ``default`` denoises the clip at once in a few DPM-Solver++ steps. Both presets run
with both networks; only with an official network and preset ``reference`` is the whole chain the published one.
"""

import copy
import math
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..controls import checked_controls, values_of_option
from ..errors import CheckpointError, ConfigError
from ..model.arithmetic import row_blocks
from ..model.card import Card
from ..model.checkpoint import Checkpoint
from ..model.conditioning import Conditioning
from ..motion.constraints import Constraints
from ..motion.motion_file import Motion, num_motion_frames
from ..motion.shaping import Shaping, settle, shape_motion
from ..motion.skeletons import neutral_directions, normalize
from ..sampling.noise import GaussianNoise
from ..sampling.reference import ReferenceSampling
from ..speech.audio import Heard, is_silent
from ..speech.features import SAMPLE_RATE
from ..words.strokes import Played, can_play, carry_with_trunk, turn_head, with_strokes
from ..words.vocabulary import cue_name, within
from .default_preset import sample_clip, sampler_of
from .reference_preset import sample_windows
from .turns import checked_turns


class Settings:
    """How to generate: a value for each control of the table, and what is to be kept.

    Controls are attributes (``settings.intensity``); None takes the preset's or the checkpoint's own value.
    ``constraints`` are directions that stay as they are while the rest is generated to fit; ``cues`` are gestures
    that are asked for by name, with the seconds at which they arrive; ``turns`` (start, end) are the seconds in
    which the character itself speaks, in the others it listens (None: the control ``role``). ``seed_motion``: the
    preset ``reference`` begins with its first frames. ConfigError for a control that the table lacks, a value
    outside of its limits, a cue that the vocabulary lacks, a turn that ends before it begins.
    """

    def __init__(
        self,
        constraints: Constraints | None = None,
        cues: Sequence[tuple[str, float]] = (),
        seed_motion: Motion | None = None,
        turns: Sequence[tuple[float, float]] | None = None,
        **given: Any,
    ) -> None:
        self.controls = checked_controls(given)
        self.constraints = constraints
        self.cues = tuple((cue_name(name), float(time)) for name, time in cues)
        self.turns = None if turns is None else checked_turns(turns)
        if constraints is not None and self.controls["preset"] == "reference":
            raise ConfigError(
                "The preset 'reference' is the published algorithm, which cannot keep a part of a motion; choose "
                "the preset 'default'."
            )
        self.seed_motion = seed_motion
        self.spoken: tuple[tuple[str, float, float], ...] = ()
        if seed_motion is not None and self.controls["preset"] != "reference":
            raise ConfigError(
                "A seed motion is how the preset 'reference' begins; with the preset 'default' keep the first"
                " frames of a motion instead (--keep and --regenerate)."
            )

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["controls"][name]
        except KeyError:
            raise AttributeError(f"there is no control {name}") from None

    def with_seed(self, seed: int) -> "Settings":
        """The same with another seed."""
        return self._but(controls={**self.controls, "seed": Settings(seed=seed).seed})

    def seeded(self, motion: Motion) -> "Settings":
        """The same, beginning with the first frames of a motion."""
        changed = Settings(self.constraints, self.cues, motion, self.turns, **self.controls)
        return self._but(seed_motion=changed.seed_motion)

    def with_spoken(self, words: Sequence[tuple[str, float, float]]) -> "Settings":
        """The same with what is said, each word with its begin and end in seconds, for networks that hear
        words.
        """
        return self._but(spoken=tuple(words))

    def _but(self, **changes: Any) -> "Settings":
        changed = copy.copy(self)
        changed.__dict__.update(changes)
        return changed

    def with_cues(self, cues: Sequence[tuple[str, float]]) -> "Settings":
        """The same with other cues."""
        return self._but(cues=Settings(cues=cues).cues)

    @property
    def direction(self) -> dict[str, Any]:
        """What is asked for beside the speech: ``style`` if any of it is set, ``cues``, ``role``, ``turns``."""
        style = values_of_option(self.controls, "style")
        if self.rest_pose != "auto":
            style[f"rest_{self.rest_pose}"] = 1.0
        asked = {"cues": self.cues, "role": self.role, "turns": self.turns}
        return {**({"style": style} if any(style.values()) else {}), **asked}

    @property
    def reference(self) -> ReferenceSampling:
        """How the preset ``reference`` samples."""
        return ReferenceSampling(self.steps, self.guidance, self.stabilizer, self.stabilizer_start, self.schedule)

    @property
    def shaping(self) -> Shaping:
        """What is done to the finished motion."""
        return Shaping(
            intensity=self.intensity,
            smoothing=self.smoothing,
            amounts=values_of_option(self.controls, "amount"),
            rest_in=self.rest_in,
            rest_out=self.rest_out,
        )


@dataclass
class Result:
    """A motion with what the user should know about its making."""

    motion: Motion
    steps: int
    timings: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


_NOBODY_SPEAKS = (
    "No speech was heard, only other sound, so the character rests. If somebody speaks, make the voice louder than"
    " what is beside it."
)
_ROWS = 8192
"""Frames that are looked at together where each is for itself: hours of motion need little beside themselves."""

Progress = Callable[[str, float, str], None]
"""Called with (stage, fraction 0..1, message); may raise to cancel."""


def _no_progress(stage: str, fraction: float, message: str) -> None:
    return None


def generate(
    audio: np.ndarray | Heard, checkpoint: Checkpoint, settings: Settings, progress: Progress = _no_progress
) -> Result:
    """(samples,) of 16 kHz speech, or what was heard of it, to a motion exactly as long as the speech."""
    started = time.perf_counter()
    card, skeleton = checkpoint.card, checkpoint.skeleton
    seconds = len(audio) / SAMPLE_RATE
    num_frames = num_motion_frames(seconds, card.fps)
    warnings = []
    constraints = settings.constraints
    if constraints is not None:
        constraints = constraints.fitted(skeleton, card.fps, num_frames)
    kept = constraints
    if is_silent(audio):
        warnings.append("The audio is silent, so the character rests.")
    check_direction(card, settings)
    known_cues = next((stream.columns for stream in card.streams if stream.name == "cues"), ())
    cues, told = within(settings.cues, seconds)
    warnings += told
    played = Played()
    if cues:
        constraints, played = with_strokes(
            cues, constraints, skeleton, card.fps, num_frames, settings.seed, known_cues
        )
        warnings += played.told
    progress("audio", 0.0, "Listening")
    noise = GaussianNoise(noise_seed(audio, settings.seed))
    if card.is_recurrent:
        from .recurrent_preset import sample_recurrent

        if settings.preset != "reference":
            raise ConfigError(f"{card.name} makes windows one after another: choose the preset 'reference'.")
        steps = 1
        poses = sample_recurrent(
            audio,
            checkpoint,
            num_frames,
            seed=settings.seed,
            words=settings.spoken,
            first_seed=_first_seed(card, settings.seed_motion),
            on_window=lambda index, count: progress("sampling", index / count, f"Window {index + 1} of {count}"),
        )
    elif settings.preset == "reference":
        steps = settings.reference.schedule_of(card.diffusion).num_steps

        def on_window(index: int, count: int, step: int, total: int) -> None:
            progress("sampling", (index + step / total) / count, f"Window {index + 1} of {count}")

        poses = sample_windows(
            audio,
            checkpoint,
            num_frames,
            noise,
            sampling=settings.reference,
            first_seed=_first_seed(card, settings.seed_motion),
            on_step=on_window,
        )
    else:
        steps = sampler_of(card, settings.steps, None).steps

        def on_heard(conditioning: Conditioning) -> None:
            if not is_silent(audio) and conditioning.is_padding("speech"):
                warnings.append(_NOBODY_SPEAKS)

        poses = sample_clip(
            audio,
            checkpoint,
            num_frames,
            noise,
            steps=settings.steps,
            guidance=settings.guidance,
            constraints=constraints,
            direction=settings.direction,
            on_step=lambda done, total: progress("sampling", done / total, "Denoising"),
            on_heard=on_heard,
        )
    sampled = time.perf_counter()
    if not np.isfinite(poses).all():
        raise CheckpointError(
            f"The network of {checkpoint.path.name} gave NaN or infinity for this speech. Take another checkpoint."
        )
    directions = np.empty((num_frames, skeleton.num_bones, 3))
    for part in row_blocks(num_frames, _ROWS):
        directions[part] = normalize(card.to_directions(poses[part].astype(np.float64)))
    del poses
    if settings.preset == "default":
        end = slice(max(0, num_frames - math.ceil(2 * card.fps)), None)  # all that is looked at
        directions[end] = settle(directions[end], card.fps, None if constraints is None else constraints.mask[end])
    directions = turn_head(directions, cues, kept, skeleton, card.fps, settings.seed)
    directions = shape_motion(directions, card.rest, skeleton, card.fps, settings.shaping, constraints)
    directions = carry_with_trunk(directions, played, kept, skeleton)
    if not np.isfinite(directions).all():
        raise CheckpointError(f"The network of {checkpoint.path.name} gave motion that is not finite.")
    ended = time.perf_counter()
    motion = Motion(
        directions=directions.astype(np.float32),
        fps=card.fps,
        layout=skeleton.name,
        seed=settings.seed,
        audio_seconds=seconds,
        preset=settings.preset,
        checkpoint=card.name,
        neutral_directions=neutral_directions(skeleton),
    )
    timings = {"sampling": sampled - started, "shaping": ended - sampled, "total": ended - started}
    return Result(motion, steps, timings, warnings)


def _first_seed(card: Card, motion: Motion | None) -> np.ndarray | None:
    """The first frames of a motion as the network's poses (S, D); ConfigError where it is of another kind."""
    if motion is None:
        return None
    if motion.layout != card.skeleton.name or abs(motion.fps - card.fps) > 1e-3:
        raise ConfigError(
            f"The seed motion is {motion.layout} at {motion.fps:g} fps, but {card.name} needs"
            f" {card.skeleton.name} at {card.fps:g} fps."
        )
    if len(motion.directions) < card.seed_frames:
        raise ConfigError(
            f"The seed motion has {len(motion.directions)} frames; {card.name} begins with {card.seed_frames}."
        )
    return card.to_poses(motion.directions[: card.seed_frames].astype(np.float64))


def check_direction(card: Card, settings: Settings) -> None:
    """ConfigError where the checkpoint cannot take what is asked for beside the speech."""
    streams = {stream.name: stream for stream in card.streams}
    direction = settings.direction
    for name, asked in (
        ("style", "style" in direction),
        ("role", settings.role != "speaker" or settings.turns is not None),
    ):
        if asked and (name not in streams or settings.preset == "reference"):
            raise ConfigError(
                f"{card.name} was not trained with {name} and cannot take it; choose another checkpoint and the "
                "preset default."
            )
    if settings.cues and (settings.preset == "reference" or not can_play(card.skeleton, card.fps)):
        raise ConfigError(
            "Gesture cues need the preset default and a model with fingers at 15 frames a second; choose the "
            "bundled checkpoint, or take the cues away."
        )


def noise_seed(audio: np.ndarray | Heard, seed: int) -> int:
    """Where the randomness of one clip begins: the same seed does not give two recordings the same gestures.

    Only the beginning of the speech counts, so that a sentence added at the end leaves the rest as it was.
    """
    beginning = np.round(audio[: 5 * SAMPLE_RATE] * 32767).astype("<i2").tobytes()
    state = np.random.SeedSequence([seed, zlib.crc32(beginning)]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))
