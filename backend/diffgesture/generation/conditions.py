# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is asked for to the streams that a network is conditioned on: one extractor for each stream."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from ..model.card import Card
from ..model.conditioning import Conditioning, Stream
from ..model.direction import cue_columns, role_columns, style_columns, turn_columns
from ..model.speech_presence import hush_other_sound
from ..speech.features import audio_features, hush_steady_sound

Extract = Callable[[Stream, Mapping[str, Any], int, float], np.ndarray | None]
"""(stream, everything asked for, frames, fps) to (frames, dim), or None where the stream is not given."""


def _speech(stream: Stream, asked: Mapping[str, Any], num_frames: int, fps: float) -> np.ndarray | None:
    features = audio_features(asked["audio"], num_frames, fps)
    return hush_steady_sound(hush_other_sound(features, fps), fps)


def _style(stream: Stream, asked: Mapping[str, Any], num_frames: int, fps: float) -> np.ndarray | None:
    return style_columns(asked["style"], stream.columns, num_frames) if "style" in asked else None


def _cues(stream: Stream, asked: Mapping[str, Any], num_frames: int, fps: float) -> np.ndarray | None:
    # Without cues the stream is given and empty, which says that nothing was asked for.
    return cue_columns(asked.get("cues", ()), stream.columns, num_frames, fps)


def _role(stream: Stream, asked: Mapping[str, Any], num_frames: int, fps: float) -> np.ndarray | None:
    if asked.get("turns") is not None:
        return turn_columns(asked["turns"], num_frames, fps)
    return role_columns(asked.get("role", "speaker"), num_frames)


EXTRACTORS: Final[dict[str, Extract]] = {"speech": _speech, "style": _style, "cues": _cues, "role": _role}


def condition_clip(card: Card, asked: Mapping[str, Any], num_frames: int) -> Conditioning:
    """The conditioning of a clip of ``num_frames``, followed by silence up to the network's window.

    ``asked``: ``audio`` (samples,) at 16 kHz and what other streams are made from: ``style``, numbers by name;
    ``cues``, (name, seconds) each; ``role``, "speaker" or "listener",
    or else ``turns``, (start, end) in seconds each.
    """
    given = {}
    for stream in card.streams:
        extract = EXTRACTORS.get(stream.name)
        values = None if extract is None else extract(stream, asked, num_frames, card.fps)
        if values is not None:
            given[stream.name] = values
    return Conditioning(card.streams, given, max(num_frames, card.window))
