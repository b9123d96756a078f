# SPDX-License-Identifier: GPL-3.0-or-later
"""Gaussian noise that every engine draws alike: NumPy's Mersenne Twister, turned normal as torch does on a CPU.

A seed therefore gives the same motion as versions that drew with ``torch.randn``, with or without torch.
"""

from typing import Final, Protocol

import numpy as np

_BITS: Final = np.uint32((1 << 24) - 1)
_CHUNK: Final = 16
_AT_ONCE: Final = 1 << 18
"""Numbers that are made together, a multiple of 16; how many does not change what they are."""


class NoiseSource(Protocol):
    """Where samplers take their noise from; a recorded one replays a chain."""

    def own(self, t: int, shape: tuple[int, ...]) -> np.ndarray:
        """Noise of step ``t`` that is independent in every number."""
        ...

    def shared(self, t: int, shape: tuple[int, ...]) -> np.ndarray:
        """Noise of step ``t`` that all frames of a clip share: one row."""
        ...


class GaussianNoise:
    """Standard normal float32 noise of one seed; the order of the calls decides what is drawn."""

    def __init__(self, seed: int) -> None:
        """``seed``: any whole number of which the lowest 32 bits count."""
        self._state = np.random.RandomState(seed & 0xFFFFFFFF)

    def own(self, t: int, shape: tuple[int, ...]) -> np.ndarray:
        return self._draw(shape)

    shared = own

    def _draw(self, shape: tuple[int, ...]) -> np.ndarray:
        """Box and Muller on chunks of 16; a rest at the end is drawn again with its predecessors."""
        count = int(np.prod(shape))
        normal = np.empty(max(count, _CHUNK), dtype=np.float32)
        whole = len(normal) // _CHUNK * _CHUNK
        for start in range(0, whole, _AT_ONCE):
            part = normal[start : min(start + _AT_ONCE, whole)]
            part[:] = _box_muller(self._uniform(len(part)))
        if whole < len(normal):
            self._uniform(len(normal) - whole)
            normal[-_CHUNK:] = _box_muller(self._uniform(_CHUNK))
        return normal[:count].reshape(shape)

    def _uniform(self, count: int) -> np.ndarray:
        bits = self._state.randint(0, 1 << 32, size=count, dtype=np.uint32) & _BITS
        return bits.astype(np.float32) * np.float32(2.0**-24)


def _box_muller(uniform: np.ndarray) -> np.ndarray:
    """(16 N,) uniform to as many normal numbers."""
    first, second = uniform.reshape(-1, 2, _CHUNK // 2).swapaxes(0, 1)
    radius = np.sqrt(np.float32(-2) * np.log(1 - first))
    angle = np.float32(2 * np.pi) * second
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()
