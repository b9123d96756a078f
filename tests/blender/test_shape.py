# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons whose names say nothing: arms, hands and fingers are told from all that hangs beside them."""

from __future__ import annotations

import random

import numpy as np
import pytest

pytest.importorskip("bpy")
pytest.importorskip("hypothesis")

from family_names import FAMILIES, FINGERS
from family_skeletons import REST_POSES, family_skeleton
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mathutils import Vector
from oddities import ODDITIES

from diffgesture_blender.rig.search import NotAPerson, map_of_skeleton
from diffgesture_blender.rig.skeleton import Skeleton

WHOLE = sorted(key for key, names in FAMILIES.items() if len(names.fingers) == 5)
PARTS = ("upper_arm", "forearm", "hand", *FINGERS)

some = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def skeleton_of(bones: list[dict]) -> Skeleton:
    return Skeleton(
        parents={bone["name"]: bone["parent"] for bone in bones},
        heads={bone["name"]: np.array(bone["head"], dtype=float) for bone in bones},
        tails={bone["name"]: np.array(bone["tail"], dtype=float) for bone in bones},
    )


def erased(bones: list[dict], dice: random.Random) -> tuple[list[dict], dict[str, str]]:
    """The bones in another order, called j100, j101 ...; and the new name of each."""
    numbers = list(range(100, 100 + len(bones)))
    dice.shuffle(numbers)
    names = {bone["name"]: f"j{number}" for bone, number in zip(bones, numbers, strict=True)}
    anew = [{**b, "name": names[b["name"]], "parent": names.get(b["parent"])} for b in bones]
    dice.shuffle(anew)
    return anew, names


@some
@given(
    st.sampled_from(WHOLE),
    st.sampled_from(sorted(REST_POSES)),
    st.sets(st.sampled_from(sorted(ODDITIES)), min_size=1, max_size=3),
    st.integers(0, 2**20),
)
def test_arms_and_hands_are_found_beside_whatever_else_there_is(
    key: str, pose: str, oddities: set[str], seed: int
) -> None:
    dice = random.Random(seed)
    body = family_skeleton(key, pose)
    bones = [dict(bone) for bone in body.bones]
    for name in sorted(oddities):
        ODDITIES[name](bones, body, dice)
    bones, names = erased(bones, dice)
    bone_map = map_of_skeleton(skeleton_of(bones), "Rig")
    assert bone_map.source == "shape"
    for part in PARTS:
        if part == "thumb" and key == "genea":  # named with a bone before its three
            continue
        for slot in (f"{part}.L", f"{part}.R"):
            found, wanted = bone_map.slots.get(slot, ()), tuple(names[name] for name in body.slots[slot])
            assert found[: len(wanted)] == wanted or (part in PARTS[:2] and found[0] == wanted[0]), slot
    assert bone_map.slots["head"] == (names[body.slots["head"][0]],)


@some
@given(st.sampled_from(WHOLE), st.integers(0, 2**20))
def test_sides_come_from_names_that_agree(key: str, seed: int) -> None:
    """Left and Right in otherwise unknown names decide, though a heel and the thumbs say the opposite."""
    dice = random.Random(seed)
    body = family_skeleton(key, "T")
    bones = [dict(bone) for bone in body.bones]
    ODDITIES["heels"](bones, body, dice)
    bones, names = erased(bones, dice)
    words = {
        names[bone]: side
        for side in "LR"
        for slot in body.slots
        if slot.endswith(f".{side}")
        for bone in body.slots[slot]
    }
    # The body is built the wrong way round: what is called left lies on its right.
    told = {
        name: f"{'Right' if words[name] == 'L' else 'Left'}{name}" if name in words else name
        for name in names.values()
    }
    bones = [{**b, "name": told[b["name"]], "parent": told.get(b["parent"])} for b in bones]
    slots = map_of_skeleton(skeleton_of(bones), "Rig").slots
    assert slots["upper_arm.L"][0].startswith("Left")
    assert slots["hand.R"][0].startswith("Right")


def _animal(dice: random.Random, legs: int, *, tail: int, neck: int, toes: int) -> list[dict]:
    """A trunk along y with pairs of legs below it, a neck and head in front, a tail behind."""
    bones: list[dict] = []
    length = dice.uniform(0.5, 1.2)
    height = dice.uniform(0.4, 1.2)

    def chain(name: str, parent: str | None, points: list[Vector]) -> str | None:
        for index, point in enumerate(points):
            bones.append(
                {"name": f"{name}{index}", "parent": parent, "head": point, "tail": point + Vector((0, 0, 0.02))}
            )
            parent = f"{name}{index}"
        return parent

    spine = [Vector((0, -length * i / 4, height + 0.02 * i)) for i in range(5)]
    chain("back", None, spine)
    rise = Vector((0, -0.15, dice.uniform(0.05, 0.3)))
    chain("neck", "back4", [spine[4] + rise * (i + 1) * 0.6 for i in range(neck)])
    chain("rear", "back0", [spine[0] + Vector((0, 0.12 * (i + 1), 0.0)) for i in range(tail)])
    for pair in range(legs):
        at = round(4 * pair / max(legs - 1, 1))
        for side, sign in (("L", 1.0), ("R", -1.0)):
            x = sign * dice.uniform(0.1, 0.12) if legs == 2 else sign * 0.12
            hip = spine[at] + Vector((x, 0, -0.02))
            spread = 0.0 if legs == 2 else sign * 0.5
            bend = 0.1 * height
            points = [
                hip,
                hip + Vector((0.5 * spread, bend, -0.4 * height)),
                hip + Vector((spread, -bend, -0.8 * height)),
                *(hip + Vector((spread, -bend - 0.05 * (i + 1), -0.95 * height)) for i in range(toes)),
            ]
            chain(f"leg{pair}{side}", f"back{at}", points)
    return bones


@some
@given(st.sampled_from([2, 3, 4]), st.integers(0, 6), st.integers(1, 4), st.integers(1, 2), st.integers(0, 2**20))
def test_animals_are_refused_with_their_limbs_to_use_anyway(
    legs: int, tail: int, neck: int, toes: int, seed: int
) -> None:
    dice = random.Random(seed)
    bones, _ = erased(_animal(dice, legs, tail=tail, neck=neck, toes=toes), dice)
    with pytest.raises(Exception, match=r"Armature|armature") as caught:
        map_of_skeleton(skeleton_of(bones), "Beast")
    if isinstance(caught.value, NotAPerson):
        assert caught.value.bone_map.slots
        assert "--bone-map" in str(caught.value)
