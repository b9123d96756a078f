# SPDX-License-Identifier: GPL-3.0-or-later
"""Our denoiser (``masked``) evaluated by NumPy alone: the engine that needs no installation.

The same mathematics as ``masked.MaskedPoseTransformer`` in evaluation mode, arranged for a CPU: what does not
depend on the noise (known poses, conditions, positions, the attention's band) is computed once for a clip; rows
go in blocks that stay in the processor's cache, on as many threads as there are processors.
"""

import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from .arithmetic import Workers, product, row_blocks

_TIME_DIM: Final = 64
_EPSILON: Final = 1e-5
_ROWS: Final = 512
"""Rows in one block at most: 512 x 768 float32 of the widest layer are 1.5 MB."""
_BLOCKS: Final = 8
"""Attention blocks of ``reach`` queries in one piece of work."""

Evaluate = Callable[[np.ndarray, float], np.ndarray]
"""(W, N, D) noisy poses and their log-SNR to (W, N, D) clean ones."""


class NumpyPoseNetwork:
    """Weights by name as saved, (out, in) like torch's; ``hyperparameters`` as on the card.

    Raises TypeError for hyper-parameters that the network does not have and KeyError or ValueError for weights
    that do not fit them.
    """

    def __init__(
        self,
        weights: Mapping[str, np.ndarray],
        *,
        pose_dim: int,
        hidden_dim: int = 192,
        depth: int = 5,
        num_heads: int = 6,
        mlp_ratio: float = 4.0,
        condition_dim: int = 29,
        dropout: float = 0.0,
        reach: int = 0,
    ) -> None:
        self.pose_dim, self.hidden_dim, self.num_heads = pose_dim, hidden_dim, num_heads
        self.condition_dim, self.reach, self.depth = condition_dim, reach, depth
        self._workers = Workers()
        inputs = 2 * pose_dim + pose_dim // 3 + condition_dim
        inner = int(hidden_dim * mlp_ratio)
        shapes = {
            "linear": (hidden_dim, inputs),
            "time.0": (hidden_dim, _TIME_DIM),
            "time.2": (hidden_dim, hidden_dim),
            "modulation": (6 * hidden_dim, hidden_dim),
            "out": (pose_dim, hidden_dim),
        }
        for block in range(depth):
            shapes |= {
                f"blocks.{block}.qkv": (3 * hidden_dim, hidden_dim),
                f"blocks.{block}.proj": (hidden_dim, hidden_dim),
                f"blocks.{block}.fc1": (inner, hidden_dim),
                f"blocks.{block}.fc2": (hidden_dim, inner),
            }
        vectors = {"norm.weight": (hidden_dim,), "norm.bias": (hidden_dim,)}
        vectors |= {f"blocks.{block}.offset": (6, hidden_dim) for block in range(depth)}
        expected = {f"{name}.weight": shape for name, shape in shapes.items()}
        expected |= {f"{name}.bias": shape[:1] for name, shape in shapes.items()} | vectors
        if set(weights) != set(expected):
            raise KeyError(", ".join(sorted(set(weights) ^ set(expected))))
        for name, shape in expected.items():
            if weights[name].shape != shape:
                raise ValueError(f"{name} has the shape {weights[name].shape}, not {shape}")
        self._w = {name: np.asarray(value, dtype=np.float32) for name, value in weights.items()}
        # The last norm is linear but for its division: it goes into the output layer.
        self._w["out.bias"] = self._w["out.weight"] @ self._w["norm.bias"] + self._w["out.bias"]
        self._w["out.weight"] = self._w["out.weight"] * self._w["norm.weight"]
        for name in shapes:  # as products want them: (in, out)
            self._w[f"{name}.weight"] = np.ascontiguousarray(self._w[f"{name}.weight"].T)

    def bind(self, conditions: np.ndarray, known: np.ndarray, mask: np.ndarray) -> Evaluate:
        """The network with its conditions given: conditions (W, N, C), known (W, N, D), mask (W, N, D/3)."""
        windows, frames, _ = conditions.shape
        noisy_dim = self.pose_dim
        fixed = np.concatenate([known, mask, conditions], axis=-1).astype(np.float32)
        fixed = fixed.reshape(windows * frames, -1)
        noisy_weight, fixed_weight = np.split(self._w["linear.weight"], [noisy_dim])
        base = product(fixed, fixed_weight) + self._w["linear.bias"]
        attend = self._attention(windows, frames)

        def evaluate(noisy: np.ndarray, log_snr: float) -> np.ndarray:
            modulation = self._modulation(log_snr)
            x = np.ascontiguousarray(noisy, dtype=np.float32).reshape(windows * frames, noisy_dim)
            return self._run(x, noisy_weight, base, modulation, attend).reshape(windows, frames, noisy_dim)

        return evaluate

    # -- the parts of one evaluation ---------------------------------------------------------------------------

    def _run(
        self,
        x: np.ndarray,
        noisy_weight: np.ndarray,
        base: np.ndarray,
        modulation: np.ndarray,
        attend: Callable[[np.ndarray, np.ndarray], None],
    ) -> np.ndarray:
        rows, dim = len(x), self.hidden_dim
        h = np.empty((rows, dim), dtype=np.float32)
        qkv = np.empty((rows, 3 * dim), dtype=np.float32)
        mixed = np.empty((rows, dim), dtype=np.float32)
        result = np.empty((rows, self.pose_dim), dtype=np.float32)
        parts = row_blocks(rows, min(_ROWS, -(-rows // self._workers.count)))
        settings = [modulation + self._w[f"blocks.{block}.offset"] for block in range(self.depth)]

        def enter(part: slice) -> None:
            h[part] = product(x[part], noisy_weight) + base[part]
            project(part, 0)

        def project(part: slice, block: int) -> None:
            shift, scale = settings[block][0], settings[block][1]
            normed = _layer_norm(h[part]) * (1 + scale) + shift
            qkv[part] = self._linear(f"blocks.{block}.qkv", normed)

        def leave(part: slice, block: int) -> None:
            _, _, gate1, shift2, scale2, gate2 = settings[block]
            inside = h[part]
            inside += gate1 * self._linear(f"blocks.{block}.proj", mixed[part])
            normed = _layer_norm(inside) * (1 + scale2) + shift2
            hidden = self._linear(f"blocks.{block}.fc1", normed)
            gelu(hidden)
            inside += gate2 * self._linear(f"blocks.{block}.fc2", hidden)
            if block + 1 < self.depth:
                project(part, block + 1)
            else:
                result[part] = self._linear("out", _layer_norm(inside))

        self._workers.each(enter, parts)
        for block in range(self.depth):
            attend(qkv, mixed)
            self._workers.each(lambda part, block=block: leave(part, block), parts)
        return result

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        out = product(x, self._w[f"{name}.weight"])
        out += self._w[f"{name}.bias"]
        return out

    def _modulation(self, log_snr: float) -> np.ndarray:
        """(6, C) shifts, scales and gates that all blocks share at one noise level."""
        frequencies = np.exp(np.linspace(math.log(0.25), math.log(64.0), _TIME_DIM // 2, dtype=np.float32))
        angles = np.float32(log_snr) / 4 * frequencies
        time = np.concatenate([np.sin(angles), np.cos(angles)])[None].astype(np.float32)
        for layer in ("time.0", "time.2"):
            time = self._linear(layer, time)
            time = time / (1 + np.exp(-time))
        return self._linear("modulation", time).reshape(6, self.hidden_dim)

    def _attention(self, windows: int, frames: int) -> Callable[[np.ndarray, np.ndarray], None]:
        """``attend(qkv (W N, 3 C), out (W N, C))``, banded or over all frames of a window."""
        heads, dim = self.num_heads, self.hidden_dim // self.num_heads
        cos, sin = rotary_table(frames, dim)
        reach = self.reach or frames
        blocks = -(-frames // reach)
        padded = blocks * reach
        neighbours = 3 if self.reach else 1
        margin = reach if self.reach else 0
        band = _band(frames, reach) if self.reach else None
        scale = np.float32(1 / math.sqrt(dim))
        size = max(1, min(_BLOCKS, blocks))
        pieces = [(w, part) for w in range(windows) for part in row_blocks(blocks, size)]

        shape = (windows, heads, padded + 2 * margin, dim)
        # Frames before, behind and beyond the clip stay zeros, which the band leaves out.
        keys, values = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        queries = np.zeros((windows, heads, padded, dim), dtype=np.float32)
        inside = slice(margin, margin + frames)

        def attend(qkv: np.ndarray, out: np.ndarray) -> None:
            split = qkv.reshape(windows, frames, 3, heads, dim)

            def arrange(part: slice) -> None:
                for w, head in (divmod(place, heads) for place in range(part.start, part.stop)):
                    queries[w, head, :frames] = _rotate(split[w, :, 0, head], cos, sin) * scale
                    keys[w, head, inside] = _rotate(split[w, :, 1, head], cos, sin)
                    values[w, head, inside] = split[w, :, 2, head]

            self._workers.each(arrange, row_blocks(windows * heads, 1))
            target = out.reshape(windows, frames, heads, dim)

            def mix(piece: slice) -> None:
                w, part = pieces[piece.start]
                count = part.stop - part.start
                first = part.start * reach
                q = queries[w, :, first : part.stop * reach].reshape(heads, count, reach, dim)
                near = np.arange(count)[:, None] * reach + np.arange(neighbours * reach)
                k, v = keys[w, :, first:][:, near], values[w, :, first:][:, near]
                scores = product(q, np.ascontiguousarray(np.swapaxes(k, -1, -2)))
                if band is not None:
                    scores += band[part]
                scores -= scores.max(axis=-1, keepdims=True)
                np.exp(scores, out=scores)
                scores /= scores.sum(axis=-1, keepdims=True)
                mixed = product(scores, v)
                last = min(part.stop * reach, frames)
                rows = mixed.reshape(heads, count * reach, dim)[:, : last - first]
                target[w, first:last] = rows.transpose(1, 0, 2)

            self._workers.each(mix, row_blocks(len(pieces), 1))

        return attend


def rotary_table(frames: int, head_dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines (frames, head_dim) of rotary positions, base 1,000."""
    frequencies = 1000.0 ** (-np.arange(0, head_dim, 2) / head_dim)
    angles = np.arange(frames)[:, None] * frequencies
    return tuple(np.tile(f(angles), (1, 2)).astype(np.float32) for f in (np.cos, np.sin))  # type: ignore[return-value]


def _rotate(x: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    half = x.shape[-1] // 2
    turned = x * cos
    turned[:, :half] -= x[:, half:] * sin[:, :half]
    turned[:, half:] += x[:, :half] * sin[:, half:]
    return turned


def _band(frames: int, reach: int) -> np.ndarray:
    """(blocks, reach, 3 reach) additive mask: see ``masked.band_mask``."""
    blocks = -(-frames // reach)
    first = np.arange(blocks)[:, None] * reach
    queries = (first + np.arange(reach))[:, :, None]
    keys = (first - reach + np.arange(3 * reach))[:, None, :]
    seen = (np.abs(queries - keys) <= reach) & (keys >= 0) & (keys < frames)
    seen |= queries >= frames
    return np.where(seen, np.float32(0), np.float32(-1e30))


def _layer_norm(x: np.ndarray) -> np.ndarray:
    """Rows (N, C) to zero mean and unit variance."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.einsum("ij,ij->i", centred, centred)[:, None] / np.float32(x.shape[-1])
    centred *= 1 / np.sqrt(variance + np.float32(_EPSILON))
    return centred


def gelu(x: np.ndarray) -> None:
    """``x (1 + erf(x / sqrt 2)) / 2`` in place, to 5e-7 (Abramowitz and Stegun 7.1.26 has 1.5e-7 in erf)."""
    z = np.abs(x)
    z *= np.float32(1 / math.sqrt(2))
    t = 1 / (1 + np.float32(0.3275911) * z)
    poly = t * np.float32(1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        poly += np.float32(coefficient)
        poly *= t
    np.multiply(z, z, out=z)
    np.negative(z, out=z)
    np.exp(z, out=z)
    poly *= z
    # poly is 1 - erf(|x| / sqrt 2), so that gelu is max(x, 0) - |x| poly / 2: no branch on the sign.
    poly *= np.abs(x)
    poly *= np.float32(0.5)
    np.maximum(x, 0, out=x)
    x -= poly
