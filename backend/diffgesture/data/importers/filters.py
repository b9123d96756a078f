# SPDX-License-Identifier: GPL-3.0-or-later
"""Which windows of a take are worth learning from, as published (``MotionPreprocessor``).

A window is left out when it stays near the mean pose (``pose``), leans over (``spine angle``) or hardly moves
the wrists (``motion``); the published data also need two words in it (``words``). The thresholds are in the
units and axes of the official data: joint positions relative to the spine, y down.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ...errors import DataError
from ...motion.skeletons import Skeleton

FloatArray = np.ndarray

PASS: Final = "PASS"
POSE, SPINE_ANGLE, MOTION, WORDS = "pose", "spine angle", "motion", "words"
PUBLISHED_FILTERS: Final = (POSE, SPINE_ANGLE, MOTION, WORDS)

# Windows are cut with some margin, 34 frames times 1.25, and filtered at that length.
WINDOW: Final = 42
STRIDE: Final = 10

_MIN_POSE_DIFFERENCE: Final = 0.02
_MAX_SPINE_ANGLE, _MAX_MEAN_SPINE_ANGLE = 30.0, 20.0
_MIN_WRIST_VARIANCE: Final = 0.0014
_MIN_WORDS: Final = 2


def parse_filters(text: str) -> tuple[str, ...]:
    """A comma-separated list such as "pose,spine angle", "published" or "none". Raises DataError."""
    if text.strip() in {"", "none"}:
        return ()
    if text.strip() == "published":
        return PUBLISHED_FILTERS
    names = [name.strip().replace("-", " ").replace("_", " ") for name in text.split(",")]
    for name in names:
        if name not in PUBLISHED_FILTERS:
            known = ", ".join(name.replace(" ", "-") for name in PUBLISHED_FILTERS)
            raise DataError(f"There is no filter '{name}'; give published, none or some of {known}.")
    return tuple(name for name in PUBLISHED_FILTERS if name in names)


def filter_sequence(
    joints: FloatArray,
    skeleton: Skeleton,
    mean_pose: FloatArray,
    filters: Sequence[str] = (POSE, SPINE_ANGLE, MOTION),
) -> str:
    """:data:`PASS`, or the name of the first filter that rejects joints (T, J, 3) in official axes."""
    tests: dict[str, Callable[[], bool]] = {
        POSE: lambda: bool(np.mean(np.abs(joints - mean_pose)) < _MIN_POSE_DIFFERENCE),
        SPINE_ANGLE: lambda: _leans(joints, skeleton),
        MOTION: lambda: _is_static(joints, skeleton),
    }
    for name, rejects in tests.items():
        if name in filters and rejects():
            return name
    return PASS


def _leans(joints: FloatArray, skeleton: Skeleton) -> bool:
    """Whether the spine is more than 30 degrees off the vertical once, or 20 degrees in the mean."""
    names = skeleton.joint_names
    spine = joints[:, names.index("neck")] - joints[:, names.index("spine")]
    cosine = -spine[:, 1] / np.linalg.norm(spine, axis=1)
    angles = np.rad2deg(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return bool(angles.max() > _MAX_SPINE_ANGLE or angles.mean() > _MAX_MEAN_SPINE_ANGLE)


def _is_static(joints: FloatArray, skeleton: Skeleton) -> bool:
    """Whether both wrists vary less than 0.0014 (sum of the variances of x, y and z)."""
    wrists = [joints[:, skeleton.joint_names.index(f"{side}_wrist")] for side in ("left", "right")]
    return all(float(np.var(wrist, axis=0).sum()) < _MIN_WRIST_VARIANCE for wrist in wrists)


@dataclass(frozen=True)
class WindowFilter:
    """Picks the windows of a take. ``rejected`` counts what was left out, by filter."""

    skeleton: Skeleton
    mean_pose: FloatArray
    filters: tuple[str, ...]
    window: int = WINDOW
    stride: int = STRIDE
    rejected: Counter[str] = field(default_factory=Counter)

    def pick(
        self,
        joints: FloatArray,
        fps: float,
        words: Sequence[tuple] | None = None,
        start: float = 0.0,
    ) -> list[int]:
        """First frames of the windows of joints (T, J, 3) that pass.

        ``words`` end with their (begin, end) seconds, ``start`` is the time of the first frame on their clock.
        """
        firsts = []
        for first in range(0, len(joints) - self.window + 1, self.stride):
            reason = PASS
            if WORDS in self.filters and words is not None:
                begin, end = start + first / fps, start + (first + self.window) / fps
                if sum(word[-2] < end and word[-1] > begin for word in words) < _MIN_WORDS:
                    reason = WORDS
            if reason == PASS:
                sequence = joints[first : first + self.window]
                reason = filter_sequence(sequence, self.skeleton, self.mean_pose, self.filters)
            if reason == PASS:
                firsts.append(first)
            else:
                self.rejected[reason] += 1
        return firsts
