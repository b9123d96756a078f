# SPDX-License-Identifier: GPL-3.0-or-later
"""Regenerate a part of an animation and keep the rest: what is kept goes to the model as constraints.

Two ways to say what is kept: everything outside of a range of frames, or the poses at some frames. Either way the
result is a copy of the action with new keys in between; the action itself stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np

from .. import compat
from ..animation import keyframes
from ..animation.key_writing import KeyOptions
from ..animation.layers import own_strips, plays_own_frames, push_layers
from ..animation.splice import JOIN_SECONDS, Span, splice
from ..errors import DiffGestureError
from ..motion import Motion
from ..retarget import find_bone_map
from ..retarget.apply import RetargetReport, check_writable, ik_controls, local_rotations, plan_controls
from ..retarget.look import look_at_result
from ..retarget.present_pose import model_skeleton, sample_directions
from ..rig.slots import BoneMap
from ..settings.of_character import settings_of
from ..state import character
from ..timing import frame_rate

# Seconds on each side of a range that the model is shown; it looks no further than one window.
CONTEXT_SECONDS: Final = 3.0
_SAME_FRAME: Final = 1e-3


@dataclass(frozen=True)
class Plan:
    """What to regenerate: scene frames ``start`` to ``end``, or everything but the poses at ``keep``."""

    start: float | None = None
    end: float | None = None
    keep: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.keep and (self.start is None or self.end is None or self.end <= self.start):
            raise DiffGestureError("The range to regenerate is empty; its end must be later than its start.")

    @property
    def label(self) -> str:
        """For the new action's name."""
        if self.keep:
            return "between poses" if len(self.keep) > 1 else "around a pose"
        return f"frames {self.start:g} to {self.end:g}"

    def known_frames(self, frame_start: float, step: float, model_fps: float) -> list[tuple[int, float]]:
        """(model frame, scene frame at which to look at the pose) of all that is kept and worth showing."""
        if self.keep:
            indices = {round((frame - frame_start) / step): frame for frame in self.keep}
            return sorted((index, frame) for index, frame in indices.items() if index >= 0)
        assert self.start is not None
        assert self.end is not None
        reach = round(CONTEXT_SECONDS * model_fps)
        last = int(np.floor((self.start - frame_start) / step + _SAME_FRAME))
        first = int(np.ceil((self.end - frame_start) / step - _SAME_FRAME))
        indices = [*range(max(0, last - reach), last + 1), *range(max(0, first), first + reach)]
        return [(index, frame_start + index * step) for index in indices]

    def spans(self, first: float, last: float) -> list[Span]:
        """The spans of a motion from scene frame ``first`` to ``last`` that get new keys."""
        if not self.keep:
            assert self.start is not None
            assert self.end is not None
            if self.start >= last or self.end <= first:
                raise DiffGestureError(
                    f"The range {self.start:g} to {self.end:g} lies outside of the speech, which is heard from "
                    f"frame {first:g} to {last:g}."
                )
            joins = (self.start > first - _SAME_FRAME, self.end < last + _SAME_FRAME)
            return [Span(max(self.start, first), min(self.end, last), *joins)]
        joints = sorted(frame for frame in self.keep if first <= frame <= last)
        if not joints:
            raise DiffGestureError(f"No pose to keep lies in the speech, frames {first:g} to {last:g}.")
        ends = [first, *joints, last]
        spans = [
            Span(start, end, joins_start=number > 0, joins_end=number < len(joints))
            for number, (start, end) in enumerate(pairwise(ends))
        ]
        return [span for span in spans if span.end - span.start > _SAME_FRAME]


def plan_from_scene(context: bpy.types.Context) -> Plan:
    """What the scene's settings want to be regenerated; DiffGestureError if that is nothing."""
    scene, settings = context.scene, settings_of(context)
    if settings.regenerate == "FRAMES":
        return Plan(settings.regenerate_start, settings.regenerate_end)
    if settings.regenerate == "PREVIEW":
        return Plan(scene.frame_preview_start, scene.frame_preview_end)
    if settings.regenerate == "SCENE":
        return Plan(scene.frame_start, scene.frame_end)
    armature = character.chosen_armature(scene.diffgesture, context)
    keep = selected_key_frames(armature) if armature is not None else ()
    if not keep:
        raise DiffGestureError("Select the keyframes to keep first, in the dope sheet or the timeline.")
    return Plan(keep=keep)


def kept_animation(armature: bpy.types.Object) -> tuple[compat.ActionChoice, bool]:
    """The animation of which a part is kept, and whether it plays as a strip.

    The armature's action; where it has none, the topmost strip of generated gestures. DiffGestureError where there
    is neither, or no part of it can be replaced.
    """
    check_writable(armature)
    choice = compat.current_action(armature)
    if choice.action is None:
        return _kept_strip(armature), True
    if not compat.animates(choice):
        raise DiffGestureError(
            f"No slot of the action {choice.action.name} animates {armature.name}; choose one in the action "
            "editor."
        )
    return choice, False


def _kept_strip(armature: bpy.types.Object) -> compat.ActionChoice:
    strip = next((strip for strip in own_strips(armature) if not strip.mute), None)
    if strip is None:
        raise DiffGestureError(
            f"{armature.name} has no action of which a part could be kept; generate gestures first."
        )
    if strip.blend_type != "REPLACE":
        raise DiffGestureError(
            f"The strip {strip.name} adds to what lies below, so no part of it can be regenerated; generate "
            "all of it with another seed."
        )
    if not plays_own_frames(strip):
        raise DiffGestureError(
            f"The strip {strip.name} was moved or scaled, so no part of it can be regenerated; put it back to "
            "the frames of its action."
        )
    return compat.strip_choice(strip)


def check_keyed_arms(armature: bpy.types.Object, bone_map: BoneMap) -> None:
    """DiffGestureError where the arms follow IK, so that new keys of the arms would have no effect."""
    controls = ik_controls(armature, bone_map)
    if controls:
        raise DiffGestureError(
            f"The arms of {armature.name} follow IK ({', '.join(controls)}), so a part of their animation cannot "
            "be replaced by keys; bake it to FK first, or generate all of it again."
        )


def write_constraints(
    plan: Plan,
    armature: bpy.types.Object,
    scene: bpy.types.Scene,
    frame_start: float,
    card: dict[str, Any],
    folder: Path,
) -> Path:
    """Look at the character's animation and write what the plan keeps as a constraints file."""
    kept_animation(armature)
    try:
        skeleton = model_skeleton(card)
    except (KeyError, ValueError, TypeError) as error:
        raise DiffGestureError("The backend does not tell its skeleton; reinstall the add-on.") from error
    bone_map = find_bone_map(armature)
    check_keyed_arms(armature, bone_map)
    step = frame_rate(scene) / skeleton.fps
    known = plan.known_frames(frame_start, step, skeleton.fps)
    if not known:
        raise DiffGestureError("Nothing of the animation would be kept; use Generate Gestures instead.")
    sampled = sample_directions(armature, bone_map, scene, [frame for _, frame in known], skeleton)
    indices = [index for index, _ in known]
    directions = np.zeros((max(indices) + 1, *sampled.shape[1:]), dtype=np.float32)
    mask = np.zeros(directions.shape[:2], dtype=bool)
    seen = np.asarray(np.isfinite(sampled).all(axis=-1))
    directions[indices], mask[indices] = np.where(seen[..., None], sampled, 0.0), seen
    path = folder / "constraints.npz"
    np.savez(path, directions=directions, mask=mask, fps=np.float64(skeleton.fps), layout=np.str_(skeleton.layout))
    return path


def apply_plan(
    plan: Plan,
    armature: bpy.types.Object,
    motion: Motion,
    scene: bpy.types.Scene,
    frame_start: float,
    action_name: str,
    keys: KeyOptions | None = None,
) -> RetargetReport:
    """A copy of the armature's action with the motion's keys where the plan wants them; it takes its place.

    ``keys``: how many, and whether the copy is an action or a strip above the present one. Raises DiffGestureError
    before anything is changed.
    """
    keys = keys or KeyOptions()
    check_layer(keys)
    old, as_strip = kept_animation(armature)
    bone_map = find_bone_map(armature)
    frames = keyframes.key_frames(motion.num_frames, motion.fps, frame_rate(scene), frame_start)
    spans = plan.spans(float(frames[0]), float(frames[-1]))
    animation = armature.animation_data
    assert old.action is not None
    # Measuring how the rig's controls hang together poses it, which its keys would contradict.
    layers_play = animation.use_nla
    animation.use_nla = False
    compat.assign_action(armature, compat.ActionChoice(None))
    try:
        controls = plan_controls(armature, bone_map, scene)
        bone_map = controls.bone_map
        rotations, warnings = local_rotations(armature, bone_map, motion, scene, plan=controls)
    finally:
        animation.use_nla = layers_play
        compat.assign_action(armature, compat.ActionChoice(None) if as_strip else old)
    new = compat.copy_action(old, action_name)
    try:
        report = splice(armature, old, new, rotations, frames, spans, frame_rate(scene), keys)
    except BaseException:
        bpy.data.actions.remove(new.action)
        raise
    if as_strip:
        push_layers(armature, compat.ActionChoice(None), new, "STRIP", frame_rate(scene))
    elif keys.layer == "STRIP":
        push_layers(armature, old, new, "STRIP", frame_rate(scene))
    else:
        compat.assign_action(armature, new)
    if old.action.library is None:
        old.action.use_fake_user = True
    armature.update_tag()
    join = JOIN_SECONDS * frame_rate(scene)
    within = [(each.start + join * each.joins_start, each.end - join * each.joins_end) for each in spans]
    look = look_at_result(armature, bone_map, motion, scene, frames, fades=as_strip, within=within)
    return RetargetReport(
        action_name=compat.action_of(new).name,
        slot_name=getattr(new.slot, "name_display", None),
        family=bone_map.family,
        bones=tuple(rotations),
        missing=bone_map.missing,
        keys=report,
        frame_start=spans[0].start,
        frame_end=spans[-1].end,
        warnings=(*bone_map.problems, *bone_map.notes, *warnings, *look.sentences),
        look=look,
    )


def check_layer(keys: KeyOptions) -> None:
    """DiffGestureError where keys that replace a part should be added to what they replace."""
    if keys.layer == "ADDITIVE":
        raise DiffGestureError(
            "A part of an animation cannot be replaced by adding to it; write to a new action or an NLA strip."
        )


def selected_key_frames(armature: bpy.types.Object) -> tuple[float, ...]:
    """Scene frames of the keys that are selected in the armature's action."""
    choice = compat.current_action(armature)
    if not compat.animates(choice):
        return ()
    try:
        curves = compat.curves_of(choice)
    except LookupError:
        return ()
    frames: set[float] = set()
    for curve in curves:
        points = curve.keyframe_points
        selected = np.zeros(len(points), dtype=bool)
        points.foreach_get("select_control_point", selected)
        if selected.any():
            coordinates = np.zeros(2 * len(points), dtype=np.float32)
            points.foreach_get("co", coordinates)
            frames |= set(np.round(coordinates[::2][selected].astype(float), 3).tolist())
    return tuple(sorted(frames))
