# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit quaternions, order w, x, y, z, vectorised over leading axes (..., 4)."""

import numpy as np

FloatArray = np.ndarray

IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def mul(a: FloatArray, b: FloatArray) -> FloatArray:
    """Hamilton product: the rotation ``b`` followed by ``a``; the leading axes broadcast."""
    aw, ax, ay, az = a[..., 0], a[..., 1], a[..., 2], a[..., 3]
    bw, bx, by, bz = b[..., 0], b[..., 1], b[..., 2], b[..., 3]
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def inv(q: FloatArray) -> FloatArray:
    """Inverse of unit quaternions."""
    return q * np.array([1.0, -1.0, -1.0, -1.0])


def rotate(q: FloatArray, v: FloatArray) -> FloatArray:
    """Vectors (..., 3) turned by quaternions (..., 4)."""
    xyz = q[..., 1:]
    t = 2.0 * _cross(xyz, v)
    return v + q[..., :1] * t + _cross(xyz, t)


def _cross(a: FloatArray, b: FloatArray) -> FloatArray:
    # np.cross moves axes about and is several times slower on these shapes.
    return np.stack(
        [
            a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1],
            a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],
            a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0],
        ],
        axis=-1,
    )


def unit(q: FloatArray) -> FloatArray:
    """Scaled to unit length."""
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def about(axis: FloatArray, angle: FloatArray | float) -> FloatArray:
    """Rotation about unit ``axis`` (..., 3) by ``angle`` (...) radians."""
    half = 0.5 * np.asarray(angle, dtype=float)[..., None]
    axis = np.asarray(axis, dtype=float)
    shape = np.broadcast_shapes(half.shape[:-1], axis.shape[:-1])
    xyz = np.broadcast_to(np.sin(half) * axis, (*shape, 3))
    return np.concatenate([np.broadcast_to(np.cos(half), (*shape, 1)), xyz], axis=-1)


def exp(vector: FloatArray) -> FloatArray:
    """Rotation vectors (..., 3), radians, to quaternions."""
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    return np.concatenate([np.cos(angle / 2), 0.5 * np.sinc(angle / (2 * np.pi)) * vector], axis=-1)


def log(q: FloatArray) -> FloatArray:
    """Quaternions to rotation vectors (..., 3) of at most pi radians."""
    q = np.where(q[..., :1] < 0, -q, q)
    sine = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, q[..., :1])
    return q[..., 1:] * np.where(sine > 1e-9, angle / np.maximum(sine, 1e-9), 2.0)


def scale(q: FloatArray, factor: FloatArray | float) -> FloatArray:
    """The rotation taken ``factor`` times (0 = none, 1 = as it is); ``factor`` broadcasts over (...)."""
    return exp(log(q) * np.asarray(factor, dtype=float)[..., None])


def slerp(a: FloatArray, b: FloatArray, weight: FloatArray | float) -> FloatArray:
    """From ``a`` (weight 0) to ``b`` (weight 1) along the shorter arc; weights beyond 0..1 extrapolate."""
    return unit(mul(a, scale(mul(inv(a), b), weight)))


def between(a: FloatArray, b: FloatArray) -> FloatArray:
    """The smallest rotation that takes unit vectors ``a`` to unit vectors ``b`` (..., 3).

    Opposite vectors are turned about any axis across.
    """
    a, b = np.broadcast_arrays(a, b)
    w = 1.0 + np.sum(a * b, -1, keepdims=True)
    helper = np.where(np.abs(a[..., :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    opposite = np.concatenate([np.zeros_like(w), _cross(a, helper)], axis=-1)
    return unit(np.where(w < 1e-8, opposite, np.concatenate([w, _cross(a, b)], axis=-1)))


def fit(start: FloatArray, end: FloatArray) -> FloatArray:
    """(T,) rotations that carry vectors ``start`` (K, 3) best onto ``end`` (T, K, 3) (Kabsch 1976)."""
    u, _, vt = np.linalg.svd(np.einsum("tki,kj->tij", end, start))
    u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return from_matrix(u @ vt)


def from_matrix(matrix: FloatArray) -> FloatArray:
    """Rotation matrices (..., 3, 3) to quaternions, by the largest of the four components (Shepperd 1978)."""
    m = np.moveaxis(matrix, (-2, -1), (0, 1))
    trace = m[0, 0] + m[1, 1] + m[2, 2]
    largest = np.argmax(np.stack([trace, m[0, 0], m[1, 1], m[2, 2]], axis=-1), axis=-1)
    candidates = np.stack(
        [
            np.stack([1 + trace, m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]], axis=-1),
            np.stack([m[2, 1] - m[1, 2], 1 + 2 * m[0, 0] - trace, m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]], axis=-1),
            np.stack([m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], 1 + 2 * m[1, 1] - trace, m[1, 2] + m[2, 1]], axis=-1),
            np.stack([m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], 1 + 2 * m[2, 2] - trace], axis=-1),
        ],
        axis=-2,
    )
    return unit(np.take_along_axis(candidates, largest[..., None, None], axis=-2)[..., 0, :])


def to_euler_zxy(q: FloatArray) -> FloatArray:
    """Quaternions to angles (..., 3) in radians about z, then the turned x, then the turned y (as in BVH)."""
    w, x, y, z = np.moveaxis(q, -1, 0)
    sine = np.clip(2 * (y * z + w * x), -1.0, 1.0)
    # Near +-90 degrees about x the other two turn about one axis: all of it goes to z.
    locked = np.abs(sine) > 1 - 1e-12
    about_z = np.arctan2(-2 * (x * y - w * z), 1 - 2 * (x * x + z * z))
    about_y = np.arctan2(-2 * (x * z - w * y), 1 - 2 * (x * x + y * y))
    flat = np.arctan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))
    return np.stack([np.where(locked, flat, about_z), np.arcsin(sine), np.where(locked, 0.0, about_y)], axis=-1)


def continuous(q: FloatArray) -> FloatArray:
    """The same rotations (T, ...) with signs chosen so that neighbours in time are close."""
    dots = np.sum(q[1:] * q[:-1], axis=-1)
    flips = np.cumprod(np.where(dots < 0, -1.0, 1.0), axis=0)
    return np.concatenate([q[:1], q[1:] * flips[..., None]], axis=0)


def mean(q: FloatArray) -> FloatArray:
    """Mean rotation over the first axis (principal eigenvector; Markley et al. 2007)."""
    moment = np.einsum("t...i,t...j->...ij", q, q)
    return np.linalg.eigh(moment)[1][..., :, -1]


def yaw(q: FloatArray) -> FloatArray:
    """Heading (...) in radians: the turn about +Y of where the rotation takes the +Z axis."""
    forward = rotate(q, np.broadcast_to([0.0, 0.0, 1.0], (*q.shape[:-1], 3)))
    return np.arctan2(forward[..., 0], forward[..., 2])


def sample(q: FloatArray, frames: FloatArray) -> FloatArray:
    """Rotations (T, ..., 4) at fractional ``frames`` (N,), clamped to the ends: (N, ..., 4)."""
    frames = np.clip(frames, 0.0, len(q) - 1.0)
    low = np.minimum(frames.astype(int), max(len(q) - 2, 0))
    high = np.minimum(low + 1, len(q) - 1)
    weight = (frames - low).reshape((-1,) + (1,) * (q.ndim - 1))
    a, b = q[low], q[high]
    # Neighbouring frames are close, so normalised linear interpolation is as good as slerp here.
    b = np.where(np.sum(a * b, -1, keepdims=True) < 0, -b, b)
    return unit(a + weight * (b - a))
