# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is asked for to the streams that a network is conditioned on: one extractor for each stream."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from ..model.card import Card
from ..model.conditioning import Conditioning, Stream
from ..speech.features import audio_features

Extract = Callable[[Stream, Mapping[str, Any], int, float], np.ndarray | None]
"""(stream, everything asked for, frames, fps) to (frames, dim), or None where the stream is not given."""


def _speech(stream: Stream, asked: Mapping[str, Any], num_frames: int, fps: float) -> np.ndarray | None:
    return audio_features(asked["audio"], num_frames, fps)


EXTRACTORS: Final[dict[str, Extract]] = {"speech": _speech}


def condition_clip(card: Card, asked: Mapping[str, Any], num_frames: int) -> Conditioning:
    """The conditioning of a clip of ``num_frames``, followed by silence up to the network's window.

    ``asked``: ``audio`` (samples,) at 16 kHz and what other streams are made from.
    """
    given = {}
    for stream in card.streams:
        extract = EXTRACTORS.get(stream.name)
        values = None if extract is None else extract(stream, asked, num_frames, card.fps)
        if values is not None:
            given[stream.name] = values
    return Conditioning(card.streams, given, max(num_frames, card.window))
