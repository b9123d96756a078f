# SPDX-License-Identifier: GPL-3.0-or-later
"""The optimiser of the bundled model."""

import pytest
import torch
from diffgesture.model.masked import MaskedPoseTransformer
from diffgesture.training.muon import MuonAdamW, orthogonalize


@pytest.mark.parametrize("shape", [(16, 16), (16, 64), (64, 16)])
def test_orthogonalize_keeps_directions_and_evens_their_sizes(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(2))
    u, _, vt = torch.linalg.svd(matrices, full_matrices=False)
    result = orthogonalize(matrices)
    sizes = torch.diagonal(u.mT @ result @ vt.mT, dim1=1, dim2=2)
    # The smallest of a square matrix's singular values may lag behind.
    assert sizes.median() > 0.7
    assert sizes.max() < 1.3
    assert (u.mT @ result @ vt.mT - torch.diag_embed(sizes)).abs().max() < 0.05


def test_matrices_of_blocks_move_by_an_even_step_and_the_rest_as_with_adamw() -> None:
    torch.manual_seed(0)
    network = MaskedPoseTransformer(pose_dim=27, hidden_dim=32, depth=1, num_heads=2)
    twin = MaskedPoseTransformer(pose_dim=27, hidden_dim=32, depth=1, num_heads=2)
    twin.load_state_dict(network.state_dict())
    before = {name: value.clone() for name, value in network.named_parameters()}
    muon = MuonAdamW(network, 1e-3, (0.9, 0.99), 0.0)
    adamw = torch.optim.AdamW(twin.parameters(), 1e-3, betas=(0.9, 0.99), weight_decay=0.0)
    for mine, other in zip(network.parameters(), twin.parameters(), strict=True):
        mine.grad = torch.randn_like(mine)
        other.grad = mine.grad.clone()
    muon.step()
    adamw.step()
    others = dict(twin.named_parameters())
    for name, value in network.named_parameters():
        if name.startswith("blocks.") and name.endswith(".weight"):
            root_mean_square = (value - before[name]).square().mean().sqrt()
            assert 0.1e-3 < root_mean_square < 0.3e-3, name
        else:
            torch.testing.assert_close(value, others[name])
