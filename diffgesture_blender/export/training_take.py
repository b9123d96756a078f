# SPDX-License-Identifier: GPL-3.0-or-later
"""A character's own animation and its sound as a take to train on: ``NAME.bvh`` and ``NAME.wav`` in one folder.

That is the form that ``backend/prepare.py bvh FOLDER`` reads; the folder's name is taken for the speaker's. Joints
are those of the bone map under the names of common captures, evaluated with constraints and layers, on every frame
of the scene for as long as both animation and sound last.
"""

from __future__ import annotations

import math
import shutil
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bpy
import numpy as np
from mathutils import Quaternion

from .. import compat
from ..errors import DiffGestureError
from ..retarget import find_bone_map
from ..retarget.evaluate import set_frame
from ..retarget.present_pose import follower
from ..rig import quaternion as quat
from ..rig.body_frame import body_frame
from ..rig.families import FINGERS
from ..rig.slots import BoneMap
from ..sound.source import AudioClip, mono_samples
from ..timing import frame_rate
from ..writing import reason, written

FloatArray = np.ndarray

SHORTEST_SECONDS: Final = 1.0
_CENTIMETRES: Final = 100.0
_SIDES: Final = {"L": "Left", "R": "Right"}
_ARM: Final = {"clavicle": "Shoulder", "upper_arm": "Arm", "forearm": "ForeArm", "hand": "Hand"}


@dataclass(frozen=True)
class Take:
    """What was written: the two files, scene frames, seconds."""

    motion: Path
    sound: Path
    frame_start: int
    frame_end: int
    seconds: float


@dataclass(frozen=True)
class _Joint:
    """A joint of the file: the bone at whose head it lies and its parent among the joints, -1 for the root."""

    name: str
    bone: str
    parent: int


def save_take(
    armature: bpy.types.Object,
    scene: bpy.types.Scene,
    clip: AudioClip,
    frame_start: float,
    folder: Path,
    name: str,
) -> Take:
    """Write the take of the armature; the sound is heard from ``frame_start`` on. Raises DiffGestureError."""
    bone_map = find_bone_map(armature)
    _check_names(folder, name)
    samples, rate = read_samples(clip)
    fps = frame_rate(scene)
    first, last = _animated_range(armature)
    begin = math.ceil(max(first, frame_start) - 1e-6)
    end = math.floor(min(last, frame_start + len(samples) / rate * fps) + 1e-6)
    seconds = (end - begin + 1) / fps
    if seconds < SHORTEST_SECONDS:
        raise DiffGestureError(
            f"Animation (frames {first:g} to {last:g}) and sound (from frame {frame_start:g} on) have less than "
            f"{SHORTEST_SECONDS:g} s in common; move one of them."
        )
    text = bvh_text(armature, bone_map, scene, range(begin, end + 1))
    heard = samples[round((begin - frame_start) / fps * rate) :][: round(seconds * rate)]
    motion, sound = folder / f"{name}.bvh", folder / f"{name}.wav"
    _make_folder(folder)
    with written(motion, sound) as (motion_part, sound_part):
        motion_part.write_text(text, encoding="utf-8", newline="\n")
        _write_wav(sound_part, heard, rate)
    return Take(motion, sound, begin, end, seconds)


def copy_take(bvh: Path, clip: AudioClip, folder: Path, name: str) -> Take:
    """A BVH file and a sound that already belong together, under one name. Raises DiffGestureError."""
    _check_names(folder, name)
    try:
        head = bvh.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise DiffGestureError(f"{bvh} cannot be read: {error.strerror or error}.") from error
    words = head.split("MOTION", 1)
    if not head.lstrip().upper().startswith("HIERARCHY") or len(words) != 2:
        raise DiffGestureError(f"{bvh} is not a BVH file: HIERARCHY or MOTION is missing.")
    samples, rate = read_samples(clip)
    motion, sound = folder / f"{name}.bvh", folder / f"{name}.wav"
    _make_folder(folder)
    with written(motion, sound) as (motion_part, sound_part):
        shutil.copyfile(bvh, motion_part)
        _write_wav(sound_part, samples, rate)
    return Take(motion, sound, 0, 0, len(samples) / rate)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiffGestureError(f"The folder {folder} cannot be made: {reason(error)}.") from error


def _check_names(folder: Path, name: str) -> None:
    if not name.strip() or name in (".", "..") or Path(name).name != name:
        raise DiffGestureError("Give the take a name that can be a file's.")
    if folder.exists() and not folder.is_dir():
        raise DiffGestureError(f"{folder} is not a folder.")


def _animated_range(armature: bpy.types.Object) -> tuple[float, float]:
    """First and last frame of the armature's action or of its strips."""
    choice = compat.current_action(armature)
    ranges: list[tuple[float, float]] = []
    if compat.animates(choice):
        ranges.append(compat.frame_range(choice))
    animation = armature.animation_data
    for track in animation.nla_tracks if animation is not None else ():
        if not track.mute:
            ranges += [(strip.frame_start, strip.frame_end) for strip in track.strips if not strip.mute]
    if not ranges:
        raise DiffGestureError(f"{armature.name} has no animation; give it an action first.")
    return min(start for start, _ in ranges), max(end for _, end in ranges)


# -- motion ----------------------------------------------------------------------------------------------------


def bvh_text(armature: bpy.types.Object, bone_map: BoneMap, scene: bpy.types.Scene, frames: range) -> str:
    """The evaluated motion of the mapped bones as BVH: +Y up, facing +Z at rest, centimetres.

    Every joint has a position, too, so that bones that stretch or slide lose nothing.
    """
    joints = _joints(armature, bone_map)
    bones = armature.data.bones
    to_public = body_frame({b.name: np.array(b.head_local, dtype=float) for b in bones}, bone_map.slots)
    scale = _CENTIMETRES * float(np.median(armature.matrix_world.to_scale()))
    rest = np.array([scale * to_public @ np.array(bones[j.bone].head_local, dtype=float) for j in joints])
    at_rest = [np.array(bones[j.bone].matrix_local.to_3x3(), dtype=float) for j in joints]
    positions = np.zeros((len(frames), len(joints), 3))
    turns = np.zeros((len(frames), len(joints), 4))
    now = scene.frame_current + scene.frame_subframe
    try:
        for index, frame in enumerate(frames):
            set_frame(scene, frame)
            pose = armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
            for k, joint in enumerate(joints):
                matrix = np.array(pose[joint.bone].matrix.to_quaternion().to_matrix(), dtype=float)
                turns[index, k] = quat.from_matrix(to_public @ matrix @ at_rest[k].T @ to_public.T)
                positions[index, k] = scale * to_public @ np.array(pose[joint.bone].head, dtype=float)
    finally:
        set_frame(scene, now)
    columns = []
    for k, joint in enumerate(joints):
        place, turn = positions[:, k], turns[:, k]
        if joint.parent >= 0:
            inverse = quat.inv(turns[:, joint.parent])
            place = quat.rotate(inverse, place - positions[:, joint.parent])
            turn = quat.mul(inverse, turn)
        columns += [place, _euler_zxy(turn)]
    lines = ["HIERARCHY"]
    _write_joint(lines, joints, rest, 0, 0)
    rows = np.concatenate(columns, axis=1)
    lines += ["MOTION", f"Frames: {len(rows)}", f"Frame Time: {1.0 / frame_rate(scene):.8f}"]
    lines += [" ".join(f"{value:.4f}" for value in row) for row in rows]
    return "\n".join(lines) + "\n"


def _joints(armature: bpy.types.Object, bone_map: BoneMap) -> list[_Joint]:
    """The mapped bones from the hips outwards, parents before children, depth first."""
    slots: Mapping[str, tuple[str, ...]] = bone_map.slots
    joints: list[_Joint] = []
    taken: dict[str, int] = {}

    def add(name: str, control: str | None, parent: int) -> int:
        bone = follower(armature, bone_map, control)
        if bone is None or bone in taken:  # one bone may be pelvis and first of the spine
            return taken.get(bone, parent) if bone is not None else parent
        joints.append(_Joint(name, bone, parent if joints else -1))
        taken[bone] = len(joints) - 1
        return taken[bone]

    hips = add("Hips", bone_map.bone("pelvis") or bone_map.bone("spine"), -1)
    for side, word in _SIDES.items():
        thigh = add(f"{word}UpLeg", bone_map.bone(f"thigh.{side}"), hips)
        add(f"{word}Foot", bone_map.bone(f"foot.{side}"), thigh)
    chest = hips
    for number, control in enumerate(slots.get("spine", ())):
        chest = add("Spine" + (str(number) if number else ""), control, chest)
    neck = chest
    for number, control in enumerate(slots.get("neck", ())):
        neck = add("Neck" + (str(number) if number else ""), control, neck)
    add("Head", bone_map.bone("head"), neck)
    for side, word in _SIDES.items():
        joint = chest
        for slot, name in _ARM.items():
            joint = add(word + name, bone_map.bone(f"{slot}.{side}"), joint)
        for finger in FINGERS:
            tip = joint
            for number, control in enumerate(slots.get(f"{finger}.{side}", ())[:3]):
                tip = add(f"{word}Hand{finger.capitalize()}{number + 1}", control, tip)
    return joints


def _write_joint(lines: list[str], joints: list[_Joint], rest: FloatArray, index: int, depth: int) -> None:
    pad, joint = "  " * depth, joints[index]
    offset = rest[index] - (rest[joint.parent] if joint.parent >= 0 else 0.0)
    lines += [
        f"{pad}{'ROOT' if depth == 0 else 'JOINT'} {joint.name}",
        f"{pad}{{",
        f"{pad}  OFFSET {_numbers(offset)}",
        f"{pad}  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation",
    ]
    children = [k for k, other in enumerate(joints) if other.parent == index]
    for child in children:
        _write_joint(lines, joints, rest, child, depth + 1)
    if not children:
        lines += [f"{pad}  End Site", f"{pad}  {{", f"{pad}    OFFSET {_numbers(0.4 * offset)}", f"{pad}  }}"]
    lines.append(f"{pad}}}")


def _euler_zxy(quaternions: FloatArray) -> FloatArray:
    """Quaternions (T, 4) to degrees (T, 3) in the order of the channels: Z, X, Y, applied R = Rz Rx Ry."""
    eulers = np.array([Quaternion(q.tolist()).to_euler("YXZ") for q in quaternions])
    return np.degrees(eulers[:, [2, 0, 1]])


def _numbers(values: FloatArray) -> str:
    return " ".join(f"{value:.4f}" for value in values)


# -- sound -----------------------------------------------------------------------------------------------------


def read_samples(clip: AudioClip) -> tuple[FloatArray, int]:
    """(N,) mono samples in -1..1 of the part of the file that the clip uses, and their rate.

    By Blender's audio library, or for a plain WAV file without it. DiffGestureError if neither can.
    """
    samples, rate = mono_samples(clip.path) or _read_wav(clip.path)
    start = round(clip.start * rate)
    samples = samples[start:] if clip.end is None else samples[start : round(clip.end * rate)]
    if not len(samples):
        raise DiffGestureError(f"There is no sound in {clip.path.name}.")
    return samples, rate


def _read_wav(path: Path) -> tuple[FloatArray, int]:
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise DiffGestureError(f"This Blender cannot read {path.name}; save it as a 16-bit WAV file.") from error
    if width not in (2, 4):
        raise DiffGestureError(f"{path.name} has {8 * width} bits a sample; save it as a 16-bit WAV file.")
    values = np.frombuffer(data, dtype=f"<i{width}").astype(float) / 2.0 ** (8 * width - 1)
    return values.reshape(-1, channels).mean(axis=1), rate


def _write_wav(path: Path, samples: FloatArray, rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())
