# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole body as arrays, out of ``body.npz``, which ``recipe`` has made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ..reading import read_arrays
from .skeleton import BONES

FILE: Final = Path(__file__).with_name("body.npz")
_STEPS: Final = 65535  # of places between the body's ends, and of weights


@dataclass(frozen=True)
class Body:
    """Vertices (V, 3) m, quads (F, 4), material of each quad (F,), weights (V, N) of all bones in BONES."""

    vertices: np.ndarray
    quads: np.ndarray
    materials: tuple[str, ...]
    material_index: np.ndarray
    weights: np.ndarray


def load_body() -> Body:
    """The body as it is shipped; DiffGestureError where its file is damaged."""
    return unpacked(read_arrays(FILE, "mannequin"))


def packed(body: Body) -> dict[str, np.ndarray]:
    """Whole numbers that compress well: places to 0.03 mm, weights of the four strongest bones to 1/65535."""
    low, high = body.vertices.min(axis=0), body.vertices.max(axis=0)
    bones = np.argsort(-body.weights, axis=1, kind="stable")[:, :4]
    weights = np.take_along_axis(body.weights, bones, axis=1)
    place = np.round((body.vertices - low) / (high - low) * _STEPS).astype(np.int64)
    return {
        "ends": np.stack([low, high]).astype(np.float64),
        "places": _differences(place).astype(np.uint16),
        "quads": _differences(body.quads.reshape(-1)).astype(np.int32),
        "materials": np.array(body.materials),
        "material_index": body.material_index.astype(np.uint8),
        "bones": np.where(weights > 0, bones, 0).astype(np.uint8),
        "weights": np.round(weights * _STEPS).astype(np.uint16),
    }


def unpacked(arrays: dict[str, np.ndarray]) -> Body:
    """What ``packed`` has packed."""
    low, high = arrays["ends"]
    place = np.cumsum(arrays["places"].astype(np.int64), axis=0) % (_STEPS + 1)
    weights = np.zeros((len(place), len(BONES)), dtype=np.float32)
    shares = arrays["weights"].astype(np.float64)
    shares /= shares.sum(axis=1, keepdims=True)
    for bones, share in zip(arrays["bones"].T, shares.T, strict=True):  # unused places say bone 0, weight 0
        weights[np.arange(len(place)), bones] += share
    return Body(
        low + place / _STEPS * (high - low),
        np.cumsum(arrays["quads"], dtype=np.int64).reshape(-1, 4),
        tuple(map(str, arrays["materials"])),
        arrays["material_index"].astype(np.int64),
        weights,
    )


def _differences(values: np.ndarray) -> np.ndarray:
    """Each row less the one before."""
    return np.diff(values, axis=0, prepend=np.zeros_like(values[:1]))
