# SPDX-License-Identifier: GPL-3.0-or-later
"""Poses that are given while the rest of a clip is denoised, and how the rest is joined to them."""

from typing import Final

import torch
from torch import Tensor

JOIN_FRAMES: Final = 10


class KnownPoses:
    """Standardised poses (T, D) that are given where ``mask`` (T, D) is 1."""

    def __init__(self, poses: Tensor, mask: Tensor):
        self.poses, self.mask = poses, mask
        frames = torch.arange(len(mask), device=mask.device)[:, None].expand_as(mask)
        given = mask > 0
        before = torch.where(given, frames, -JOIN_FRAMES).cummax(dim=0).values
        after = torch.where(given, frames, len(mask) + JOIN_FRAMES).flip(0).cummin(dim=0).values.flip(0)
        self._before, self._after = before.clamp(min=0), after.clamp(max=len(mask) - 1)
        self._weight_before, self._weight_after = _fade(frames - before), _fade(after - frames)

    def impose(self, estimate: Tensor) -> Tensor:
        """``estimate`` (T, D) with what is given in its place and the frames around led over to it.

        The network knows the given poses but does not meet them exactly. Its miss at the nearest given frame on
        either side is taken from the frames between, less and less over ``JOIN_FRAMES``: what was smooth stays
        smooth.
        """
        miss = (self.poses - estimate) * self.mask
        left, right = miss.gather(0, self._before), miss.gather(0, self._after)
        weights = self._weight_before + self._weight_after
        joined = estimate + (self._weight_before * left + self._weight_after * right) / weights.clamp(min=1.0)
        return torch.where(self.mask > 0, self.poses, joined)


def _fade(distance: Tensor) -> Tensor:
    """1 at a given frame, 0 from ``JOIN_FRAMES`` away, with level ends."""
    return 0.5 + 0.5 * torch.cos(torch.pi * (distance / JOIN_FRAMES).clamp(0, 1))
