# SPDX-License-Identifier: GPL-3.0-or-later
"""Where targets, shoulders and head are in each frame of a motion that the rig shows: what ``aim`` needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import bpy
import numpy as np

from .. import compat
from ..animation.keyframes import key_frames
from ..errors import DiffGestureError
from ..motion import Motion
from ..rig import quaternion as quat
from ..rig.body_frame import body_frame
from ..rig.bone_map import find_bone_map
from ..rig.slots import BoneMap
from ..timing import frame_rate
from .aim import Aim, aimed, window
from .apply import retarget
from .evaluate import joint_bones, set_frame
from .torso import SIDE_NAMES, chest_rotations

FloatArray = np.ndarray

CAMERA: Final = "camera"
"""The target's name that means the scene's camera, whichever that is."""


@dataclass(frozen=True)
class Target:
    """What a marker asks for: ``kind`` "point" or "look", an object's name, seconds of the speech; the marker."""

    kind: str
    name: str
    time: float
    label: str


def found_target(name: str, scene: bpy.types.Scene) -> bpy.types.Object | None:
    """The object of that name in the scene, or the scene's camera."""
    found = scene.objects.get(name)
    return scene.camera if found is None and name.casefold() == CAMERA else found


def aim_at(
    armature_object: bpy.types.Object,
    motion: Motion,
    targets: Sequence[Target],
    *,
    frame_start: float,
    scene: bpy.types.Scene,
    bone_map: BoneMap | None = None,
) -> tuple[Motion, list[str]]:
    """The motion with arms that point and a head that looks at the targets, and what to say about them.

    Places are measured while the armature shows the motion from ``frame_start`` on; then all is as it was.
    """
    told, wanted = [], []
    for target in targets:
        thing = found_target(target.name, scene)
        if thing is None:
            told.append(f"{target.label}: the scene has no object {target.name}, so nothing is aimed at it.")
        elif thing == armature_object:
            told.append(f"{target.label}: a character cannot aim at itself.")
        else:
            wanted.append((target, thing))
    used = np.zeros(0, dtype=int)
    if wanted:
        used = np.flatnonzero(np.sum([window(motion, target.time) for target, _ in wanted], axis=0) > 0.0)
    if not len(used):
        return motion, told
    bone_map = bone_map or find_bone_map(armature_object)
    frames = key_frames(motion.num_frames, motion.fps, frame_rate(scene), frame_start)
    with shown(armature_object, motion, bone_map, frame_start, scene):
        seen = measured(armature_object, bone_map, motion, frames, used, [thing for _, thing in wanted], scene)
    aims = [
        Aim(
            target.kind,
            target.time,
            target.label,
            seen.targets[:, k],
            seen.shoulders,
            seen.head,
            seen.chest,
            seen.lengths,
        )
        for k, (target, _) in enumerate(wanted)
    ]
    turned, sentences = aimed(motion, aims)
    return turned, [*told, *sentences]


def face_of(thing: bpy.types.Object) -> str | None:
    """The bone of a character's head: who looks or points at a character does not mean its feet."""
    if thing.type != "ARMATURE":
        return None
    try:
        bone_map = find_bone_map(thing)
    except DiffGestureError:
        return None
    bone = bone_map.bone("head") or bone_map.bone("neck")
    return bone if bone in thing.data.bones else None


def place_of(evaluated: Any, face: str | None) -> Any:
    """Where an evaluated object is: the middle of its head, if it has one, else its origin."""
    if face is None:
        return evaluated.matrix_world.translation
    bone = evaluated.pose.bones[face]
    return evaluated.matrix_world @ (0.5 * (bone.head + bone.tail))


@contextmanager
def shown(
    armature_object: bpy.types.Object,
    motion: Motion,
    bone_map: BoneMap,
    frame_start: float,
    scene: bpy.types.Scene,
) -> Iterator[None]:
    """The armature shows the motion for as long as something is measured; then all is as it was."""
    had_animation_data = armature_object.animation_data is not None
    previous = compat.current_action(armature_object)
    kept = previous.action.use_fake_user if previous.action is not None else False
    report = retarget(armature_object, motion, bone_map, frame_start=frame_start, scene=scene, look=False)
    try:
        yield
    finally:
        compat.assign_action(armature_object, previous)
        bpy.data.actions.remove(bpy.data.actions[report.action_name])
        if previous.action is not None and previous.action.library is None:
            previous.action.use_fake_user = kept
        if not had_animation_data:
            armature_object.animation_data_clear()


@dataclass(frozen=True)
class Seen:
    """Places in the public frame about the armature's origin, as ``aim.Aim`` has them; targets (T, K, 3)."""

    targets: FloatArray
    shoulders: dict[str, FloatArray]
    head: FloatArray
    chest: FloatArray
    lengths: dict[str, float]


def measured(
    armature_object: bpy.types.Object,
    bone_map: BoneMap,
    motion: Motion,
    frames: FloatArray,
    used: FloatArray,
    things: list[bpy.types.Object],
    scene: bpy.types.Scene,
) -> Seen:
    """Where everything is at the frames ``used`` of the motion; between them as at the nearest."""
    bones = joint_bones(armature_object, bone_map)
    heads = {bone.name: np.array(bone.head_local, dtype=float) for bone in armature_object.data.bones}
    to_public = body_frame(heads, bone_map.slots, np.array(armature_object.matrix_world.to_3x3(), dtype=float))
    skull = bone_map.bone("head") or bone_map.bone("neck")
    if skull is not None:
        deform = bone_map.deform.bone_for(skull)
        bones["head"] = deform if deform in armature_object.data.bones else skull
    faces = [face_of(thing) for thing in things]
    joints: dict[str, list[FloatArray]] = {joint: [] for joint in bones}
    places: list[list[FloatArray]] = []
    now = scene.frame_current + scene.frame_subframe
    try:
        for frame in frames[used]:
            set_frame(scene, frame)
            graph = bpy.context.evaluated_depsgraph_get()
            evaluated: Any = armature_object.evaluated_get(graph)
            back = evaluated.matrix_world.inverted_safe()
            for joint, bone in bones.items():
                joints[joint].append(to_public @ np.array(evaluated.pose.bones[bone].head, dtype=float))
            places.append(
                [
                    to_public @ np.array(back @ place_of(thing.evaluated_get(graph), face))
                    for thing, face in zip(things, faces, strict=True)
                ]
            )
    finally:
        set_frame(scene, now)
    whole = np.interp(np.arange(motion.num_frames), used, np.arange(len(used)))
    nearest = np.round(whole).astype(int)
    seen = {joint: np.array(values)[nearest] for joint, values in joints.items()}
    sides = [
        side for side in "LR" if f"{SIDE_NAMES[side]}_shoulder" in seen and f"{SIDE_NAMES[side]}_elbow" in seen
    ]
    shoulders = {side: seen[f"{SIDE_NAMES[side]}_shoulder"] for side in sides}
    lengths: dict[str, float] = {}
    for side in sides:
        name = SIDE_NAMES[side]
        for slot, start, end in (
            ("upper_arm", "shoulder", "elbow"),
            ("forearm", "elbow", "wrist"),
            ("hand", "wrist", "index1"),
        ):
            first, last = seen.get(f"{name}_{start}"), seen.get(f"{name}_{end}")
            if first is not None and last is not None:
                lengths[f"{slot}.{side}"] = float(np.median(np.linalg.norm(last - first, axis=-1)))
    middle = np.mean(list(shoulders.values()), axis=0) if shoulders else np.zeros((motion.num_frames, 3))
    head = seen.get("head", middle)
    return Seen(np.array(places)[nearest], shoulders, head, _beyond(motion, seen, sides, nearest, used), lengths)


def _beyond(
    motion: Motion, seen: dict[str, FloatArray], sides: list[str], nearest: FloatArray, used: FloatArray
) -> FloatArray:
    """(T, 4) what the shown arms are turned by against the motion's: hips that the person turned."""
    steps = (("shoulder", "elbow"), ("elbow", "wrist"))
    pairs = [(f"{SIDE_NAMES[side]}_{a}", f"{SIDE_NAMES[side]}_{b}") for side in sides for a, b in steps]
    pairs = [pair for pair in pairs if pair[0] in seen and pair[1] in seen and motion.bone(*pair) is not None]
    if not pairs:
        return quat.identity(motion.num_frames)
    shown = np.stack([quat.normalize(seen[b] - seen[a]) for a, b in pairs], axis=1)
    bones = [bone for pair in pairs if (bone := motion.bone(*pair)) is not None]
    said = motion.directions[used[nearest]][:, bones]
    chest = quat.rotate(chest_rotations(motion)[used[nearest]][:, None], np.eye(3))
    weights = np.array([1.0] * len(pairs) + [1e-3] * 3)
    return quat.fit(np.concatenate([said, chest], axis=1), np.concatenate([shown, chest], axis=1), weights)
