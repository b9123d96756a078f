# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads an armature into plain arrays, and finds out what carries each mapped bone along.

On a plain rig that is the nearest mapped ancestor. On a control rig, constraints and drivers between the controls
may pass a rotation on by half (a neck that follows the chest) or not at all. That is measured, not guessed: all
controls are turned at once by known rotations and the evaluated pose shows which one each bone went along with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import bpy
import numpy as np
from mathutils import Quaternion

from ..keyframes import rotation_property
from . import quaternion as quat
from .bone_map import BoneMap
from .rest import ParentLink, RestSkeleton

FloatArray = np.ndarray

_EXACT: Final = np.radians(0.1)
_SHARE_TOLERANCE: Final = np.radians(0.5)
_PROBES: Final = 2


def read_rest(armature_object: bpy.types.Object, links: dict[str, ParentLink]) -> RestSkeleton:
    """Rest pose of the armature with the given parents of the mapped bones."""
    bones = armature_object.data.bones
    return RestSkeleton(
        heads={bone.name: np.array(bone.head_local, dtype=float) for bone in bones},
        tails={bone.name: np.array(bone.tail_local, dtype=float) for bone in bones},
        rotations={bone.name: _rest_rotation(bone) for bone in bones},
        parents=links,
    )


def _rest_rotation(bone: bpy.types.Bone) -> FloatArray:
    return quat.from_matrix(np.array(bone.matrix_local.to_3x3(), dtype=float))


def hierarchy_links(armature_object: bpy.types.Object, bone_map: BoneMap) -> dict[str, ParentLink]:
    """Parent links of the mapped bones by the hierarchy alone; unmapped bones in between keep their pose."""
    mapped = set(bone_map.keyed_bones)
    return {name: _hierarchy_link(armature_object.pose.bones[name], mapped) for name in bone_map.keyed_bones}


def _hierarchy_link(pose_bone: bpy.types.PoseBone, mapped: set[str]) -> ParentLink:
    offset = quat.identity()
    child = pose_bone
    while child.bone.use_inherit_rotation and child.parent is not None:
        child = child.parent
        if child.name in mapped:
            return ParentLink(child.name, offset=offset)
        axes = _rest_rotation(child.bone)
        pose = np.array(child.matrix_basis.to_quaternion(), dtype=float)
        offset = quat.mul(quat.mul(axes, quat.mul(pose, quat.inv(axes))), offset)
    return ParentLink(None)


def needs_probing(armature_object: bpy.types.Object, bone_map: BoneMap) -> bool:
    """Whether constraints or drivers sit on the mapped bones or on what they hang on."""
    animation = armature_object.animation_data
    driven = {driver.data_path for driver in animation.drivers} if animation is not None else set()
    seen: set[str] = set()
    for name in bone_map.keyed_bones:
        bone = armature_object.pose.bones[name]
        while bone is not None and bone.name not in seen:
            seen.add(bone.name)
            start = f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"]'
            if len(bone.constraints) or any(path.startswith(start) for path in driven):
                return True
            bone = bone.parent
    return False


def probe_links(
    armature_object: bpy.types.Object, bone_map: BoneMap, view_layer: bpy.types.ViewLayer
) -> tuple[dict[str, ParentLink], list[str]]:
    """Parent links of the mapped bones as the evaluated rig behaves, and warnings about bones that stay unclear.

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
    with _kept_pose(armature_object, bones):
        observed = [_observe(armature_object, bones, pose, view_layer) for pose in poses]
    body = quat.inv(observed[0][1][bones[0]])
    turns = [{name: quat.mul(body, turn) for name, turn in seen[0].items()} for seen in observed]
    carried = [{name: quat.mul(body, turn) for name, turn in seen[1].items()} for seen in observed]
    warnings = []
    for name in bones:
        link, error = _best_link(name, links[name], turns, carried)
        if error < _SHARE_TOLERANCE:
            links[name] = link
        else:
            warnings.append(f"{name} follows other bones in a way that could not be made out; check its motion.")
    return links, warnings


def _best_link(
    name: str, guess: ParentLink, turns: list[dict[str, FloatArray]], carried: list[dict[str, FloatArray]]
) -> tuple[ParentLink, float]:
    """The parent that explains all probes and its error (radians); the hierarchy's guess is asked first."""
    base = carried[0][name]
    best, least = guess, np.inf
    candidates = [guess.parent, None, *(other for other in turns[0] if other not in (name, guess.parent))]
    for candidate in candidates:
        part = _share(candidate, name, turns, carried)
        for share in (1.0, part) if 0.01 < part < 0.99 else (1.0,):
            follow = turns if candidate is not None else [{None: quat.identity()} for _ in turns]
            at_rest = quat.power(follow[0][candidate], share)
            link = ParentLink(candidate, share, quat.mul(quat.inv(at_rest), base))
            errors = [
                quat.angle(
                    quat.mul(
                        quat.inv(quat.mul(quat.power(turn[candidate], share), link.offset)),
                        seen[name],
                    )
                )
                for turn, seen in zip(follow, carried, strict=True)
            ]
            error = float(np.max(errors))
            if error < least:
                best, least = link, error
            if least < _EXACT:
                return best, least
    return best, least


def _share(
    candidate: str | None, name: str, turns: list[dict[str, FloatArray]], carried: list[dict[str, FloatArray]]
) -> float:
    """How much of the candidate's turn seems to arrive at the bone, 0 to 1."""
    if candidate is None:
        return 1.0
    base = quat.inv(carried[0][name])
    arrived = sum(float(quat.angle(quat.mul(seen[name], base))) for seen in carried[1:])
    whole = sum(float(quat.angle(turn[candidate])) for turn in turns[1:])
    return float(np.clip(arrived / max(whole, 1e-9), 0.0, 1.0))


@contextmanager
def _kept_pose(armature_object: bpy.types.Object, bones: tuple[str, ...]) -> Iterator[None]:
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
    bones: tuple[str, ...],
    pose: dict[str, FloatArray],
    view_layer: bpy.types.ViewLayer,
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Bone -> turn from rest of the bone and of what carries it, evaluated with the given local rotations."""
    for name in bones:
        set_rotation(armature_object.pose.bones[name], pose[name])
    view_layer.update()
    evaluated = armature_object.evaluated_get(view_layer.depsgraph)
    turns, carried = {}, {}
    for name in bones:
        bone = evaluated.pose.bones[name]
        turns[name] = _turn(bone)
        inherits = bone.bone.use_inherit_rotation and bone.parent is not None
        carried[name] = _turn(bone.parent) if inherits else quat.identity()
    return turns, carried


def _turn(pose_bone: bpy.types.PoseBone) -> FloatArray:
    """(4,) rotation of a bone from its rest pose, in armature space."""
    now = np.array(pose_bone.matrix.to_quaternion(), dtype=float)
    return quat.mul(now, quat.inv(_rest_rotation(pose_bone.bone)))
