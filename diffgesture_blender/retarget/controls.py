# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be switched so that the deforming bones follow the bones that are keyed, measured on the rig itself.

Rigs of a known family have properties that hand the arms to their FK controls. In a rig of any other make, drivers
and constraints lead from the deforming bones to what decides: every property and constraint on that way is tried,
and what makes the deforming bones follow is kept. Where nothing does, the deforming bones are keyed themselves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import bpy
import numpy as np

from ..rig import quaternion as quat
from ..rig.families import SIDES
from ..rig.shown import shown_bones
from ..rig.skeleton import Skeleton, read_skeleton
from ..rig.slots import BoneMap
from . import switches
from .armature import kept_pose, set_rotation

FloatArray = np.ndarray

# The turn that a control is given to see what follows it, and by how much its deforming bone may point elsewhere.
_TURN: Final = 0.7
_FOLLOWS: Final = 0.3
_MOST_TRIES: Final = 80


@dataclass(frozen=True)
class Setting:
    """A property of the armature object (RNA path) and the value that the action gives it."""

    path: str
    value: float
    group: str


@dataclass(frozen=True)
class ControlPlan:
    """Bones to key, what to switch for them, constraints to turn off, and sentences about it."""

    bone_map: BoneMap
    settings: tuple[Setting, ...] = ()
    freed: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def all_settings(self) -> tuple[Setting, ...]:
        """The settings and the influences of the constraints that are turned off."""
        off = (Setting(switches.influence_path_of(bone, name), 0.0, bone) for bone, name in self.freed)
        return tuple({each.path: each for each in (*off, *self.settings)}.values())


def known_plan(armature_object: bpy.types.Object, bone_map: BoneMap) -> ControlPlan:
    """What the rig's family and the constraints on the keyed bones themselves tell, without measuring."""
    settings = tuple(
        Setting(switches.switch_path(armature_object, switch), switch.value, switch.bone)
        for switch in switches.present_switches(armature_object, bone_map)
    )
    freed = tuple(
        (bone.name, each.name) for bone, each in switches.overriding_constraints(armature_object, bone_map)
    )
    return ControlPlan(bone_map, settings, freed)


def measured_plan(
    armature_object: bpy.types.Object, bone_map: BoneMap, view_layer: bpy.types.ViewLayer | None
) -> ControlPlan:
    """The plan with which the deforming bones follow, as far as there is one. The pose is put back."""
    plan = known_plan(armature_object, bone_map)
    skeleton = read_skeleton(armature_object)
    shown = _shown(bone_map, skeleton)
    if view_layer is None or all(name == bone for name, bone in shown.items()):
        return plan
    with applied(armature_object, plan.all_settings):
        behind = _behind(armature_object, shown, view_layer)
    if not behind:
        return plan
    plan, behind = _with_switches(armature_object, plan, shown, behind, skeleton, view_layer)
    if not behind:
        return plan
    return _on_deforming_bones(armature_object, plan, behind, shown, view_layer)


def _shown(bone_map: BoneMap, skeleton: Skeleton) -> dict[str, str]:
    """Control -> the deforming bone that shows it, of the arms; fingers are looked at when all is written."""
    stated = {name: bone_map.deform.bone_for(name) for name in bone_map.keyed_bones}
    shown = shown_bones(bone_map.slots, skeleton, stated)
    arms = {
        bone_map.slots[slot][0]
        for side in SIDES
        for part in ("upper_arm", "forearm", "hand")
        if (slot := f"{part}.{side}") in bone_map.slots
    }
    return {name: bone for name, bone in shown.items() if name in arms}


@contextlib.contextmanager
def applied(armature_object: bpy.types.Object, settings: Sequence[Setting]) -> Iterator[None]:
    """The settings as values for a while."""
    kept = [(each, _value(armature_object, each.path)) for each in settings]
    try:
        for each in settings:
            _set(armature_object, each.path, each.value)
        yield
    finally:
        for each, value in kept:
            if value is not None:
                _set(armature_object, each.path, value)
        armature_object.update_tag()


def _value(owner: Any, path: str) -> Any:
    try:
        return owner.path_resolve(path)
    except (ValueError, KeyError, TypeError):
        return None


def _set(armature_object: bpy.types.Object, path: str, value: Any) -> None:
    """Give the property of an RNA path a value, of its own kind."""
    now = _value(armature_object, path)
    if now is None:
        return
    kind = bool if isinstance(now, bool) else int if isinstance(now, int) else float
    holder, _, name = path.rpartition(".")
    with contextlib.suppress(AttributeError, TypeError, KeyError, RuntimeError):
        if path.endswith('"]'):
            start = path.rindex('["')
            owner = armature_object if start == 0 else armature_object.path_resolve(path[:start])
            owner[_unescaped(path[start + 2 : -2])] = kind(value)
            owner.id_data.update_tag()
        else:
            setattr(armature_object.path_resolve(holder), name, kind(value))


def _unescaped(text: str) -> str:
    return text.replace('\\"', '"').replace("\\\\", "\\")


def _behind(
    armature_object: bpy.types.Object, shown: Mapping[str, str], view_layer: bpy.types.ViewLayer
) -> list[str]:
    """Controls whose deforming bones do not point where they point when they are turned."""
    names = tuple(shown)
    used = {*names, *shown.values()}
    axis = quat.normalize(np.array([1.0, 0.0, 1.0]))
    turn = quat.from_axis_angle(axis[None], np.array([_TURN]))[0]
    with kept_pose(armature_object, names):
        for name in names:
            set_rotation(armature_object.pose.bones[name], quat.identity())
        before = _ways(armature_object, used, view_layer)
        for name in names:
            set_rotation(armature_object.pose.bones[name], turn)
        after = _ways(armature_object, used, view_layer)
    view_layer.update()
    found = []
    for name, bone in shown.items():
        moved = quat.between(before[name], after[name])
        wanted = quat.rotate(moved, before[bone])
        angle = float(np.arccos(np.clip(wanted @ after[bone], -1.0, 1.0)))
        still = float(before[name] @ after[name]) > np.cos(0.5 * _FOLLOWS)
        if angle > _FOLLOWS or still:
            found.append(name)
    return found


def _ways(
    armature_object: bpy.types.Object, names: set[str], view_layer: bpy.types.ViewLayer
) -> dict[str, FloatArray]:
    """Bone -> (3,) direction of the evaluated bone in armature space."""
    armature_object.update_tag()
    view_layer.update()
    bones = armature_object.evaluated_get(view_layer.depsgraph).pose.bones
    return {name: np.array(bones[name].matrix.to_3x3().col[1].normalized(), dtype=float) for name in names}


def _with_switches(
    armature_object: bpy.types.Object,
    plan: ControlPlan,
    shown: Mapping[str, str],
    behind: list[str],
    skeleton: Skeleton,
    view_layer: bpy.types.ViewLayer,
) -> tuple[ControlPlan, list[str]]:
    """The plan with every property and constraint switched that makes more deforming bones follow."""
    found: list[Setting] = []
    for setting in _candidates(armature_object, [shown[name] for name in behind], set(shown), skeleton)[
        :_MOST_TRIES
    ]:
        trial = [*plan.all_settings, *found, setting]
        with applied(armature_object, trial):
            left = _behind(armature_object, shown, view_layer)
        if len(left) < len(behind):
            found, behind = [*found, setting], left
        if not behind:
            break
    if not found:
        return plan, behind
    names = ", ".join(f"{each.path} = {each.value:g}" for each in found)
    note = f"The action switches what keeps the arms from following their controls: {names}."
    return ControlPlan(plan.bone_map, (*plan.settings, *found), plan.freed, (*plan.notes, note)), behind


def _candidates(
    armature_object: bpy.types.Object, deforming: list[str], controls: set[str], skeleton: Skeleton
) -> list[Setting]:
    """Settings that may decide what moves these bones, those called IK or FK first."""
    way = _led_by(armature_object, deforming, controls, skeleton)
    found: dict[str, Setting] = {}
    driven: set[str] = set()
    animation = armature_object.animation_data
    for curve in animation.drivers if animation is not None else ():
        match = switches.CONSTRAINT_PATH.match(curve.data_path)
        if match is None or _unescaped(match.group(1)) not in way:
            continue
        driven.add(curve.data_path)
        for variable in curve.driver.variables:
            for target in variable.targets:
                if variable.type != "SINGLE_PROP" or target.id != armature_object or not target.data_path:
                    continue
                path = target.data_path
                value = _value(armature_object, path)
                if isinstance(value, (bool, int, float)):
                    other = 0.0 if float(value) > 0.5 else 1.0
                    found.setdefault(path, Setting(path, other, "Switches"))
    for name in sorted(way):
        for constraint in armature_object.pose.bones[name].constraints:
            path = switches.influence_path_of(name, constraint.name)
            if path in driven or not switches.overrides(constraint):
                continue
            if getattr(constraint, "subtarget", "") not in controls:
                found.setdefault(path, Setting(path, 0.0, name))
    return sorted(found.values(), key=lambda each: ("ik" not in each.path.lower(), "fk" not in each.path.lower()))


def _led_by(
    armature_object: bpy.types.Object, deforming: list[str], controls: set[str], skeleton: Skeleton
) -> set[str]:
    """Bones that may lead the deforming ones: those above them, and what their constraints look at."""
    found: set[str] = set()
    waiting = list(deforming)
    while waiting:
        name = waiting.pop()
        if name in found or name in controls or name not in skeleton.parents:
            continue
        found.add(name)
        bone = armature_object.pose.bones[name]
        waiting += [each for each in [skeleton.parents[name]] if each is not None]
        for constraint in bone.constraints:
            if getattr(constraint, "target", None) == armature_object:
                waiting.append(getattr(constraint, "subtarget", ""))
            waiting += [
                each.subtarget for each in getattr(constraint, "targets", ()) if each.target == armature_object
            ]
    return found


def _on_deforming_bones(
    armature_object: bpy.types.Object,
    plan: ControlPlan,
    behind: list[str],
    shown: Mapping[str, str],
    view_layer: bpy.types.ViewLayer,
) -> ControlPlan:
    """The plan that keys the deforming bones where more of them follow so; else the first plan with a sentence."""
    from ..rig.search import map_of_deforming_bones

    direct = map_of_deforming_bones(armature_object)
    if direct is not None:
        other = known_plan(armature_object, direct)
        with applied(armature_object, other.all_settings):
            dead = _unmoved(armature_object, direct, view_layer)
        if len(dead) < len(behind):
            note = (
                f"Nothing makes the deforming bones follow the controls of {plan.bone_map.family}; they are "
                "turned themselves."
            )
            return ControlPlan(direct, other.settings, other.freed, (note,))
    names = ", ".join(shown[name] for name in behind[:4])
    note = f"The deforming bones {names} do not follow the bones that are keyed, and nothing was found to switch."
    return ControlPlan(plan.bone_map, plan.settings, plan.freed, (*plan.notes, note))


def _unmoved(armature_object: bpy.types.Object, bone_map: BoneMap, view_layer: bpy.types.ViewLayer) -> list[str]:
    """Bones of the arms that do not turn when they are turned."""
    names = tuple(shown_bones(bone_map.slots, read_skeleton(armature_object), {}))
    turn = quat.from_axis_angle(quat.normalize(np.array([[1.0, 0.0, 1.0]])), np.array([_TURN]))[0]
    with kept_pose(armature_object, names):
        for name in names:
            set_rotation(armature_object.pose.bones[name], quat.identity())
        before = _ways(armature_object, set(names), view_layer)
        for name in names:
            set_rotation(armature_object.pose.bones[name], turn)
        after = _ways(armature_object, set(names), view_layer)
    view_layer.update()
    return [name for name in names if float(before[name] @ after[name]) > np.cos(0.1)]
