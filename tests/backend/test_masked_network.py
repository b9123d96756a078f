# SPDX-License-Identifier: GPL-3.0-or-later
"""Banded attention: equal to a full one with a mask, and the same at every frame of a clip."""

import pytest
import torch
import torch.nn.functional as F
from diffgesture.model.masked import MaskedPoseTransformer, band_mask, banded_attention

FRAMES, REACH, DEPTH = 100, 8, 2


@pytest.mark.parametrize("frames", [1, 7, 8, 9, 31, 100])
def test_banded_attention_is_full_attention_with_a_mask(frames: int) -> None:
    q, k, v = torch.randn(3, 2, 3, frames, 16, generator=torch.Generator().manual_seed(frames))
    near = (torch.arange(frames)[:, None] - torch.arange(frames)).abs() <= REACH
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=near)
    actual = banded_attention(q, k, v, REACH, band_mask(frames, REACH, q.device))
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)


@pytest.fixture
def network() -> MaskedPoseTransformer:
    torch.manual_seed(0)
    network = MaskedPoseTransformer(pose_dim=27, hidden_dim=32, depth=DEPTH, num_heads=2, reach=REACH).eval()
    torch.nn.init.normal_(network.out.weight)
    return network


def _inputs(frames: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x, known = torch.randn(2, 1, frames, 27, generator=generator)
    mask = (torch.rand(1, frames, 9, generator=generator) < 0.2).float()
    speech = torch.randn(1, frames, 29, generator=generator)
    return [x, torch.zeros(1), known * mask.repeat_interleave(3, 2), mask, speech]


def test_frames_out_of_reach_change_nothing(network: MaskedPoseTransformer) -> None:
    inputs = _inputs(FRAMES)
    before = network(*inputs)
    far = FRAMES // 2 + DEPTH * REACH + 1
    inputs[0] = inputs[0].clone()
    inputs[0][:, far:] += 10.0
    after = network(*inputs)
    torch.testing.assert_close(after[:, : FRAMES // 2 + 1], before[:, : FRAMES // 2 + 1], atol=1e-5, rtol=0)
    assert not torch.allclose(after[:, FRAMES // 2 + 2 : far], before[:, FRAMES // 2 + 2 : far], atol=1e-5)


def test_the_same_everywhere_in_a_clip(network: MaskedPoseTransformer) -> None:
    """What a frame gets depends on its surroundings, not on where in the clip they lie."""
    inputs = _inputs(FRAMES)
    cut = [value if value.ndim == 1 else value[:, 21:] for value in inputs]
    inside = slice(DEPTH * REACH, FRAMES - 21)
    torch.testing.assert_close(network(*cut)[:, inside], network(*inputs)[:, 21:][:, inside], atol=1e-5, rtol=0)
