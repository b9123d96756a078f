# SPDX-License-Identifier: GPL-3.0-or-later
"""Given poses stay exactly, the frames around are led to them without a jump, far ones are left alone."""

import torch
from diffgesture.sampling.known_poses import JOIN_FRAMES, KnownPoses
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.integers(0, 79), min_size=1, max_size=30, unique=True), st.integers(0, 1000))
def test_given_frames_stay_and_far_ones_are_left_alone(frames: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(80, 6)
    mask[frames, :3] = 1
    poses, estimate = torch.randn(2, 80, 6, generator=generator)
    result = KnownPoses(poses * mask, mask).impose(estimate)
    assert torch.equal(result[mask > 0], poses[mask > 0])
    assert torch.equal(result[:, 3:], estimate[:, 3:])
    distance = (torch.arange(80)[:, None] - torch.tensor(frames)).abs().min(dim=1).values
    assert torch.equal(result[distance >= JOIN_FRAMES], estimate[distance >= JOIN_FRAMES])


def test_an_offset_is_spread_without_a_jump() -> None:
    """The network's estimate misses the kept ends by half a unit: led over, no frame leaps."""
    times = torch.linspace(0, 6, 90)[:, None].expand(90, 3)
    kept = times.sin()
    mask = torch.ones(90, 3)
    mask[30:60] = 0
    joined = KnownPoses(kept * mask, mask).impose(kept + 0.5)
    cut = torch.where(mask > 0, kept, kept + 0.5)

    def jump(poses: torch.Tensor) -> float:
        return poses.diff(n=2, dim=0).abs().max().item()

    assert jump(cut) > 0.4
    assert jump(joined) < 0.05


def test_a_single_key_between_free_frames() -> None:
    mask = torch.zeros(60, 3)
    mask[30] = 1
    joined = KnownPoses(mask * 2.0, mask).impose(torch.zeros(60, 3))
    assert joined[30].eq(2.0).all()
    assert joined.diff(dim=0).abs().max() < 2.0 * 2 / JOIN_FRAMES
