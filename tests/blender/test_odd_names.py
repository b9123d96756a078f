# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of no family: fingers counted from zero, by letters or not at all; sides grown together; quotes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("bpy")

from family_names import FINGERS
from family_skeletons import family_skeleton

from diffgesture_blender.rig.search import map_of_skeleton
from diffgesture_blender.rig.skeleton import Skeleton

_ORDER = ("clavicle", "upper_arm", "forearm", "hand", "thigh", "shin", "foot", "toe")


@dataclass(frozen=True)
class Naming:
    """Names of pelvis, two spine bones, neck and head; of the limbs in ``_ORDER``; of a finger's bones 0 to 2."""

    centre: tuple[str, str, str, str, str]
    limbs: tuple[str, ...]
    finger: Callable[[str, int], str]
    sides: tuple[str, str] = ("Left", "Right")


def _limbs(pattern: str, *words: str) -> tuple[str, ...]:
    return tuple(pattern.replace("{n}", word) for word in words)


_HUMAN = ("Shoulder", "Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot", "ToeBase")
_GAME = ("Clavicle", "UpperArm", "Forearm", "Hand", "Thigh", "Calf", "Foot", "Toe0")
NAMINGS = {
    "letters after numbers": Naming(
        ("Hips_Joint_01", "Spine_Joint_01", "Spine_Joint_02", "Neck_Joint_01", "Head_Joint_01"),
        _limbs("{s}_{n}_Joint_01", "Collar", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Toe"),
        lambda finger, i: f"{{s}}_{finger.title()}_Joint_01{'abc'[i]}",
    ),
    "lower case behind a prefix": Naming(
        ("rig:hips", "rig:spine0", "rig:spine1", "rig:neck", "rig:head"),
        tuple(f"rig:{{s}}{word.lower()}" for word in _HUMAN),
        lambda finger, i: f"rig:{{s}}hand{finger}{i + 1}",
        ("left", "right"),
    ),
    "one letter grown together": Naming(
        ("bn_hips", "bn_spine0", "bn_spine1", "bn_neck", "bn_head"),
        tuple(f"bn_{{s}}{word.lower()}" for word in (*_GAME[:7], "toe")),
        lambda finger, i: f"bn_{{s}}{finger}{'abc'[i]}",
        ("l", "r"),
    ),
    "letters for numbers": Naming(
        ("pelvis", "spineA", "spineB", "neckA", "head"),
        _limbs("{n}_{s}", "clavicle", "upperArm", "lowerArm", "hand", "thigh", "shin", "foot", "toe"),
        lambda finger, i: f"{finger}_{'ABC'[i]}_{{s}}",
        ("L", "R"),
    ),
    "fingers by two numbers from zero": Naming(
        ("Pelvis", "Spine0", "Spine1", "Neck0", "Head"),
        _limbs("{s}_{n}", *_GAME),
        lambda finger, i: f"{{s}}_Finger{FINGERS.index(finger)}{i}",
        ("L", "R"),
    ),
    "quotes": Naming(
        ('"Hips"', '"Spine"', '"Spine 1"', "'Neck'", '"Head"'),
        _limbs('"{s} {n}"', *_HUMAN),
        lambda finger, i: f'"{{s}} Hand {finger.title()} {i + 1}"',
    ),
    "first phalanx without a number": Naming(
        ("Hips", "Abdomen", "Torso", "Neck", "Head"),
        _limbs("{n}.{s}", "Shoulder", "UpperArm", "LowerArm", "Palm", "UpperLeg", "LowerLeg", "Foot", "Toe"),
        lambda finger, i: f"{finger.title()}{i + 1 if i else ''}.{{s}}",
        ("L", "R"),
    ),
    "fingers from zero": Naming(
        ("hip", "spine0", "spine1", "neck", "head"),
        _limbs("{s}{n}", "Collar", "UpArm", "LoArm", "Hand", "UpLeg", "LoLeg", "Foot", "Toe"),
        lambda finger, i: f"{{s}}{finger.title()}{i}",
    ),
    "prefix, and fingers from zero with a separator": Naming(
        ("bip_pelvis", "bip_spine_0", "bip_spine_1", "bip_neck", "bip_head"),
        _limbs("bip_{n}_{s}", "collar", "upperArm", "lowerArm", "hand", "hip", "knee", "foot", "toe"),
        lambda finger, i: f"bip_{finger}_{i}_{{s}}",
        ("L", "R"),
    ),
    "arms from zero": Naming(
        ("cf_j_hips", "cf_j_spine01", "cf_j_spine02", "cf_j_neck", "cf_j_head"),
        _limbs("cf_j_{n}_{s}", "shoulder", "arm00", "forearm01", "hand", "thigh00", "leg01", "foot", "toes"),
        lambda finger, i: f"cf_j_{finger}0{i + 1}_{{s}}",
        ("L", "R"),
    ),
}


@pytest.mark.parametrize("key", sorted(NAMINGS))
def test_every_bone_is_found_by_its_name(key: str) -> None:
    naming, body = NAMINGS[key], family_skeleton("cats", "T")
    chains = (body.slots["pelvis"], body.slots["spine"], body.slots["neck"], body.slots["head"])
    names = dict(zip((name for chain in chains for name in chain), naming.centre, strict=True))
    for side, word, theirs in zip("LR", naming.sides, body.names.sides, strict=True):
        arm = [body.slots[f"{part}.{side}"][0] for part in _ORDER[:4]]
        limbs = [*arm, *(leg.replace("{s}", theirs) for leg in body.names.legs)]
        names.update((bone, name.replace("{s}", word)) for bone, name in zip(limbs, naming.limbs, strict=True))
        for finger in FINGERS:
            for index, bone in enumerate(body.slots[f"{finger}.{side}"]):
                names[bone] = naming.finger(finger, index).replace("{s}", word)
    bones = [{**b, "name": names.get(b["name"], b["name"]), "parent": names.get(b["parent"])} for b in body.bones]
    skeleton = Skeleton(
        parents={bone["name"]: bone["parent"] for bone in bones},
        heads={bone["name"]: np.array(bone["head"], dtype=float) for bone in bones},
        tails={bone["name"]: np.array(bone["tail"], dtype=float) for bone in bones},
    )
    found = map_of_skeleton(skeleton, "Rig")
    assert (found.source, found.problems, found.notes) == ("names", (), ())
    for slot, its in body.slots.items():
        assert found.slots[slot] == tuple(names[name] for name in its), slot
