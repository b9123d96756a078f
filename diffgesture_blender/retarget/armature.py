# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads an armature into plain arrays, and finds out what carries each mapped bone along.

On a plain rig that is the nearest mapped ancestor. On a control rig, constraints and drivers between the controls
may pass a rotation on by half (a neck that follows the chest) or not at all. That is measured, not guessed: all
controls are turned at once by known rotations and the evaluated pose shows which one each bone went along with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import bpy
import numpy as np
from mathutils import Quaternion

from ..animation.keyframes import rotation_property
from ..rig import quaternion as quat
from ..rig.skeleton import driven_bones, rest_points
from ..rig.slots import BoneMap
from .rest import ParentLink, RestSkeleton
from .switches import overrides

FloatArray = np.ndarray

_EXACT: Final = np.radians(0.1)
_SHARE_TOLERANCE: Final = np.radians(0.5)
_PROBES: Final = 2
# A bone that ends this far (radians) from where it was turned to in every probe is held by something else.
_HELD: Final = 0.15
_STILL: Final = 0.02


def read_rest(armature_object: bpy.types.Object, links: dict[str, ParentLink]) -> RestSkeleton:
    """Rest pose of the armature with the given parents of the mapped bones, whose rotations alone are read."""
    bones = armature_object.data.bones
    names = [bone.name for bone in bones]
    return RestSkeleton(
        heads=dict(zip(names, rest_points(bones, "head_local"), strict=True)),
        tails=dict(zip(names, rest_points(bones, "tail_local"), strict=True)),
        rotations={name: _rest_rotation(bones[name]) for name in links},
        parents=links,
        to_world=np.array(armature_object.matrix_world.to_3x3(), dtype=float),
    )


def _rest_rotation(bone: bpy.types.Bone) -> FloatArray:
    return np.array(bone.matrix_local.to_quaternion(), dtype=float)


def hierarchy_links(armature_object: bpy.types.Object, bone_map: BoneMap) -> dict[str, ParentLink]:
    """Parent links of the mapped bones by the hierarchy alone; unmapped bones in between keep their pose.

    The body is the pelvis as it is posed: gestures turn with a character that has been turned.
    """
    bones = armature_object.pose.bones
    mapped = set(bone_map.keyed_bones)
    pelvis = bone_map.bone("pelvis")
    body = _posed_turn(bones[pelvis], set())[1] if pelvis is not None else quat.identity()
    return {name: _hierarchy_link(bones[name], mapped, pelvis, body) for name in bone_map.keyed_bones}


def _hierarchy_link(
    pose_bone: bpy.types.PoseBone, mapped: set[str], pelvis: str | None, body: FloatArray
) -> ParentLink:
    if not pose_bone.bone.use_inherit_rotation or pose_bone.parent is None:
        return ParentLink(None, offset=quat.inv(body))
    end, turn = _posed_turn(pose_bone.parent, mapped | {pelvis})
    if end is None:  # beside the pelvis, or below nothing: held by the armature
        return ParentLink(None, offset=quat.mul(quat.inv(body), turn) if pelvis is not None else quat.identity())
    return ParentLink(end if end in mapped else None, offset=turn)


def _posed_turn(pose_bone: bpy.types.PoseBone, ends: set[str | None]) -> tuple[str | None, FloatArray]:
    """Turn (4,) from rest, in armature space, that the pose of a bone and its ancestors below ``ends`` adds up to.

    Also the bone of ``ends`` that was met, or None at the root (or where rotation is not inherited).
    """
    turn = quat.identity()
    bone: bpy.types.PoseBone | None = pose_bone
    while bone is not None and bone.name not in ends:
        axes = _rest_rotation(bone.bone)
        pose = np.array(bone.matrix_basis.to_quaternion(), dtype=float)
        turn = quat.mul(quat.mul(axes, quat.mul(pose, quat.inv(axes))), turn)
        bone = bone.parent if bone.bone.use_inherit_rotation else None
    return (bone.name if bone is not None else None), turn


def needs_probing(armature_object: bpy.types.Object, bone_map: BoneMap, *, everywhere: bool = False) -> bool:
    """Whether constraints or drivers sit on the mapped bones or on what they hang on; or on any bone."""
    if everywhere and any(len(bone.constraints) for bone in armature_object.pose.bones):
        return True
    driven = driven_bones(armature_object)
    seen: set[str] = set()
    for name in bone_map.keyed_bones:
        bone = armature_object.pose.bones[name]
        while bone is not None and bone.name not in seen:
            seen.add(bone.name)
            if len(bone.constraints) or bone.name in driven:
                return True
            bone = bone.parent
    return False


@dataclass(frozen=True)
class Links:
    """What carries each mapped bone, bones that no key turns, and sentences about bones that stay unclear."""

    links: dict[str, ParentLink]
    held: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()


def probe_links(armature_object: bpy.types.Object, bone_map: BoneMap, view_layer: bpy.types.ViewLayer) -> Links:
    """Parent links of the mapped bones as the evaluated rig behaves.

    The pose is changed for the measurement and put back.
    """
    bones = bone_map.keyed_bones
    links = hierarchy_links(armature_object, bone_map)
    generator = np.random.default_rng(0)
    poses = [{name: quat.identity() for name in bones}]
    for _ in range(_PROBES):
        axes = quat.normalize(generator.normal(size=(len(bones), 3)))
        angles = generator.uniform(0.4, 1.0, len(bones))
        poses.append(dict(zip(bones, quat.from_axis_angle(axes, angles), strict=True)))
    with kept_pose(armature_object, bones):
        observed = [_observe(armature_object, bone_map, pose, view_layer) for pose in poses]
    view_layer.update()
    turns, carried = [turned for turned, _ in observed], [carried for _, carried in observed]
    held = tuple(name for name in bones if _is_held(armature_object, name, poses, turns, carried))
    free = [{name: turn for name, turn in probe.items() if name not in held} for probe in turns]
    unclear = []
    for name in bones:
        if name in held:
            continue
        guess = links[name] if links[name].parent not in held else ParentLink(None)
        link, error = _best_link(name, guess, free, carried)
        if error < _SHARE_TOLERANCE:
            links[name] = link
        else:
            unclear.append(f"{name} follows other bones in a way that could not be made out; check its motion.")
    return Links(links, held, tuple(unclear))


def _is_held(
    armature_object: bpy.types.Object,
    name: str,
    poses: list[dict[str, FloatArray]],
    turns: list[dict[str, FloatArray]],
    carried: list[dict[str, FloatArray]],
) -> bool:
    """Whether a bone never turns as it was turned: constraints or drivers decide where it points."""
    axes = _rest_rotation(armature_object.data.bones[name])
    pose, turned, carrier = (np.stack([probe[name] for probe in each]) for each in (poses, turns, carried))
    own = quat.mul(quat.inv(carrier), turned)
    wanted = quat.mul(axes, quat.mul(pose, quat.inv(axes)))
    if quat.angle(quat.mul(quat.inv(own[1:]), wanted[1:])).min() < _HELD:
        return False
    still = quat.angle(quat.mul(own[1:], quat.inv(own[0]))).max() < _STILL
    still = still or quat.angle(quat.mul(turned[1:], quat.inv(turned[0]))).max() < _STILL
    # A limit stops a bone somewhere; a bone that is held does not care, or does what another bone does.
    copies = any(overrides(each) for each in armature_object.pose.bones[name].constraints)
    return bool(copies or still)


def _best_link(
    name: str, guess: ParentLink, turns: list[dict[str, FloatArray]], carried: list[dict[str, FloatArray]]
) -> tuple[ParentLink, float]:
    """The parent that explains all probes and its error (radians); the hierarchy's guess is asked first."""
    seen = np.stack([probe[name] for probe in carried])
    best, least = guess, np.inf
    for candidate in dict.fromkeys((guess.parent, None, *(other for other in turns[0] if other != name))):
        if candidate is None:
            turned = quat.identity(len(turns))
        else:
            turned = np.stack([probe[candidate] for probe in turns])
        share = _share(turned, seen)
        for weight in (1.0, share) if 0.01 < share < 0.99 else (1.0,):
            arrived = quat.power(turned, weight)
            offset = quat.mul(quat.inv(arrived[0]), seen[0])
            error = float(quat.angle(quat.mul(quat.inv(quat.mul(arrived, offset)), seen)).max())
            if error < least:
                best, least = ParentLink(candidate, weight, offset), error
            if least < _EXACT:
                return best, least
    return best, least


def _share(turned: FloatArray, seen: FloatArray) -> float:
    """How much of a bone's turns (probes, 4) has arrived, judged by their sizes; the first probe is at rest."""
    arrived = quat.angle(quat.mul(seen[1:], quat.inv(seen[0]))).sum()
    whole = quat.angle(quat.mul(turned[1:], quat.inv(turned[0]))).sum()
    return float(arrived / whole) if whole > 1e-6 else 0.0


@contextmanager
def kept_pose(armature_object: bpy.types.Object, bones: tuple[str, ...]) -> Iterator[None]:
    """Puts the rotations of these bones back at the end."""
    pose_bones = [armature_object.pose.bones[name] for name in bones]
    kept = [(bone, prop, tuple(getattr(bone, prop))) for bone in pose_bones for prop in [_property(bone)]]
    try:
        yield
    finally:
        for bone, prop, value in kept:
            setattr(bone, prop, value)


def _property(pose_bone: bpy.types.PoseBone) -> str:
    return rotation_property(pose_bone.rotation_mode)


def set_rotation(pose_bone: bpy.types.PoseBone, rotation: FloatArray) -> None:
    """Give a pose bone a local rotation (4,) in its own rotation mode."""
    value = Quaternion(rotation)
    prop = _property(pose_bone)
    if prop == "rotation_quaternion":
        pose_bone.rotation_quaternion = value
    elif prop == "rotation_axis_angle":
        axis, angle = value.to_axis_angle()
        pose_bone.rotation_axis_angle = (angle, *axis)
    else:
        pose_bone.rotation_euler = value.to_euler(pose_bone.rotation_mode)


def _observe(
    armature_object: bpy.types.Object,
    bone_map: BoneMap,
    pose: dict[str, FloatArray],
    view_layer: bpy.types.ViewLayer,
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Bone -> turn from rest of the bone, and of what carries it, evaluated with the given local rotations.

    As seen from the pelvis.
    """
    for name, rotation in pose.items():
        set_rotation(armature_object.pose.bones[name], rotation)
    view_layer.update()
    bones = armature_object.evaluated_get(view_layer.depsgraph).pose.bones
    pelvis = bone_map.bone("pelvis")
    body = quat.inv(_turn(bones[pelvis] if pelvis is not None else bones[next(iter(pose))].parent))
    turns, carried = {}, {}
    for name in pose:
        bone = bones[name]
        turns[name] = quat.mul(body, _turn(bone))
        carried[name] = quat.mul(body, _turn(bone.parent if bone.bone.use_inherit_rotation else None))
    return turns, carried


def _turn(pose_bone: bpy.types.PoseBone | None) -> FloatArray:
    """(4,) rotation of a bone from its rest pose, in armature space; of the armature itself for None."""
    if pose_bone is None:
        return quat.identity()
    now = np.array(pose_bone.matrix.to_quaternion(), dtype=float)
    return quat.mul(now, quat.inv(_rest_rotation(pose_bone.bone)))
