# SPDX-License-Identifier: GPL-3.0-or-later
"""Control rigs in the manner of several makers, built small: FK and IK chains, bones that follow and that deform.

The arms of every one are in IK. What makes them follow FK is a property somewhere, read by drivers of constraints.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import bpy
import rig_builders
from mathutils import Vector


@dataclass(frozen=True)
class Style:
    """Patterns of names: ``{n}`` the part (upper arm, forearm, hand as ``parts``), ``{s}`` the side's letter.

    ``switch``: bone (empty: the object), property with ``{S}`` for the side's word, and its value for FK.
    ``follow``: the bones between controls and deforming bones; empty where the deforming bones follow themselves.
    """

    family: str | None
    parts: tuple[str, str, str]
    fk: str
    ik: str
    follow: str
    deform: str
    switch: tuple[str, str, float]
    sides: tuple[str, str] = ("L", "R")
    renamed: tuple[tuple[str, str], ...] = ()


_CAPITAL = ("Upperarm", "Forearm", "Hand")
_PLAIN = ("upper_arm", "forearm", "hand")
STYLES = {
    "cloudrig": Style(
        "CloudRig", _CAPITAL, "FK-{n}.{s}", "IK-{n}.{s}", "ORG-{n}.{s}", "DEF-{n}.{s}",
        ("Properties_IKFK", "ik_{S}_upperarm", 0.0), ("left", "right"),
        (("head", "FK-Head"), ("neck", "FK-Neck"), ("spine.003", "FK-Chest"), ("spine.002", "FK-RibCage"),
         ("spine.001", "FK-Spine"), ("spine", "MSTR-Pelvis")),
    ),
    "blenrig": Style(
        "BlenRig", ("arm", "forearm", "hand"), "{n}_fk_{s}", "{n}_ik_{s}", "{n}_mstr_{s}", "{n}_def_{s}",
        ("properties_arm_{S}", "ik_arm_{S}", 1.0), ("L", "R"),
        (("head", "head_fk"), ("neck", "neck_1_fk"), ("spine.003", "spine_3_fk"), ("spine.002", "spine_2_fk"),
         ("spine.001", "spine_1_fk"), ("spine", "master_torso")),
    ),
    "mhx": Style(
        "MHX", _PLAIN, "{n}.fk.{s}", "{n}.ik.{s}", "{n}.{s}", "DEF-{n}.{s}", ("", "MhaArmIk_{S}", 0.0), ("L", "R"),
        (("spine.001", "spine-1"), ("spine.002", "chest"), ("spine.003", "chest-1"), ("spine", "hips")),
    ),
    "studio": Style(
        None, _PLAIN, "{n}_fk_ctl.{s}", "{n}_ik_ctl.{s}", "{n}_blend.{s}", "DEF-{n}.{s}",
        ("spine", "handMode_{S}", 1.0), ("l", "r"),
    ),
}  # fmt: skip


def build_control_rig(style: Style, *, switches: str = "driven", mesh: bool = True) -> bpy.types.Object:
    """A human with such arms, in IK. ``switches``: ``driven``, ``free`` influences, or a constant (``locked``)."""
    names = dict(style.renamed)
    pattern = re.compile(r"(upper_arm|forearm|hand)\.([LR])$")
    layers = [style.fk, style.ik, *([style.follow] if style.follow else [])]

    def named(template: str, part: str, side: str) -> str:
        return template.format(n=style.parts[_PLAIN.index(part)], s=side)

    bones: list[dict] = []
    for bone in rig_builders.human_bones(30):
        match, above = pattern.match(bone["name"]), pattern.match(bone["parent"] or "")
        parent = names.get(bone["parent"], bone["parent"])
        if match is None:
            if above is not None:
                parent = named(style.follow or style.deform, *above.groups())
            bones.append({**bone, "name": names.get(bone["name"], bone["name"]), "parent": parent})
            continue
        for layer in layers:
            own = named(layer, *above.groups()) if above is not None else parent
            bones.append({**bone, "name": named(layer, *match.groups()), "parent": own})
        own = named(style.follow, *match.groups()) if style.follow else parent
        bones.append({**bone, "name": named(style.deform, *match.groups()), "parent": own})
    holders = {style.switch[0].format(S=side) for side in style.sides} - {""}
    at = Vector((0, 1, 0))
    present = {bone["name"] for bone in bones}
    bones += [{"name": n, "parent": None, "head": at, "tail": at + Vector((0, 0, 0.1))} for n in holders - present]
    rig = rig_builders.build_armature(bones, "Rig")
    for side, word in zip("LR", style.sides, strict=True):
        _tie(rig, style, side, word, named, switches)
    if mesh:
        _skin(rig, {named(style.deform, part, side) for part in _PLAIN for side in "LR"} | {"head", "FK-Head"})
    bpy.context.view_layer.update()
    return rig


def _tie(rig: bpy.types.Object, style: Style, side: str, word: str, named: object, switches: str) -> None:
    """Constraints of one arm's follow bones on FK and IK, and what decides between them."""
    bone, prop, fk_value = (style.switch[0].format(S=word), style.switch[1].format(S=word), style.switch[2])
    owner = rig.pose.bones[bone] if bone else rig
    owner[prop] = 1.0 - fk_value
    path = f'pose.bones["{bone}"]["{prop}"]' if bone else f'["{prop}"]'
    for part in _PLAIN:
        follower = rig.pose.bones[named(style.follow or style.deform, part, side)]
        for layer, on_ik in ((style.fk, False), (style.ik, True)):
            constraint = follower.constraints.new("COPY_TRANSFORMS")
            constraint.target, constraint.subtarget = rig, named(layer, part, side)
            if switches == "free":
                constraint.influence = 1.0
                continue
            driver = constraint.driver_add("influence").driver
            if switches == "locked":
                driver.expression = "1.0" if on_ik else "0.0"
                continue
            variable = driver.variables.new()
            variable.name, variable.targets[0].id, variable.targets[0].data_path = "v", rig, path
            driver.expression = "v" if on_ik == (fk_value == 0.0) else "1 - v"


def _skin(rig: bpy.types.Object, groups: set[str]) -> None:
    """A mesh that the given bones deform."""
    mesh = bpy.data.meshes.new("Body")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 0, 1)], [], [(0, 1, 2)])
    body = bpy.data.objects.new("Body", mesh)
    bpy.context.scene.collection.objects.link(body)
    body.modifiers.new("Armature", "ARMATURE").object = rig
    for name in groups:
        if name in rig.data.bones:
            body.vertex_groups.new(name=name).add([0, 1, 2], 1.0, "REPLACE")
