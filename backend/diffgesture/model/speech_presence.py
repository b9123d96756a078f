# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether somebody speaks: a small network over the speech features, so that nobody gestures to music or laughter.

Three dilated convolutions over time (1.1 s to each side) and one number a frame; NumPy alone. Trained by
``prepare.py presence`` on speech of the corpora with other sounds beside it, and on such sounds alone.
"""

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from ..speech.features import hush
from .weights import read_weights

FPS: Final = 15.0
BUNDLED: Final = Path(__file__).resolve().parents[2] / "checkpoints" / "speech_presence.safetensors"
DILATIONS: Final = (1, 2, 5)
KERNEL: Final = 5
# Only what hardly can be speech, and for a while, counts as silence.
_AT_MOST: Final = 0.1
_SECONDS: Final = 0.8


@cache
def _bundled() -> dict[str, np.ndarray]:
    return read_weights(BUNDLED)


def speech_presence(features: np.ndarray, weights: dict[str, np.ndarray] | None = None) -> np.ndarray:
    """(T, 28) features at 15 fps to (T,) probabilities that somebody speaks; None: the bundled weights.

    ``weights``: ``mean`` and ``std`` (28,), ``layers.N.weight`` (h, in, 5) and ``bias``, ``out.weight`` (1, h, 1)
    and ``bias``.
    """
    weights = _bundled() if weights is None else weights
    x = ((features - weights["mean"]) / weights["std"]).astype(np.float32)
    for number, dilation in enumerate(DILATIONS):
        weight, bias = weights[f"layers.{number}.weight"], weights[f"layers.{number}.bias"]
        y = np.maximum(_convolved(x, weight, dilation) + bias, 0.0)
        x = y if number == 0 else x + y
    logit = x @ weights["out.weight"][0, :, 0] + weights["out.bias"][0]
    return 1.0 / (1.0 + np.exp(-np.clip(logit, -30.0, 30.0)))


def _convolved(x: np.ndarray, kernel: np.ndarray, dilation: int) -> np.ndarray:
    """(T, in) with zeros around it, kernel (out, in, K): (T, out)."""
    reach = dilation * (KERNEL // 2)
    padded = np.pad(x, ((reach, reach), (0, 0)))
    return sum(padded[k * dilation : k * dilation + len(x)] @ kernel[:, :, k].T for k in range(KERNEL))


def hush_other_sound(features: np.ndarray, fps: float) -> np.ndarray:
    """(T, 28) features in which music, laughter, breath and noise count as silence where nobody speaks for 0.8 s.

    At frame rates that the network does not know nothing is changed.
    """
    if abs(fps - FPS) > 0.01 or not len(features):
        return features
    return hush(features, speech_presence(features) < _AT_MOST, round(_SECONDS * fps))
