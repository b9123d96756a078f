# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit quaternions over ``[..., 4]`` in the order w, x, y, z; vectors over ``[..., 3]``; angles in radians.

Everything is vectorised float64 NumPy and broadcasts over leading axes. A quaternion acts on column vectors:
``rotate(mul(a, b), v) == rotate(a, rotate(b, v))``.
"""

import numpy as np

FloatArray = np.ndarray

_EPSILON = 1e-9


def identity(*shape: int) -> FloatArray:
    """(*shape, 4) quaternions that turn nothing."""
    result = np.zeros((*shape, 4))
    result[..., 0] = 1.0
    return result


def normalize(vectors: FloatArray) -> FloatArray:
    """(..., N) scaled to unit length; zero vectors stay zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length < _EPSILON, 1.0, length)


def mul(a: FloatArray, b: FloatArray) -> FloatArray:
    """The rotation ``b`` followed by ``a``."""
    aw, ax, ay, az = a[..., 0], a[..., 1], a[..., 2], a[..., 3]
    bw, bx, by, bz = b[..., 0], b[..., 1], b[..., 2], b[..., 3]
    w = aw * bw - ax * bx - ay * by - az * bz
    result = np.empty((*np.shape(w), 4))
    result[..., 0] = w
    result[..., 1] = aw * bx + ax * bw + ay * bz - az * by
    result[..., 2] = aw * by - ax * bz + ay * bw + az * bx
    result[..., 3] = aw * bz + ax * by - ay * bx + az * bw
    return result


def inv(q: FloatArray) -> FloatArray:
    """The opposite rotation (the conjugate)."""
    return q * np.array([1.0, -1.0, -1.0, -1.0])


def rotate(q: FloatArray, v: FloatArray) -> FloatArray:
    """Vectors ``v`` turned by ``q``."""
    imaginary = q[..., 1:]
    t = 2.0 * np.cross(imaginary, v)
    return v + q[..., :1] * t + np.cross(imaginary, t)


def from_axis_angle(axis: FloatArray, angle: FloatArray | float) -> FloatArray:
    """Turns by ``angle`` (...) about the unit vectors ``axis`` (..., 3)."""
    half = 0.5 * np.asarray(angle)[..., None]
    w, xyz = np.broadcast_arrays(np.cos(half), np.sin(half) * axis)
    return np.concatenate([w[..., :1], xyz], axis=-1)


def between(a: FloatArray, b: FloatArray) -> FloatArray:
    """The shortest arc from unit vectors ``a`` to ``b``; opposite vectors turn about some perpendicular axis."""
    w = 1.0 + np.sum(a * b, axis=-1, keepdims=True)
    xyz = np.cross(a, b)
    least = np.eye(3)[np.argmin(np.abs(a), axis=-1)]
    opposite = normalize(np.cross(a, least))
    xyz = np.where(w < _EPSILON, opposite, xyz)
    w = np.where(w < _EPSILON, 0.0, w)
    return normalize(np.concatenate([w, np.broadcast_to(xyz, (*w.shape[:-1], 3))], axis=-1))


def power(q: FloatArray, exponent: FloatArray | float) -> FloatArray:
    """``q`` with its angle (the short way, at most pi) multiplied by ``exponent`` (a number or (...))."""
    q = np.where(q[..., :1] < 0, -q, q)
    sine = np.linalg.norm(q[..., 1:], axis=-1)
    half = np.arctan2(sine, q[..., 0])
    axis = q[..., 1:] / np.where(sine < _EPSILON, 1.0, sine)[..., None]
    return from_axis_angle(axis, 2.0 * half * exponent)


def slerp(a: FloatArray, b: FloatArray, weight: FloatArray | float) -> FloatArray:
    """From ``a`` (weight 0) to ``b`` (weight 1) along the short arc."""
    return mul(a, power(mul(inv(a), b), weight))


def angle(q: FloatArray) -> FloatArray:
    """(...) size of the rotation, 0 to pi."""
    return 2.0 * np.arctan2(np.linalg.norm(q[..., 1:], axis=-1), np.abs(q[..., 0]))


def from_matrix(m: FloatArray) -> FloatArray:
    """Rotation matrices (..., 3, 3) to quaternions; the largest of the four squares is the safe divisor."""
    trace = np.trace(m, axis1=-2, axis2=-1)
    diagonal = np.diagonal(m, axis1=-2, axis2=-1)
    squares = np.concatenate([1.0 + trace[..., None], 1.0 - trace[..., None] + 2.0 * diagonal], axis=-1)
    a, b, c = m[..., 2, 1], m[..., 0, 2], m[..., 1, 0]
    d, e, f = m[..., 1, 2], m[..., 2, 0], m[..., 0, 1]
    # Each row is 4 w, x, y or z times the whole quaternion.
    rows = np.stack(
        [
            np.stack([squares[..., 0], a - d, b - e, c - f], axis=-1),
            np.stack([a - d, squares[..., 1], c + f, b + e], axis=-1),
            np.stack([b - e, c + f, squares[..., 2], a + d], axis=-1),
            np.stack([c - f, b + e, a + d, squares[..., 3]], axis=-1),
        ],
        axis=-2,
    )
    best = np.argmax(squares, axis=-1)[..., None, None]
    row = np.take_along_axis(rows, np.broadcast_to(best, (*best.shape[:-1], 4)), axis=-2)[..., 0, :]
    return normalize(row)


def to_matrix(q: FloatArray) -> FloatArray:
    """Quaternions to rotation matrices (..., 3, 3)."""
    columns = [rotate(q, np.broadcast_to(axis, (*q.shape[:-1], 3))) for axis in np.eye(3)]
    return np.stack(columns, axis=-1)


def from_two_axes(primary: FloatArray, secondary: FloatArray) -> FloatArray:
    """The rotation of the frame whose X is ``primary`` and whose Y is ``secondary`` made perpendicular to it."""
    x = normalize(primary)
    y = normalize(secondary - np.sum(secondary * x, axis=-1, keepdims=True) * x)
    return from_matrix(np.stack([x, y, np.cross(x, y)], axis=-1))


def continuous(q: FloatArray) -> FloatArray:
    """(T, 4) with signs chosen so that neighbours in time lie in one hemisphere; the first has w >= 0."""
    if len(q) == 0:
        return q
    flips = np.sum(q[1:] * q[:-1], axis=-1) < 0
    signs = np.where(np.cumsum(np.concatenate([[0], flips])) % 2, -1.0, 1.0)
    if q[0, 0] < 0:
        signs = -signs
    return q * signs[:, None]


def fit(source: FloatArray, target: FloatArray, weights: FloatArray) -> FloatArray:
    """The rotation that best takes ``source`` (..., K, 3) to ``target`` (..., K, 3): Kabsch's algorithm.

    ``weights`` (K,). W. Kabsch, "A solution for the best rotation to relate two sets of vectors" (1976).
    """
    covariance = np.einsum("k,...ki,...kj->...ij", weights, target, source)
    u, _, vt = np.linalg.svd(covariance)
    handed = np.linalg.det(u @ vt)
    u = np.concatenate([u[..., :2], u[..., 2:] * handed[..., None, None]], axis=-1)
    return from_matrix(u @ vt)
