# SPDX-License-Identifier: GPL-3.0-or-later
"""Fréchet distance between two sets of features, with a bootstrap interval and a bias-free comparison."""

import numpy as np
from scipy import linalg

FloatArray = np.ndarray


def frechet_distance(a: FloatArray, b: FloatArray) -> float:
    """Squared Fréchet distance of Gaussian fits to features (N, F) and (M, F).

    ``|mu_a - mu_b|^2 + tr(C_a + C_b - 2 sqrt(C_a C_b))`` with sample covariances (Heusel et al. 2017; Yoon et al.
    2020 for gestures). The trace of the root is taken from the eigenvalues of the symmetric
    ``sqrt(C_a) C_b sqrt(C_a)``, which has the same trace and stays real for singular covariances.
    Raises ValueError when a set has fewer than two rows.
    """
    if len(a) < 2 or len(b) < 2:
        raise ValueError("a Fréchet distance needs at least two samples on either side")
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    cov_a, cov_b = np.atleast_2d(np.cov(a, rowvar=False)), np.atleast_2d(np.cov(b, rowvar=False))
    values, vectors = linalg.eigh(cov_a)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    product = np.maximum(linalg.eigvalsh(root @ cov_b @ root), 0.0)
    gap = a.mean(axis=0) - b.mean(axis=0)
    return float(gap @ gap + np.trace(cov_a) + np.trace(cov_b) - 2.0 * np.sqrt(product).sum())


def bootstrap_frechet(
    a: list[FloatArray], b: list[FloatArray], *, rounds: int = 200, seed: int = 0
) -> tuple[float, float, float]:
    """(distance, lower, upper): the distance of pooled features and a 95 % bootstrap interval.

    ``a`` and ``b`` are lists of (N, F) features, one array per block of neighbouring windows; whole blocks are
    drawn, since neighbouring windows are not independent. The interval is the normal one, 1.96 standard deviations
    of the draws about the distance: their percentiles would lie too high, as repeated blocks leave fewer different
    windows, and fewer windows mean a larger distance.
    """
    distance = frechet_distance(np.concatenate(a), np.concatenate(b))
    rng = np.random.default_rng(seed)
    draws = [frechet_distance(_draw(a, rng), _draw(b, rng)) for _ in range(rounds)]
    margin = 1.96 * float(np.std(draws))
    return distance, max(0.0, distance - margin), distance + margin


def _draw(blocks: list[FloatArray], rng: np.random.Generator) -> FloatArray:
    return np.concatenate([blocks[int(k)] for k in rng.integers(0, len(blocks), len(blocks))])


def split_floor(blocks: list[FloatArray], *, rounds: int = 50, seed: int = 0) -> float | None:
    """Mean distance between two random halves of the same set's blocks: what no model can beat with so few data.

    None when there are fewer than four blocks.
    """
    if len(blocks) < 4:
        return None
    rng = np.random.default_rng(seed)
    half = len(blocks) // 2
    distances = []
    for _ in range(rounds):
        order = rng.permutation(len(blocks))
        first = np.concatenate([blocks[k] for k in order[:half]])
        second = np.concatenate([blocks[k] for k in order[half : 2 * half]])
        distances.append(frechet_distance(first, second))
    return float(np.mean(distances))
