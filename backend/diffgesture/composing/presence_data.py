# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound with the frames in which somebody speaks, to train ``model.speech_presence`` on."""

from collections.abc import Iterator

import numpy as np

from ..data.dataset import split_of_speakers
from ..speech.audio import SAMPLE_RATE
from ..speech.features import audio_features
from ..speech.prosody import Prosody, analyse
from .capture import disturb
from .compose import FPS, SPLIT_SEED, VAL_FRACTION, generator
from .recordings import Recording, at_speed, group_for_takes, make_take
from .sounds import draw_sound

Labelled = tuple[np.ndarray, np.ndarray]
"""Features (T, 28) at 15 fps, and (T,) 1 where somebody speaks."""
_SOUND_ALONE, _OTHER_SPEED, _SECONDS_ALONE = 0.35, 0.3, 12.0
# Speech begins a little before it is heard, and ends a little after.
_MARGIN = 0.15


def labelled_sound(recordings: list[Recording], takes: int, seed: int) -> Iterator[Labelled]:
    """``takes`` pieces of about 10 to 20 s from the speakers that composed data sets train on."""
    splits = split_of_speakers([r.speaker for r in recordings], VAL_FRACTION, generator(SPLIT_SEED, 0))
    by_speaker: dict[str, list[Recording]] = {}
    for recording in recordings:
        if splits[recording.speaker] == "train":
            by_speaker.setdefault(recording.speaker, []).append(recording)
    names, rng = sorted(by_speaker), generator(seed, "presence")
    for _ in range(takes):
        own = by_speaker[names[int(rng.integers(len(names)))]]
        yield _alone(rng) if rng.random() < _SOUND_ALONE else _spoken(own, rng)


def _alone(rng: np.random.Generator) -> Labelled:
    samples = round(_SECONDS_ALONE * SAMPLE_RATE)
    sound = draw_sound(samples, rng) * 10.0 ** (rng.uniform(-60.0, -12.0) / 20.0)
    if rng.random() < 0.3:
        sound = sound * (np.arange(samples) > rng.uniform(0.0, 0.7) * samples)
    frames = round(_SECONDS_ALONE * FPS)
    return audio_features(np.clip(sound, -1.0, 1.0).astype(np.float32), frames, FPS), np.zeros(frames, np.float32)


def _spoken(own: list[Recording], rng: np.random.Generator) -> Labelled:
    groups = group_for_takes(own, rng)
    chosen = [own[k] for k in groups[int(rng.integers(len(groups)))][:3]]
    if rng.random() < _OTHER_SPEED:
        factor = float(rng.choice([0.85, 1.15, 1.3, 1.45]))
        chosen = [at_speed(recording, factor) for recording in chosen]
    audio, prosody = make_take([(r, analyse(r.audio)) for r in chosen], FPS, rng)
    frames = int(len(audio) / SAMPLE_RATE * FPS)
    heard = disturb(audio, prosody, rng).astype(np.float32)
    return audio_features(heard, frames, FPS), _speaks(prosody, frames)


def _speaks(prosody: Prosody, frames: int) -> np.ndarray:
    times = (np.arange(frames) + 0.5) / FPS
    label = np.zeros(frames, np.float32)
    for start, end in prosody.phrases:
        label[(times > start - _MARGIN) & (times < end + _MARGIN)] = 1.0
    return label
