# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows of speech and motion, cut at random and varied, as training batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from ..model.card import Card
from ..model.conditioning import Stream
from ..motion.skeletons import Skeleton
from ..speech.features import LEVELS, audio_features
from .config import AugmentConfig


@dataclass(frozen=True)
class Takes:
    """All takes of one split in memory: features (T, F) and directions (T, D) end to end.

    ``starts`` and ``lengths`` (takes,) mark the takes within them. ``streams`` are further conditions, name to
    (T, n).
    """

    features: np.ndarray
    poses: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    streams: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        return len(self.poses)


def collect_takes(
    takes: list[tuple[np.ndarray, np.ndarray]],
    fps: float,
    streams: Sequence[Mapping[str, np.ndarray]] = (),
) -> Takes:
    """``takes`` is a list of (audio (samples,), directions (T, B, 3)); ``streams`` may have those of each."""
    features = [audio_features(audio, len(directions), fps) for audio, directions in takes]
    lengths = np.array([len(directions) for _, directions in takes])
    return Takes(
        features=np.concatenate(features),
        poses=np.concatenate([directions.reshape(len(directions), -1) for _, directions in takes]).astype(
            np.float32
        ),
        starts=np.concatenate([[0], np.cumsum(lengths)[:-1]]),
        lengths=lengths,
        streams={name: np.concatenate([s[name] for s in streams]) for name in (streams[0] if streams else ())},
    )


@dataclass(frozen=True, eq=False)
class Normalisation:
    """Means and standard deviations of poses (D,), and the network's streams with theirs."""

    pose_mean: np.ndarray
    pose_std: np.ndarray
    streams: tuple[Stream, ...]

    @classmethod
    def measure(
        cls, takes: Takes, fps: float, columns: Mapping[str, Sequence[str]] | None = None
    ) -> "Normalisation":
        """Standard deviations have a floor, so that what hardly ever moves is not blown up into noise.

        ``columns`` names those of the takes' further streams, which are used as they are.
        """
        silence = audio_features(np.zeros(16_000, dtype=np.float32), round(fps), fps)
        speech = Stream(
            "speech",
            takes.features.shape[1],
            takes.features.mean(axis=0),
            np.maximum(takes.features.std(axis=0), 0.02),
            silence[len(silence) // 2],
        )
        norm = cls(takes.poses.mean(axis=0), np.maximum(takes.poses.std(axis=0), 0.03), (speech,))
        return norm.with_streams(columns or {}, takes)

    @classmethod
    def of_card(cls, card: Card) -> "Normalisation":
        """That of a checkpoint, which its weights were trained with."""
        return cls(card.mean, card.std, card.streams)

    def with_streams(self, columns: Mapping[str, Sequence[str]], takes: Takes) -> "Normalisation":
        """With those streams behind its own that it lacks; what follows a clip is what is usual in ``takes``."""
        known = {stream.name for stream in self.streams}
        added = tuple(
            plain_stream(name, names, np.median(takes.streams[name], axis=0))
            for name, names in columns.items()
            if name not in known
        )
        return replace(self, streams=(*self.streams, *added))


def plain_stream(name: str, columns: Sequence[str], padding: np.ndarray) -> Stream:
    """A stream whose numbers are used as they are."""
    dim = len(columns)
    return Stream(name, dim, np.zeros(dim), np.ones(dim), padding, tuple(columns))


class BatchMaker:
    """Draws batches; all randomness comes from the generator it is given."""

    def __init__(self, takes: Takes, norm: Normalisation, skeleton: Skeleton, window: int, augment: AugmentConfig):
        self.takes, self.norm, self.window, self.augment = takes, norm, window, augment
        usable = takes.lengths >= window
        self._starts = takes.starts[usable]
        # First frames that leave room for a whole window, take after take.
        self._rooms = np.cumsum(takes.lengths[usable] - window + 1)
        self._mirror_bones = mirror_bones(skeleton)
        self._num_bones = skeleton.num_bones
        self._groups = bone_groups(skeleton)
        self._mirror_columns = {stream.name: mirror_columns(stream.columns) for stream in norm.streams[1:]}

    def draw(
        self, rng: np.random.Generator, size: int, part: slice = slice(None)
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Standardised poses (B, N, D), known poses and their mask (B, N, D/3), conditions (B, N, C).

        All that is random is drawn for ``size`` rows, what is returned are the rows ``part``.
        """
        picks = rng.integers(self._rooms[-1], size=size)
        mirrored = rng.random(size) < self.augment.mirror
        floor = np.where(
            rng.random((size, 1, 1)) < self.augment.noise_floor, rng.uniform(-3.0, -1.5, (size, 1, 1)), -3.0
        )
        jitter = rng.normal(0, self.augment.feature_noise, (size, self.window, self.takes.features.shape[1]))
        given = (rng.random((size, 1, 1)) >= self.augment.drop_speech).astype(np.float32)
        stream_given = [
            (rng.random((size, 1, 1)) >= self.augment.drop_streams).astype(np.float32)
            for _ in self.norm.streams[1:]
        ]
        mask = self._draw_masks(rng, size)[part]
        take = np.searchsorted(self._rooms, picks[part], side="right")
        first = self._starts[take] + picks[part] - np.where(take > 0, self._rooms[take - 1], 0)
        frames, mirrored = first[:, None] + np.arange(self.window), mirrored[part]
        poses = self.takes.poses[frames]
        poses[mirrored] = mirror_poses(poses[mirrored], self._mirror_bones)
        poses = (poses - self.norm.pose_mean) / self.norm.pose_std
        # The noise floor of some clips is raised (levels in units of 20 dB), and all are jittered a little.
        features = self.takes.features[frames].copy()
        features[..., LEVELS] = np.maximum(features[..., LEVELS], floor[part])
        conditions = [self.norm.streams[0].encode(features + jitter[part], given[part])]
        for stream, bits in zip(self.norm.streams[1:], stream_given, strict=True):
            conditions.append(self._stream(stream, frames, mirrored, bits[part]))
        known = poses * np.repeat(mask, 3, axis=2)
        poses, known, mask, given_conditions = (
            torch.from_numpy(np.asarray(array, np.float32))
            for array in (poses, known, mask, np.concatenate(conditions, axis=-1))
        )
        return poses, known, mask, given_conditions

    def _stream(self, stream: Stream, frames: np.ndarray, mirrored: np.ndarray, given: np.ndarray) -> np.ndarray:
        """Columns (B, N, n + 1) of a further stream, hidden in some windows; not given where the data lack it."""
        if stream.name not in self.takes.streams:
            return stream.encode(np.zeros((*frames.shape, stream.dim)), 0.0)
        values = self.takes.streams[stream.name][frames].astype(np.float32)
        order, signs = self._mirror_columns[stream.name]
        values[mirrored] = values[mirrored][..., order] * signs
        return stream.encode(values, given)

    def _draw_masks(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Which bones are known in which frames: mostly nothing, else what an animator may want to keep.

        A beginning (as in windows one after another), both ends, all but a span, single frames, or some parts of
        the body (throughout or in single frames).
        """
        mask = np.zeros((size, self.window, self._num_bones), dtype=np.float32)
        for item in mask:
            if rng.random() < self.augment.unknown:
                continue
            kind = rng.random()
            if kind < 0.2:
                item[: rng.integers(1, 17)] = 1
            elif kind < 0.3:
                item[: rng.integers(1, 17)] = 1
                item[self.window - rng.integers(1, 17) :] = 1
            elif kind < 0.65:
                first, last = np.sort(rng.integers(0, self.window + 1, 2))
                item[:first] = 1
                item[last:] = 1
            elif kind < 0.8:
                item[rng.integers(0, self.window, rng.integers(1, 5))] = 1
            else:
                for group in self._groups.values():
                    if rng.random() < 0.4:
                        item[:, group] = 1
                if rng.random() < 0.5:
                    item[rng.random(self.window) >= 0.1] = 0
        return mask


def mirror_bones(skeleton: Skeleton) -> list[int]:
    """For each bone the one on the other side."""
    swap = {"left": "right", "right": "left"}

    def other(name: str) -> str:
        side, _, rest = name.partition("_")
        return f"{swap[side]}_{rest}" if side in swap else name

    names = list(skeleton.bone_names)
    return [names.index(">".join(other(joint) for joint in name.split(">"))) for name in names]


def mirror_poses(poses: np.ndarray, bones: list[int]) -> np.ndarray:
    """(…, D) public-frame poses reflected in the plane x = 0 with sides swapped."""
    directions = poses.reshape(*poses.shape[:-1], len(bones), 3)[..., bones, :] * np.array(
        [-1, 1, 1], dtype=np.float32
    )
    return directions.reshape(poses.shape)


def mirror_columns(columns: Sequence[str]) -> tuple[list[int], np.ndarray]:
    """What mirroring does to a stream: the order of its columns and their signs."""
    swap = {"left": "right", "right": "left"}
    order = [columns.index(swap.get(column, column)) for column in columns]
    return order, np.array([-1.0 if column == "handedness" else 1.0 for column in columns], dtype=np.float32)


def bone_groups(skeleton: Skeleton) -> dict[str, list[int]]:
    """Bones by body part: body (spine, shoulders, head), and arms, hands and fingers of each side."""
    groups: dict[str, list[int]] = {"body": []}
    for bone, name in enumerate(skeleton.bone_names):
        parent, child = name.split(">")
        side = child.partition("_")[0]
        if child.endswith(("_elbow", "_wrist")):
            part = f"arms {side}"
        elif parent.endswith("_wrist"):
            part = f"hands {side}"
        elif child[-1].isdigit():
            part = f"fingers {side}"
        else:
            part = "body"
        groups.setdefault(part, []).append(bone)
    return groups
