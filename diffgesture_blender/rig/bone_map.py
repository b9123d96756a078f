# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bone of an armature is the left forearm: the bone map, how to get it, change it and keep it.

For panels, operators and scripts::

    bone_map = find_bone_map(rig)               # DiffGestureError, in words, if there are no arms to be found
    bone_map.family                             # "Mixamo"; CUSTOM for a changed map; SHAPE_ONLY without names
    bone_map.source                             # "names", "vrm", "shape" or "custom"
    bone_map.slots["forearm.L"]                 # ("lForearmBend", "lForearmTwist"), from root to tip
    bone_map.missing                            # slots of SLOTS that the rig does not fill
    bone_map.score                              # share of SLOTS that is filled, 0 to 1
    bone_map.problems                           # sentences: what is doubtful or wrong; () for a sound map
    bone_map.notes                              # sentences: what was done that is worth knowing

    changed = change_bone_map(bone_map, rig, {"hand.L": "wrist_l", "neck": ()})   # DiffGestureError if impossible
    store_bone_map(rig, changed)                # kept with the object; find_bone_map returns it from now on
    forget_bone_map(rig)                        # back to what is found

    save_bone_map(path, changed, "Studio rig")  # a file like those in rigs/
    load_bone_map(path, rig)                    # such a file's map of this armature; DiffGestureError if unfit
    family_names()                              # every known family
    bone_map_of_family(rig, "Mixamo")           # the map that one family gives; DiffGestureError if it gives none

Slots are SLOTS (keyed, in the order for a list), SPARE_SLOTS (twist bones beside the arm) and the reference slots
``pelvis``, ``thigh.L``, ``foot.L``, ``toe.L``, ``thumb_tip.L`` ... that only tell where the body is. ``.L`` is the
character's own left. ``retarget(rig, motion, bone_map)`` takes a map; without one it calls find_bone_map.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import DiffGestureError
from ..reading import parse_json, understood
from ..writing import write_file
from .families import (
    SIDES,
    RigFamily,
    family_from_data,
    load_families,
    read_family,
)
from .search import checked_map, match_families, search_bone_map
from .slots import CUSTOM, BoneMap

if TYPE_CHECKING:
    import bpy

# Custom property of the armature object that keeps a changed map.
STORED_MAP: Final = "diffgesture_bone_map"
# Custom property of a scene that keeps those of library overrides, by the object's name.
STORED_MAPS: Final = "diffgesture_bone_maps"
_MAX_STORED: Final = 4 << 20


def find_bone_map(armature_object: bpy.types.Object) -> BoneMap:
    """The stored map of an armature, else the best one found. DiffGestureError if no arms can be told."""
    stored = _stored_data(armature_object)
    if stored is not None:
        return _from_data(stored, armature_object, f"the map stored with {armature_object.name}")
    return search_bone_map(_armature(armature_object))


def bone_map_of_family(armature_object: bpy.types.Object, family: str) -> BoneMap:
    """The map that one known family gives. DiffGestureError if the armature has not the names of its arms."""
    chosen = [each for each in load_families() if each.name == family]
    if not chosen:
        raise DiffGestureError(f"There is no rig family {family}; choose one of {', '.join(family_names())}.")
    return _match(chosen, armature_object, family)


def family_names() -> tuple[str, ...]:
    """Names of all known families, sorted."""
    return tuple(sorted({family.name for family in load_families()}))


def change_bone_map(
    bone_map: BoneMap, armature_object: bpy.types.Object, changes: Mapping[str, str | tuple[str, ...]]
) -> BoneMap:
    """The map with other bones in some slots (an empty value empties a slot), checked anew.

    DiffGestureError for an unknown slot or bone, a bone used twice, or arms that are no longer whole.
    """
    names = {slot: (value,) if isinstance(value, str) else tuple(value) for slot, value in changes.items()}
    slots = {**bone_map.slots, **{slot: tuple(filter(None, value)) for slot, value in names.items()}}
    return checked_map(replace(bone_map, family=CUSTOM, source="custom", slots=slots), _armature(armature_object))


def store_bone_map(armature_object: bpy.types.Object, bone_map: BoneMap) -> None:
    """Keep the map with the armature object: ``find_bone_map`` returns it until it is forgotten."""
    text = json.dumps(map_to_data(bone_map), ensure_ascii=False)
    scenes = _scenes_for(armature_object)
    if not scenes:
        armature_object[STORED_MAP] = text
    for scene in scenes:
        scene[STORED_MAPS] = {**_maps_of(scene), armature_object.name: text}


def forget_bone_map(armature_object: bpy.types.Object) -> None:
    """Throw a stored map away."""
    for scene in _scenes_for(armature_object):
        maps = _maps_of(scene)
        if maps.pop(armature_object.name, None) is not None:
            scene[STORED_MAPS] = maps
    if STORED_MAP in armature_object:
        del armature_object[STORED_MAP]


def has_stored_map(armature_object: bpy.types.Object) -> bool:
    """Whether ``find_bone_map`` will return a stored map."""
    return _stored_text(armature_object) is not None


def _scenes_for(armature_object: bpy.types.Object) -> list[bpy.types.Scene]:
    """Scenes that keep the map of a library override: its own new properties are lost when the file is saved."""
    if getattr(armature_object, "override_library", None) is None:
        return []
    return [scene for scene in armature_object.users_scene if scene.library is None]


def _maps_of(scene: bpy.types.Scene) -> dict[str, str]:
    maps = scene.get(STORED_MAPS)
    return dict(maps.to_dict()) if hasattr(maps, "to_dict") else {}


def _stored_text(armature_object: bpy.types.Object) -> str | None:
    found = [_maps_of(scene).get(armature_object.name) for scene in _scenes_for(armature_object)]
    text = next((each for each in found if isinstance(each, str)), armature_object.get(STORED_MAP))
    return text if isinstance(text, str) else None


def save_bone_map(path: str | Path, bone_map: BoneMap, name: str | None = None) -> None:
    """Write the map as a file of the form of rigs/*.json. DiffGestureError if the file cannot be written."""
    data = map_to_data(bone_map)
    data["family"] = name or bone_map.family
    write_file(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def load_bone_map(path: str | Path, armature_object: bpy.types.Object) -> BoneMap:
    """The map that a file (a preset or one of rigs/*.json) gives for this armature. DiffGestureError if unfit."""
    family = read_family(Path(path))
    return _match([family], armature_object, f"the file {Path(path).name}", exact=True)


def map_to_data(bone_map: BoneMap) -> dict[str, Any]:
    """The map in the form of rigs/*.json, with the armature's own names."""
    deform = bone_map.deform
    return {
        "family": bone_map.family,
        "sides": list(SIDES),
        "bones": {slot: list(names) for slot, names in bone_map.slots.items() if names},
        "switches": [vars(switch) for switch in bone_map.switches],
        "deform": {"prefix": deform.prefix, "remove": deform.remove, "names": dict(deform.names)},
        "weights": {slot: list(weights) for slot, weights in bone_map.weights.items()},
    }


def _stored_data(armature_object: bpy.types.Object | None) -> dict[str, Any] | None:
    if armature_object is None:
        return None
    text = _stored_text(armature_object)
    if text is None:
        return None
    told = f"The bone map stored with {armature_object.name} is damaged; forget it and let it be found again"
    return parse_json(text[:_MAX_STORED], told)


def _from_data(data: Mapping[str, Any], armature_object: bpy.types.Object, origin: str) -> BoneMap:
    with understood(f"For {origin}", hint=" Forget it and let it be found again."):
        family = family_from_data(data)
    return replace(_match([family], armature_object, origin, exact=True), source="custom")


def _match(
    families: list[RigFamily], armature_object: bpy.types.Object, origin: str, *, exact: bool = False
) -> BoneMap:
    found = match_families(_armature(armature_object), families, exact=exact)
    if found is None:
        raise DiffGestureError(
            f"The bones that {origin} names for the arms are not in the armature {armature_object.name}; "
            "choose another map or let it be found."
        )
    return found


def _armature(armature_object: bpy.types.Object | None) -> bpy.types.Object:
    if armature_object is None or armature_object.type != "ARMATURE":
        raise DiffGestureError("Choose an armature: gestures can only be put on the bones of an armature.")
    return armature_object
