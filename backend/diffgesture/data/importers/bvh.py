# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads BVH files: channels in any order and number, decimal commas, comments, any white space.

Positions are in the file's own units and axes; :mod:`.body` finds out which way is up and ahead.
"""

import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from ...errors import DataError
from ...motion import rotation
from ...motion.armature import Armature, forward_kinematics
from ...reading import read_bytes

FloatArray = np.ndarray

_AXES: Final = {"x": 0, "y": 1, "z": 2}
_CHANNEL: Final = re.compile(r"([xyz])(position|rotation)", re.IGNORECASE)
_COMMENT: Final = re.compile(r"(?:#|//).*")
MAX_FPS: Final = 1000.0
MAX_JOINTS: Final = 1000
MAX_POSES: Final = 16_000_000
"""Frames times joints: half an hour of 75 joints at 120 frames a second; about 2 GB while it is read."""
_MAX_BYTES: Final = 1 << 30


@dataclass
class _Joint:
    name: str
    parent: int
    offset: FloatArray = field(default_factory=lambda: np.zeros(3))
    channels: list[tuple[str, int]] = field(default_factory=list)  # (position or rotation, axis)


def read_bvh(path: Path) -> Armature:
    """The motion of a BVH file. Raises DataError naming file and field."""
    text = read_bytes(path, "BVH file", DataError, _MAX_BYTES).decode("utf-8-sig", errors="replace")
    lines = [_COMMENT.sub("", line).strip() for line in text.replace("\x00", "").splitlines()]
    lines = [line for line in lines if line]
    starts = [k for k, line in enumerate(lines) if line.upper().split()[0] == "MOTION"]
    if not lines or not lines[0].upper().startswith("HIERARCHY") or not starts:
        raise DataError(f"{path} is not a BVH file: HIERARCHY or MOTION is missing.")
    joints = _read_hierarchy(path, lines[1 : starts[0]])
    if len(joints) > MAX_JOINTS:
        raise DataError(f"{path}: HIERARCHY has {len(joints)} joints, more than the {MAX_JOINTS} that are taken.")
    fps, values = _read_motion(path, lines[starts[0] + 1 :], sum(len(joint.channels) for joint in joints))
    if len(values) * len(joints) > MAX_POSES:
        raise DataError(
            f"{path}: {len(values)} frames of {len(joints)} joints are too long to be read at once. Cut it into"
            " shorter takes."
        )
    return _armature(joints, values, fps)


def _read_hierarchy(path: Path, lines: list[str]) -> list[_Joint]:
    joints: list[_Joint] = []
    stack: list[int] = []  # the open braces; -1 for an end site
    opening = -1
    # Braces may share a line with what they enclose.
    for line in "\n".join(lines).replace("{", "\n{\n").replace("}", "\n}\n").splitlines():
        words = line.split()
        if not words:
            continue
        keyword = words[0].upper()
        if keyword in {"ROOT", "JOINT"}:
            joints.append(_Joint(" ".join(words[1:]) or f"joint{len(joints)}", stack[-1] if stack else -1))
            opening = len(joints) - 1
        elif keyword == "END":
            opening = -1
        elif keyword == "{":
            stack.append(opening)
        elif keyword == "}":
            if not stack:
                raise DataError(f"{path}: HIERARCHY has a closing brace too many.")
            stack.pop()
        elif keyword == "OFFSET":
            if stack and stack[-1] >= 0:
                joints[stack[-1]].offset = _offset(path, joints[stack[-1]].name, words[1:])
        elif keyword == "CHANNELS":
            if not stack or stack[-1] < 0:
                raise DataError(f"{path}: CHANNELS stands outside of a joint.")
            joint = joints[stack[-1]]
            joint.channels = _channels(path, joint.name, words[1:])
        else:
            raise DataError(f"{path}: HIERARCHY has the unknown word '{words[0]}'.")
    if not joints or stack:
        raise DataError(f"{path}: HIERARCHY is not complete.")
    return joints


def _offset(path: Path, name: str, words: list[str]) -> FloatArray:
    try:
        offset = np.array([float(word.rstrip(",;").replace(",", ".")) for word in words])
    except ValueError:
        offset = np.zeros(0)
    if offset.shape != (3,) or not np.isfinite(offset).all():
        raise DataError(f"{path}: joint '{name}', field OFFSET is not three numbers.")
    return offset


def _channels(path: Path, name: str, words: list[str]) -> list[tuple[str, int]]:
    found = [_CHANNEL.fullmatch(word) for word in words[1:]]
    if not words or words[0] != str(len(words) - 1) or None in found:
        raise DataError(f"{path}: joint '{name}', field CHANNELS is not a count and as many channel names.")
    return [(match[2].lower(), _AXES[match[1].lower()]) for match in found if match]


def _read_motion(path: Path, lines: list[str], num_channels: int) -> tuple[float, FloatArray]:
    """(fps, values (T, channels))."""
    frames, frame_time = -1, 0.0
    fields = list(itertools.takewhile(lambda line: ":" in line, lines))
    for line in fields:
        key, _, value = line.partition(":")
        try:
            word = "".join(key.lower().split())
            if word == "frames":
                frames = int(value)
            elif word == "frametime":
                frame_time = float(value.replace(",", "."))
        except ValueError:
            raise DataError(f"{path}: field '{key.strip()}' is not a number: {value.strip()}.") from None
    if not 1 / MAX_FPS <= frame_time <= 1.0:
        raise DataError(f"{path}: field 'Frame Time' is missing or not between 0.001 and 1 second.")
    values = _numbers(path, " ".join(lines[len(fields) :]))
    rows, rest = divmod(len(values), max(num_channels, 1))
    if rest or rows == 0 or abs(rows - frames) > 1:
        raise DataError(
            f"{path}: field 'Frames' is {frames} and each frame has {num_channels} channels, "
            f"but {len(values)} numbers follow. The file is cut off or damaged."
        )
    values = values.reshape(rows, max(num_channels, 1))
    if not np.isfinite(values).all():
        frame = int(np.nonzero(~np.isfinite(values).all(axis=1))[0][0])
        raise DataError(f"{path}: frame {frame} of MOTION contains NaN or infinity.")
    return 1.0 / frame_time, values


def _numbers(path: Path, text: str) -> FloatArray:
    if "," in text:
        # A comma beside points separates numbers; alone it is the decimal sign of some locales.
        text = text.replace(",", " " if "." in text else ".")
    try:
        return np.array(text.split(), dtype=np.float64)
    except ValueError as error:
        raise DataError(f"{path}: MOTION holds something that is not a number: {error}.") from error


def _armature(joints: list[_Joint], values: FloatArray, fps: float) -> Armature:
    frames, count = len(values), len(joints)
    local = np.tile(rotation.IDENTITY, (frames, count, 1))
    offsets = np.tile([joint.offset for joint in joints], (frames, 1, 1))
    column = 0
    for k, joint in enumerate(joints):
        translated = np.zeros((frames, 3))
        for kind, axis in joint.channels:
            if kind == "position":
                translated[:, axis] = values[:, column]
            else:
                angle = np.deg2rad(values[:, column])
                local[:, k] = rotation.mul(local[:, k], rotation.about(np.eye(3)[axis], angle))
            column += 1
        # Position channels replace the offset; some programs write zeros for all joints but the root.
        if joint.parent < 0 or translated.any():
            axes = [axis for kind, axis in joint.channels if kind == "position"]
            offsets[:, k, axes] = translated[:, axes]
    parents = tuple(joint.parent for joint in joints)
    rest = np.array([joint.offset for joint in joints])
    return forward_kinematics(tuple(joint.name for joint in joints), parents, rest, offsets, local, fps)
