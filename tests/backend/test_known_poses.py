# SPDX-License-Identifier: GPL-3.0-or-later
"""Given poses stay exactly, the frames around are led to them without a jump, far ones are left alone."""

import numpy as np
from diffgesture.sampling.known_poses import JOIN_FRAMES, KnownPoses
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.integers(0, 79), min_size=1, max_size=30, unique=True), st.integers(0, 1000))
def test_given_frames_stay_and_far_ones_are_left_alone(frames: list[int], seed: int) -> None:
    mask = np.zeros((80, 6), dtype=np.float32)
    mask[frames, :3] = 1
    poses, estimate = np.random.default_rng(seed).normal(size=(2, 80, 6)).astype(np.float32)
    result = KnownPoses(poses * mask, mask).impose(estimate)
    assert np.array_equal(result[mask > 0], poses[mask > 0])
    assert np.array_equal(result[:, 3:], estimate[:, 3:])
    distance = np.abs(np.arange(80)[:, None] - np.array(frames)).min(axis=1)
    assert np.array_equal(result[distance >= JOIN_FRAMES], estimate[distance >= JOIN_FRAMES])


def test_an_offset_is_spread_without_a_jump() -> None:
    """The network's estimate misses the kept ends by half a unit: led over, no frame leaps."""
    times = np.linspace(0, 6, 90)[:, None].repeat(3, axis=1)
    kept = np.sin(times)
    mask = np.ones((90, 3))
    mask[30:60] = 0
    joined = KnownPoses(kept * mask, mask).impose(kept + 0.5)
    cut = np.where(mask > 0, kept, kept + 0.5)

    def jump(poses: np.ndarray) -> float:
        return np.abs(np.diff(poses, n=2, axis=0)).max()

    assert jump(cut) > 0.4
    assert jump(joined) < 0.05


def test_a_single_key_between_free_frames() -> None:
    mask = np.zeros((60, 3))
    mask[30] = 1
    joined = KnownPoses(mask * 2.0, mask).impose(np.zeros((60, 3)))
    assert (joined[30] == 2.0).all()
    assert np.abs(np.diff(joined, axis=0)).max() < 2.0 * 2 / JOIN_FRAMES
