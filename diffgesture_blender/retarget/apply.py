# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a motion on an armature as a new action; everything else in the file stays as it was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import bpy
import numpy as np

from .. import compat
from ..animation import keyframes
from ..animation.key_writing import BoneKeys, KeyOptions, KeyReport, bone_keys, write_rotations
from ..animation.layers import push_layers
from ..errors import DiffGestureError
from ..motion import Motion
from ..rig.bone_map import BoneMap, find_bone_map
from ..rig.families import SIDES
from ..timing import frame_rate
from . import switches
from .arm import arm_bones
from .armature import Links, hierarchy_links, needs_probing, probe_links, read_rest
from .controls import ControlPlan, applied, known_plan, measured_plan
from .look import Look, look_at_result
from .solve import SolveOptions, solve

# Making keys pauses after so many seconds.
_STEP: Final = 0.05


@dataclass(frozen=True)
class RetargetReport:
    """What was written: the action, the keyed bones, scene frames of the first and last key, and warnings.

    ``look``: whether the character shows what was written, seen after writing.
    """

    action_name: str
    slot_name: str | None
    family: str
    bones: tuple[str, ...]
    missing: tuple[str, ...]
    keys: KeyReport
    frame_start: float
    frame_end: float
    warnings: tuple[str, ...]
    look: Look = field(default_factory=Look)


class Retargeting:
    """One motion on its way to an armature, in steps short enough not to freeze a window.

    ``measure``, ``solve``, ``make_keys``, ``write``, ``look``, in this order; each takes the armature and its
    scene anew, since a user may undo, rename or delete in between. Only ``write`` changes the file. For arguments
    see ``retarget``.
    """

    def __init__(
        self,
        motion: Motion,
        bone_map: BoneMap | None = None,
        *,
        frame_start: float = 1.0,
        action_name: str | None = None,
        keys: KeyOptions | None = None,
        rest_motion: Motion | None = None,
        options: SolveOptions | None = None,
    ) -> None:
        self.motion, self.rest_motion, self.options = motion, rest_motion, options
        self.frame_start, self.action_name, self.keys = frame_start, action_name, keys or KeyOptions()
        if self.additive and rest_motion is None:
            raise DiffGestureError("An additive layer needs the model's rest pose; reinstall the add-on.")
        for side in SIDES:
            arm_bones(motion, side)
        self._bone_map = bone_map
        self._rest: dict[str, np.ndarray] | None = None
        self._ready: dict[str, BoneKeys] = {}

    @property
    def additive(self) -> bool:
        return self.keys.layer == "ADDITIVE"

    def measure(self, armature_object: bpy.types.Object, scene: bpy.types.Scene) -> None:
        """Which bones to key and what to switch for them."""
        bone_map = self._bone_map or find_bone_map(armature_object)
        check_writable(armature_object)
        with _without_action(armature_object):
            self._plan = plan_controls(armature_object, bone_map, scene)

    def solve(self, armature_object: bpy.types.Object, scene: bpy.types.Scene) -> None:
        """The bones' rotations."""
        bone_map = self._plan.bone_map
        with _without_action(armature_object):
            self._rotations, self._unclear = local_rotations(
                armature_object, bone_map, self.motion, scene, self.options, self._plan
            )
            if self.additive and self.rest_motion is not None:
                still, _ = local_rotations(
                    armature_object, bone_map, self.rest_motion, scene, self.options, self._plan
                )
                self._rest = {name: local[0] for name, local in still.items()}

    def make_keys(self, armature_object: bpy.types.Object, scene: bpy.types.Scene) -> Iterator[None]:
        """The keys of all bones, in steps of about ``_STEP`` seconds; in between the armature is not touched."""
        motion = self.motion
        self._frames = keyframes.key_frames(motion.num_frames, motion.fps, frame_rate(scene), self.frame_start)
        modes = {name: armature_object.pose.bones[name].rotation_mode for name in self._rotations}
        began = time.perf_counter()
        for name, local in self._rotations.items():
            rest = self._rest[name] if self._rest else None
            self._ready[name] = bone_keys(local, self._frames, modes[name], self.keys, rest)
            if time.perf_counter() - began > _STEP:
                yield
                began = time.perf_counter()

    def write(self, armature_object: bpy.types.Object, scene: bpy.types.Scene) -> RetargetReport:
        """Keys in a new action, which from now on animates the armature; all or nothing."""
        plan = self._plan
        bone_map, rate = plan.bone_map, frame_rate(scene)
        if any(name not in armature_object.pose.bones for name in self._rotations):
            raise DiffGestureError(f"The bones of {armature_object.name} have changed meanwhile; generate again.")
        had_animation_data = armature_object.animation_data is not None
        previous = compat.current_action(armature_object)
        choice = compat.new_action(armature_object, self.action_name or f"Gestures {armature_object.name}")
        try:
            compat.assign_action(armature_object, choice)
            warnings = [
                *_warnings(armature_object, plan),
                *(
                    _unswitched(armature_object, bone_map)
                    if self.additive
                    else _switch_to_keys(plan, choice, self._frames)
                ),
            ]
            written = write_rotations(
                choice, armature_object, self._rotations, self._frames, self.keys, self._rest, self._ready
            )
            if self.keys.layer != "ACTION":
                compat.assign_action(armature_object, previous)
                push_layers(armature_object, previous, choice, self.keys.layer, rate)
        except BaseException:
            compat.assign_action(armature_object, previous)
            bpy.data.actions.remove(choice.action)
            if not had_animation_data:
                armature_object.animation_data_clear()
            raise
        if previous.action is not None and previous.action.library is None:
            previous.action.use_fake_user = True
        # Shows the new pose at the current frame.
        armature_object.update_tag()
        return RetargetReport(
            action_name=compat.action_of(choice).name,
            slot_name=getattr(choice.slot, "name_display", None),
            family=bone_map.family,
            bones=tuple(self._rotations),
            missing=bone_map.missing,
            keys=written,
            frame_start=float(self._frames[0]),
            frame_end=float(self._frames[-1]),
            warnings=(*bone_map.problems, *bone_map.notes, *plan.notes, *warnings, *self._unclear),
        )

    def look(
        self, armature_object: bpy.types.Object, scene: bpy.types.Scene, report: RetargetReport
    ) -> RetargetReport:
        """The report with whether the character shows what was written."""
        if self.additive:
            return report
        bone_map, fades = self._plan.bone_map, self.keys.layer != "ACTION"
        look = look_at_result(armature_object, bone_map, self.motion, scene, self._frames, fades=fades)
        return replace(report, warnings=(*report.warnings, *look.sentences), look=look)


def retarget(
    armature_object: bpy.types.Object,
    motion: Motion,
    bone_map: BoneMap | None = None,
    *,
    frame_start: float = 1.0,
    action_name: str | None = None,
    keys: KeyOptions | None = None,
    rest_motion: Motion | None = None,
    options: SolveOptions | None = None,
    scene: bpy.types.Scene | None = None,
    look: bool = True,
) -> RetargetReport:
    """Write the motion as keyframes of the mapped bones into a new action and let it animate the armature.

    The first motion frame falls on ``frame_start``; the scene's frame rate and range stay. ``keys``: how many, and
    whether as an action or as a strip; for an additive one ``rest_motion`` is the model's rest pose, one frame.
    ``look``: see whether the character shows it.
    The old action keeps its keys (with a fake user). Raises DiffGestureError, before anything is changed, if
    nothing can be done.
    """
    scene = scene or bpy.context.scene
    work = Retargeting(
        motion,
        bone_map,
        frame_start=frame_start,
        action_name=action_name,
        keys=keys,
        rest_motion=rest_motion,
        options=options,
    )
    work.measure(armature_object, scene)
    work.solve(armature_object, scene)
    for _ in work.make_keys(armature_object, scene):
        pass
    report = work.write(armature_object, scene)
    return work.look(armature_object, scene, report) if look else report


@contextmanager
def _without_action(armature_object: bpy.types.Object) -> Iterator[None]:
    """The armature without its action meanwhile: its keys would contradict what measuring poses."""
    previous = compat.current_action(armature_object)
    if previous.action is None:
        yield
        return
    compat.assign_action(armature_object, compat.ActionChoice(None))
    try:
        yield
    finally:
        compat.assign_action(armature_object, previous)


def plan_controls(armature_object: bpy.types.Object, bone_map: BoneMap, scene: bpy.types.Scene) -> ControlPlan:
    """Which bones to key and what to switch for them, measured where the rig has constraints or drivers."""
    view_layer = measuring_layer(armature_object, scene)
    if view_layer is None or not needs_probing(armature_object, bone_map, everywhere=True):
        return known_plan(armature_object, bone_map)
    return measured_plan(armature_object, bone_map, view_layer)


def local_rotations(
    armature_object: bpy.types.Object,
    bone_map: BoneMap,
    motion: Motion,
    scene: bpy.types.Scene,
    options: SolveOptions | None = None,
    plan: ControlPlan | None = None,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Bone -> (T, 4) local rotations that show the motion, and warnings; nothing is keyed.

    ``plan``: what will be switched for the keys, and so for measuring.
    """
    with applied(armature_object, plan.all_settings if plan is not None else ()):
        found = _links(armature_object, bone_map, scene)
    rotations = solve(read_rest(armature_object, found.links), bone_map, motion, options)
    warnings = list(found.unclear)
    if found.held:
        warnings.append(f"Constraints or drivers hold these bones, so they get no keys: {', '.join(found.held)}.")
    return {name: local for name, local in rotations.items() if name not in found.held}, warnings


def check_writable(armature_object: bpy.types.Object) -> None:
    """DiffGestureError where Blender does not let the armature be animated."""
    if armature_object.library is not None:
        raise DiffGestureError(
            f"{armature_object.name} is linked from another file and cannot be animated here; "
            "make a library override of it first (Object > Library Override > Make)."
        )
    animation = armature_object.animation_data
    if animation is not None and getattr(animation, "use_tweak_mode", False):
        raise DiffGestureError("Leave the tweak mode of the nonlinear animation editor first (Tab there).")


def _switch_to_keys(plan: ControlPlan, choice: compat.ActionChoice, frames: np.ndarray) -> list[str]:
    """Key the switches from IK to FK into the action; sentences about what has been turned off."""
    for setting in plan.all_settings:
        curve = compat.new_curve(choice, setting.path, 0, setting.group)
        keyframes.write_keys(curve, frames[:1], np.array([setting.value]), "BEZIER")
    if not plan.freed:
        return []
    listed = _counted([f"{bone} ({name})" for bone, name in plan.freed])
    return [f"The action turns off constraints that would override the keys: {listed}."]


def _counted(names: list[str], most: int = 12) -> str:
    """Names with commas; of many the first and how many more."""
    return ", ".join(names) if len(names) <= most else f"{', '.join(names[:most])} and {len(names) - most} more"


def _unswitched(armature_object: bpy.types.Object, bone_map: BoneMap) -> list[str]:
    """What to say of arms in IK: an additive layer cannot hand them over, for the layers below move them."""
    controls = ik_controls(armature_object, bone_map)
    if not controls:
        return []
    return [
        f"The arms follow IK ({', '.join(controls)}), so an additive layer moves only the rest; switch them to FK "
        "to see all of it."
    ]


def ik_controls(armature_object: bpy.types.Object, bone_map: BoneMap) -> list[str]:
    """Bones by which the arms follow IK now; none where keys of the arms have their effect."""
    arms = {name for side in SIDES for name in bone_map.slots.get(f"forearm.{side}", ())}
    arms |= {name for side in SIDES for name in bone_map.slots.get(f"upper_arm.{side}", ())}
    present = switches.present_switches(armature_object, bone_map)
    on = [
        switch.bone
        for switch in present
        if abs((switches.switch_value(armature_object, switch) or 0.0) - switch.value) > 0.01
    ]
    on += [bone.name for bone, _ in switches.overriding_constraints(armature_object, bone_map)]
    return list(dict.fromkeys(on))


def _listed(constraints: list[tuple[bpy.types.PoseBone, bpy.types.Constraint]]) -> str:
    return _counted([f"{bone.name} ({constraint.name})" for bone, constraint in constraints])


def _links(armature_object: bpy.types.Object, bone_map: BoneMap, scene: bpy.types.Scene) -> Links:
    """What carries each mapped bone, measured where constraints or drivers have a say."""
    if not needs_probing(armature_object, bone_map):
        return Links(hierarchy_links(armature_object, bone_map))
    view_layer = measuring_layer(armature_object, scene)
    if view_layer is None:
        warning = (
            f"{armature_object.name} is hidden or shows its rest position, so the effect of its constraints could "
            "not be measured; show its pose and generate again if the motion looks wrong."
        )
        return Links(hierarchy_links(armature_object, bone_map), unclear=(warning,))
    return probe_links(armature_object, bone_map, view_layer)


def measuring_layer(armature_object: bpy.types.Object, scene: bpy.types.Scene) -> bpy.types.ViewLayer | None:
    """A view layer in which the armature's pose can be evaluated; None where it is hidden or at rest."""
    view_layer = bpy.context.view_layer
    if bpy.context.scene != scene or armature_object.name not in view_layer.objects:
        view_layer = next((layer for layer in scene.view_layers if armature_object.name in layer.objects), None)
    at_rest = armature_object.data.pose_position == "REST"
    return None if armature_object.hide_viewport or at_rest else view_layer


def _warnings(armature_object: bpy.types.Object, plan: ControlPlan) -> list[str]:
    """What may keep the character from showing the keys."""
    bone_map = plan.bone_map
    warnings = []
    animation = armature_object.animation_data
    if animation is not None and animation.nla_tracks and animation.action_blend_type != "REPLACE":
        warnings.append(
            f"The action of {armature_object.name} is set to {animation.action_blend_type.title()} in the "
            "nonlinear animation editor; set it to Replace to see the gestures alone."
        )
    if armature_object.data.pose_position == "REST":
        warnings.append(f"{armature_object.name} shows its rest position; switch it to Pose Position.")
    fighting = switches.fighting_constraints(armature_object, bone_map)
    if fighting:
        warnings.append(f"Constraints may change the motion; mute them if it looks wrong: {_listed(fighting)}.")
    hands = [slot for slot in bone_map.missing if slot.startswith("hand")]
    if hands:
        warnings.append("The rig has no bones for the hands; the motion ends at the wrists.")
    return warnings
