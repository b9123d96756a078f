# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the result: whether the bones that deform the mesh point where the motion points, and if not, why.

Keys that have no effect look like success from the inside. A few frames are evaluated as the audience sees them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import bpy
import numpy as np

from ..motion import Motion
from ..rig import quaternion as quat
from ..rig.body_frame import body_frame
from ..rig.families import SIDES
from ..rig.shown import arm_length, shown_bone, shown_bones
from ..rig.skeleton import Skeleton, driven_bones, read_skeleton
from ..rig.slots import BoneMap
from ..timing import remapped
from . import switches
from .evaluate import set_frame
from .torso import SIDE_NAMES, chest_rotations, head_rotations

FloatArray = np.ndarray

# Degrees between what is asked for and what is seen that count as not following.
_OFF: Final = 4.0
# Trunk and head are held to less: deforming bones of the trunk are stretched between controls.
_TURNED_OFF: Final = 10.0
_TRUNK: Final = ("trunk", "head")
_FRAMES: Final = (0.2, 0.5, 0.8)
# Ratio of the largest scale to the smallest one that counts as uneven.
_UNEVEN: Final = 1.005


@dataclass(frozen=True)
class Finding:
    """Why a character does not show what was written: a sentence, and the kind of mend that is safe, if one is.

    ``names``: bones, tracks or constraints that the mend is about.
    """

    text: str
    mend: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """What was seen: limbs that do not follow (``left arm``), the largest error in degrees, and the reasons."""

    behind: tuple[str, ...] = ()
    largest_error: float = 0.0
    findings: tuple[Finding, ...] = ()
    looked: bool = False

    @property
    def follows(self) -> bool:
        """Whether every limb that was looked at follows."""
        return not self.behind

    @property
    def sentences(self) -> tuple[str, ...]:
        """For reports and panels."""
        texts = [finding.text for finding in self.findings]
        if self.behind:
            limbs = " and ".join(", ".join(self.behind).rsplit(", ", 1))
            verb = "does" if len(self.behind) == 1 and not self.behind[0].endswith("s") else "do"
            texts.insert(
                0, f"The {limbs} {verb} not show the gestures (up to {self.largest_error:.0f} degrees off)."
            )
        return tuple(texts)


def look_at_result(
    armature_object: bpy.types.Object,
    bone_map: BoneMap,
    motion: Motion,
    scene: bpy.types.Scene,
    frames: FloatArray,
    *,
    fades: bool = False,
    within: Sequence[tuple[float, float]] = (),
) -> Look:
    """Evaluate some of the motion's frames, which fall on the scene's ``frames`` (T,).

    The current frame is put back. ``fades``: the motion comes in and goes out; only its middle is looked at.
    ``within``: scene frames from and to which the motion was written, if not whole.
    """
    stretched = _remapping(scene)
    if bpy.context.scene != scene or armature_object.name not in bpy.context.view_layer.objects:
        return Look(findings=stretched)
    data = armature_object.data
    if armature_object.hide_viewport or data.pose_position == "REST" or data.is_editmode:
        return Look(findings=stretched)
    if fades and len(frames) / motion.fps < 2.0:
        return Look(findings=stretched)
    inside = [i for i, at in enumerate(frames) if not within or any(a <= at <= b for a, b in within)]
    if not inside:
        return Look(findings=stretched)
    chosen = sorted({inside[int(part * (len(inside) - 1))] for part in _FRAMES})
    errors = _errors(armature_object, bone_map, motion, scene, frames, chosen)
    behind = tuple(limb for limb, error in errors.items() if error > (_TURNED_OFF if limb in _TRUNK else _OFF))
    asked = behind or tuple(limb for limb in errors if limb not in _TRUNK)
    largest = max((errors[limb] for limb in asked), default=0.0)
    reasons = tuple(_reasons(armature_object, bone_map, behind)) if behind else ()
    return Look(behind, largest, (*reasons, *stretched), looked=True)


def _errors(
    armature_object: bpy.types.Object,
    bone_map: BoneMap,
    motion: Motion,
    scene: bpy.types.Scene,
    frames: FloatArray,
    chosen: list[int],
) -> dict[str, float]:
    """Limb -> largest angle in degrees between requested directions and those of the bones that are seen."""
    skeleton = read_skeleton(armature_object)
    steps, turned = _steps(bone_map, skeleton, motion), _turned(bone_map, skeleton, motion)
    to_public = body_frame(skeleton.heads, bone_map.slots, skeleton.to_world)
    pelvis = bone_map.bone("pelvis")
    now = scene.frame_current + scene.frame_subframe
    stretch = scene.render.frame_map_new / scene.render.frame_map_old
    errors: dict[str, float] = {}
    try:
        for index in chosen:
            set_frame(scene, float(frames[index]) * stretch)
            evaluated = armature_object.evaluated_get(bpy.context.evaluated_depsgraph_get())
            world = np.array(evaluated.matrix_world.to_3x3(), dtype=float)
            left, _, right = np.linalg.svd(world)
            body = _turn(evaluated.pose.bones[pelvis]) if pelvis is not None else np.eye(3)
            to_scene = (left @ right) @ body @ to_public.T
            for limb, name, wanted in turned:
                asked = to_public.T @ wanted[index] @ to_public
                seen = body.T @ _turn(evaluated.pose.bones[name])
                angle = np.degrees(np.arccos(np.clip((np.trace(asked.T @ seen) - 1.0) / 2.0, -1.0, 1.0)))
                errors[limb] = max(errors.get(limb, 0.0), float(angle))
            for limb, bone, start, end in steps:
                a, b = (np.array(evaluated.pose.bones[name].head, dtype=float) for name in (start, end))
                seen = quat.normalize(world @ (b - a))
                cosine = np.clip(seen @ to_scene @ motion.directions[index, bone], -1.0, 1.0)
                errors[limb] = max(errors.get(limb, 0.0), float(np.degrees(np.arccos(cosine))))
    finally:
        set_frame(scene, now)
    return errors


def _turn(pose_bone: bpy.types.PoseBone) -> FloatArray:
    """(3, 3) rotation of an evaluated bone from its rest pose, in armature space."""
    now = np.array(pose_bone.matrix.to_quaternion().to_matrix(), dtype=float)
    return now @ np.array(pose_bone.bone.matrix_local.to_3x3(), dtype=float).T


def _turned(bone_map: BoneMap, skeleton: Skeleton, motion: Motion) -> list[tuple[str, str, FloatArray]]:
    """Trunk and head: the bone that shows each, and the turns (T, 3, 3) from rest in the public frame it makes."""
    chest = chest_rotations(motion)
    wanted = {"trunk": chest, "head": head_rotations(motion, chest)}
    scale = arm_length(bone_map.slots, skeleton)
    found = []
    for limb, control in (("trunk", bone_map.bone("spine", -1)), ("head", bone_map.bone("head"))):
        told = bone_map.deform.bone_for(control) if control is not None else None
        known = told if told != control and told in skeleton.parents else None
        shown = known or (shown_bone(control, skeleton, scale) if control is not None else None)
        if shown is not None:
            found.append((limb, shown, quat.to_matrix(wanted[limb])))
    return found


def _steps(bone_map: BoneMap, skeleton: Skeleton, motion: Motion) -> list[tuple[str, int, str, str]]:
    """Limb, bone of the layout, and the two bones of the armature between whose heads it lies."""
    stated = {name: bone_map.deform.bone_for(name) for name in bone_map.keyed_bones}
    shown = shown_bones(bone_map.slots, skeleton, stated)
    found = []
    for side in SIDES:
        name = SIDE_NAMES[side]
        chain = [
            (f"{name}_shoulder", bone_map.bone(f"upper_arm.{side}")),
            (f"{name}_elbow", bone_map.bone(f"forearm.{side}")),
            (f"{name}_wrist", bone_map.bone(f"hand.{side}")),
        ]
        limbs = [(f"{name} arm", chain)]
        for finger in ("index", "middle"):
            names = bone_map.slots.get(f"{finger}.{side}", ())
            joints = [(f"{name}_{finger}{i + 1}", bone) for i, bone in enumerate(names[:3])]
            if f"hand.{side}" in bone_map.slots:
                limbs.append((f"{name} fingers", joints))
        for limb, joints in limbs:
            for (start, first), (end, second) in itertools.pairwise(joints):
                bone = motion.bone(start, end)
                if bone is not None and first in shown and second in shown:
                    found.append((limb, bone, shown[first], shown[second]))
    return found


def _remapping(scene: bpy.types.Scene) -> tuple[Finding, ...]:
    text = remapped(scene)
    return () if text is None else (Finding(text, "remap"),)


def _reasons(armature_object: bpy.types.Object, bone_map: BoneMap, behind: Iterable[str]) -> list[Finding]:
    """What keeps the limbs from following; a sentence without a mend where nothing is found."""
    found = _animation_reasons(armature_object)
    names = _bones_of(bone_map, behind)
    scale = _uneven_scale(armature_object, names)
    if scale is not None:
        found.append(scale)
    found += _bone_reasons(armature_object, names)
    if not found:
        found.append(
            Finding("What moves these bones instead was not found; look at their constraints and drivers.")
        )
    return found


def _animation_reasons(armature_object: bpy.types.Object) -> list[Finding]:
    """Settings of the nonlinear animation that keep an action from being seen."""
    animation = armature_object.animation_data
    if animation is None:
        return []
    found = []
    solo = tuple(track.name for track in animation.nla_tracks if track.is_solo)
    if solo:
        found.append(
            Finding(f"The track {solo[0]} plays solo; turn its star off to see the gestures.", "solo", solo)
        )
    if animation.action is not None and animation.action_influence < 0.999:
        text = (
            f"The action's influence is {animation.action_influence:.2f}; set it to 1 to see the gestures whole."
        )
        found.append(Finding(text, "influence"))
    if animation.action is not None and animation.nla_tracks and animation.action_blend_type != "REPLACE":
        blend = animation.action_blend_type.title()
        found.append(
            Finding(f"The action is set to {blend}; set it to Replace to see the gestures alone.", "blend")
        )
    if animation.nla_tracks and not animation.use_nla and animation.action is None:
        found.append(Finding("The nonlinear animation of the character is turned off; turn it on.", "use_nla"))
    top = [(track, strip) for track in animation.nla_tracks for strip in track.strips]
    for track, strip in top:
        if animation.action is None and strip == top[-1][1] and (track.mute or strip.mute):
            found.append(
                Finding(f"The strip {strip.name} is muted; unmute it.", "unmute", (track.name, strip.name))
            )
        elif animation.action is None and strip == top[-1][1] and strip.influence < 0.999:
            text = f"The strip {strip.name} has an influence of {strip.influence:.2f}; set it to 1."
            found.append(Finding(text, "strip_influence", (track.name, strip.name)))
    return found


def _bones_of(bone_map: BoneMap, limbs: Iterable[str]) -> list[str]:
    """Mapped bones of limbs such as ``left arm`` or ``right fingers``."""
    found = []
    for limb in limbs:
        if limb in _TRUNK:
            parts = ("spine",) if limb == "trunk" else ("neck", "head")
            found += [bone for slot in parts for bone in bone_map.slots.get(slot, ())]
            continue
        name, part = limb.split()
        side = {"left": "L", "right": "R"}[name]
        parts = ("clavicle", "upper_arm", "forearm", "hand") if part == "arm" else ("hand", "index", "middle")
        found += [bone for slot in parts for bone in bone_map.slots.get(f"{slot}.{side}", ())]
    return list(dict.fromkeys(found))


def _uneven_scale(armature_object: bpy.types.Object, names: list[str]) -> Finding | None:
    world = np.array(armature_object.matrix_world.to_3x3(), dtype=float)
    sizes = np.linalg.svd(world, compute_uv=False)
    if sizes[-1] > 0 and sizes[0] / sizes[-1] > _UNEVEN:
        return Finding(
            f"{armature_object.name} is scaled unevenly (by itself, its parent or its delta scale), which bends "
            "every direction; make its scale even, or apply it (Ctrl A)."
        )
    for name in names:
        bone = armature_object.pose.bones[name]
        while bone is not None:
            scale = np.abs(np.array(bone.scale, dtype=float))
            if scale.min() <= 0 or scale.max() / scale.min() > _UNEVEN:
                text = f"The bone {bone.name} is scaled unevenly in the pose, which bends what hangs on it."
                return Finding(f"{text} Set its scale to 1.", "bone_scale", (bone.name,))
            bone = bone.parent
    return None


def _bone_reasons(armature_object: bpy.types.Object, names: list[str]) -> list[Finding]:
    """Drivers and constraints that turn bones, or what they show, in another way."""
    found = []
    driven = driven_bones(armature_object)
    animation = armature_object.animation_data
    rotations = {
        name
        for name in names
        if name in driven
        and any(
            switches.bone_of_path(curve.data_path) == name and ".rotation" in curve.data_path and not curve.mute
            for curve in (animation.drivers if animation is not None else ())
        )
    }
    if rotations:
        listed = tuple(name for name in names if name in rotations)
        text = f"Drivers turn {', '.join(listed)}, so keys have no effect on them; mute these drivers."
        found.append(Finding(text, "drivers", listed))
    skeleton = read_skeleton(armature_object)
    bones = armature_object.pose.bones
    shown = {name: shown_bone(name, skeleton, skeleton.size * 0.1) for name in names}
    looked = list(dict.fromkeys(bone for pair in shown.items() for bone in pair if bone is not None))
    active = [
        (name, constraint.name)
        for name in looked
        for constraint in bones[name].constraints
        if switches.turns(constraint)
    ]
    if active:
        listed = ", ".join(f"{bone} ({name})" for bone, name in active[:6])
        on_controls = tuple(f"{bone}\n{name}" for bone, name in active if bone in names)
        text = f"Constraints move these bones: {listed}{' and more' if len(active) > 6 else ''}."
        found.append(Finding(text, "constraints" if on_controls else "", on_controls))
    return found
