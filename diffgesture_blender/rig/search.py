# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for a bone map: every family of names is tried, then the shape alone; geometry has the last word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..errors import DiffGestureError
from .checks import doubts, swap_sides, wrong_sides
from .completion import SAME_PLACE, completed, leg_roots, without_leg_carriers
from .creature import not_a_person
from .families import ALL_SLOTS, FINGERS, KEYED_SLOTS, SIDES, SPARE_SLOTS, RigFamily, load_families
from .hand_shape import from_knuckle
from .names import NameIndex, canonical_name, index_names
from .shape import map_by_shape
from .shown import deforming_part, severed, shown_bones
from .skeleton import Skeleton, read_skeleton
from .slots import SHAPE_ONLY, BoneMap
from .twist import with_twist_bones
from .vrm import humanoid_slots

if TYPE_CHECKING:
    import bpy


class NotAPerson(DiffGestureError):
    """Arms were found, but the skeleton is no person's; ``bone_map`` is the map to use anyway."""

    def __init__(self, name: str, reason: str, bone_map: BoneMap) -> None:
        super().__init__(
            f"The armature {name} does not look like a person: {reason}. If it is to gesture all the same, press "
            "Use Anyway in the bone map panel or give a bone map with --bone-map."
        )
        self.bone_map = bone_map


# Without those of a side no gesture can be shown.
ESSENTIAL: Final = tuple(f"{slot}.{side}" for side in SIDES for slot in ("upper_arm", "forearm"))
_ARMS: Final = tuple((f"upper_arm.{side}", f"forearm.{side}") for side in SIDES)
# A slot and the slots of which the nearest filled one must be among its ancestors.
_BELOW: Final = {
    "neck": ("spine",),
    "head": ("neck", "spine"),
    **{f"upper_arm.{side}": (f"clavicle.{side}", "spine") for side in SIDES},
    **{f"forearm.{side}": (f"upper_arm.{side}",) for side in SIDES},
    **{f"hand.{side}": (f"forearm.{side}",) for side in SIDES},
    **{f"{f}.{side}": (f"hand.{side}",) for side in SIDES for f in ("thumb", "index", "middle", "ring", "pinky")},
}
# Slots whose bone may be held by constraints instead of parents, and those of which a control rig does so.
_LOOSE: Final = ("neck", "head", *(f"upper_arm.{side}" for side in SIDES))
# Slots of which control rigs have one control, not one for FK and one for IK.
_SINGLE_CONTROLS: Final = ("pelvis", "spine", "neck", "head", "clavicle", *FINGERS)
_LOOSE_CONTROLS: Final = (*_LOOSE, *(f"{finger}.{side}" for side in SIDES for finger in FINGERS))


_found: dict[tuple[Any, ...], BoneMap] = {}
_MOST_KEPT: Final = 32


def search_bone_map(armature_object: bpy.types.Object) -> BoneMap:
    """The best map of the armature. DiffGestureError if it has no arms that can be told."""
    if not armature_object.data.bones:
        raise DiffGestureError(f"{armature_object.name} has no bones.")
    skeleton = read_skeleton(armature_object)
    humanoid = humanoid_slots(armature_object)
    if humanoid is not None:
        stated = _from_slots("VRM humanoid", humanoid, skeleton, source="vrm")
        if stated is not None:
            return stated
    return map_of_skeleton(skeleton, armature_object.name)


def map_of_skeleton(skeleton: Skeleton, name: str) -> BoneMap:
    """The best map that names and shape give. DiffGestureError, calling the armature ``name``, without arms.

    The same skeleton is not searched again.
    """
    key = (name, *skeleton.fingerprint)
    if key not in _found:
        while len(_found) >= _MOST_KEPT:
            del _found[next(iter(_found))]
        _found[key] = _of_a_person(_best_map(skeleton, name), skeleton, name)
    return _found[key]


def _of_a_person(bone_map: BoneMap, skeleton: Skeleton, name: str) -> BoneMap:
    """The map, or NotAPerson with it where the skeleton is an animal's or a machine's."""
    reason = not_a_person(skeleton, bone_map.slots, named=bone_map.source != "shape")
    if reason is not None:
        raise NotAPerson(name, reason, bone_map)
    return bone_map


def _best_map(skeleton: Skeleton, name: str) -> BoneMap:
    """Controls where the deforming bones follow them, else the deforming bones themselves."""
    named = _best_of_families(skeleton, load_families())
    if named is None or not _severed(named, skeleton):
        return _named_or_shaped(named, skeleton, name)
    found = _of_deforming_bones(skeleton, name)
    note = f"The deforming bones do not follow the controls of {named.family}; they are turned themselves."
    return replace(found, notes=(*found.notes, note))


def _of_deforming_bones(skeleton: Skeleton, name: str) -> BoneMap:
    """The map of the deforming bones; where they do not hang on each other, of the bones that carry them."""
    plain = [family for family in load_families() if family.priority <= 0]
    for carriers in (False, True):
        part = deforming_part(skeleton, carriers=carriers)
        found = _best_of_families(part, plain)
        if found is not None and all(f"forearm.{side}" in found.slots for side in SIDES):
            return _named_or_shaped(found, part, name)
    return _named_or_shaped(None, deforming_part(skeleton, carriers=True), name)


def map_of_deforming_bones(armature_object: bpy.types.Object) -> BoneMap | None:
    """The map of the deforming bones alone; None where nothing tells them from others, or they show no arms."""
    skeleton = read_skeleton(armature_object)
    if not skeleton.deforming:
        return None
    try:
        return _of_deforming_bones(skeleton, armature_object.name)
    except DiffGestureError:
        return None


def _severed(bone_map: BoneMap, skeleton: Skeleton) -> bool:
    stated = {name: bone_map.deform.bone_for(name) for name in bone_map.keyed_bones}
    return severed(shown_bones(bone_map.slots, skeleton, stated), skeleton)


def _named_or_shaped(named: BoneMap | None, skeleton: Skeleton, name: str) -> BoneMap:
    if named is not None and named.score > 0.85:
        return named
    shape = map_by_shape(skeleton)
    if named is not None:
        return named if shape is None else _filled_by_shape(named, shape.slots, skeleton)
    told = None
    if shape is not None:
        told = _from_slots(SHAPE_ONLY, shape.slots, skeleton, source="shape", problems=shape.problems)
    if told is None:
        raise DiffGestureError(
            f"No upper arms and forearms were found in the armature {name}: its bone names "
            "follow none of the known rig families, and its shape shows no pair of arms. Choose another armature, "
            "or set its bones by hand in the bone map, or rename them, for instance upper_arm.L, forearm.L, "
            "hand.L and the same with .R."
        )
    return told


def match_families(
    armature_object: bpy.types.Object, families: Iterable[RigFamily], *, exact: bool = False
) -> BoneMap | None:
    """The best map that these families give, or None if none names an arm. ``exact``: the named bones alone."""
    return _best_of_families(read_skeleton(armature_object), families, exact=exact)


def checked_map(bone_map: BoneMap, armature_object: bpy.types.Object) -> BoneMap:
    """A map whose slots were set by hand, with score, problems and missing slots of its own. DiffGestureError."""
    skeleton = read_skeleton(armature_object)
    used: dict[str, str] = {}
    for slot, names in bone_map.slots.items():
        if slot not in ALL_SLOTS:
            raise DiffGestureError(f"There is no slot {slot} in a bone map.")
        for name in names:
            if name not in skeleton.parents:
                raise DiffGestureError(f"{armature_object.name} has no bone {name}; choose another for {slot}.")
            if slot in KEYED_SLOTS and used.setdefault(name, slot) != slot:
                raise DiffGestureError(
                    f"The bone {name} is set for {used[name]} and for {slot}; clear one of them."
                )
    for arm in _ARMS:
        lacking = [slot for slot in arm if not bone_map.slots.get(slot)]
        if len(lacking) == 1:
            raise DiffGestureError(
                f"An arm needs both its bones: choose one for {lacking[0]}, or clear the other."
            )
    if not _has_arm(bone_map.slots):
        raise DiffGestureError("An arm needs its bones: choose one for upper_arm and one for forearm of a side.")
    for slot, names in bone_map.slots.items():
        if _in_parent_order(names, skeleton) != names and slot not in SPARE_SLOTS:
            raise DiffGestureError(f"The bones of {slot} must lie below each other, from root to tip.")
    slots = {slot: names for slot, names in bone_map.slots.items() if names}
    return _finished(replace(bone_map, slots=slots, problems=(), notes=()), skeleton)


def _best_of_families(skeleton: Skeleton, families: Iterable[RigFamily], *, exact: bool = False) -> BoneMap | None:
    index = index_names(skeleton.parents)
    best: tuple[tuple[float, ...], BoneMap] | None = None
    for family in families:
        for affix in _affixes(family, index):
            found = _match(family, affix, index, skeleton, exact)
            if found is not None and (best is None or found[0] > best[0]):
                best = found
    return best[1] if best is not None else None


def _parts_of_arm(side: str) -> set[tuple[str, str, str]]:
    parts = ("upper_arm", "forearm", "hand", *FINGERS, *(f"{finger}_tip" for finger in FINGERS))
    return {(part, ".", side) for part in parts}


def _has_arm(slots: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether the bones of at least one arm are there."""
    return any(slots.get(upper) and slots.get(fore) for upper, fore in _ARMS)


def _cores(spellings: Iterable[str]) -> list[str]:
    return [canonical_name(spelling.replace("{side}", " ")) for spelling in spellings]


def _affixes(family: RigFamily, index: NameIndex) -> list[tuple[str, str]]:
    """What may stand before and after every name of the family in this armature (``mixamorig``, ``bip01``)."""
    affixes: set[tuple[str, str]] = {("", "")}
    for arm in _ARMS:
        both: list[set[tuple[str, str]]] = []
        for slot in arm:
            found = set()
            for end in _cores(family.slots.get(slot, [()])[0]):
                for core in index.cores(slot[-1]):
                    before, middle, after = core.rpartition(end)
                    if middle:
                        found.add((before, after))
            both.append(found)
        affixes |= set.intersection(*both)
    return sorted(affixes)


def _match(
    family: RigFamily, affix: tuple[str, str], index: NameIndex, skeleton: Skeleton, exact: bool
) -> tuple[tuple[float, ...], BoneMap] | None:
    """The family's map with these affixes and how good it is; None if an arm is missing."""

    def find(spellings: Sequence[str], side: str, *, bare: bool = False) -> str | None:
        exact = next((spelling for spelling in spellings if spelling in skeleton.parents), None)
        if exact is not None:
            return exact
        cores = [affix[0] + core + affix[1] for core in _cores(spellings)]
        found = next((name for core in cores if (name := index.find(core, side)) is not None), None)
        if found is None and bare and affix != ("", ""):  # a control that has no IK twin has no FK in its name
            plain = (index.find(core, side) for core in _cores(spellings))
            found = next((name for name in plain if name is not None and name not in skeleton.constrained), None)
        return found

    slots: dict[str, tuple[str, ...]] = {}
    if not any(all(any(find(n, slot[-1]) for n in family.slots.get(slot, ())) for slot in arm) for arm in _ARMS):
        return None
    named = hits = 0
    for slot, names in family.slots.items():
        side = slot[-1] if slot[-2:] in (".L", ".R") else ""
        bare = slot.partition(".")[0] in _SINGLE_CONTROLS
        present = [name for spellings in names if (name := find(spellings, side, bare=bare)) is not None]
        named, hits = named + len(names), hits + len(present)
        chain = present if slot in SPARE_SLOTS else _in_parent_order(present, skeleton)
        if chain:
            slots[slot] = tuple(chain)
    marks = sum(find((mark,), "L" if "{side}" in mark else "") is not None for mark in family.marks)
    if family.priority > 0 and family.marks and (not marks or affix[1]):  # another maker's controls
        return None
    bone_map = _from_slots(family.name, slots, skeleton, family=family, exact=exact)
    if bone_map is None:
        return None
    # What the family itself names counts; what the hierarchy added decides between equals.
    filled = sum((slot in slots) + 0.1 * (slot not in slots) for slot in KEYED_SLOTS if slot in bone_map.slots)
    bare = -len(affix[0] + affix[1]) * 1e-3
    # A family that is told by its marks is not this one where all of them are lacking.
    unmarked = 0.5 if family.marks and not marks else 0.0
    # Of bones with the same names but for a prefix, those are meant that nothing else moves; FK goes before IK.
    led = sum(bone_map.slots[slot][0] in skeleton.constrained for slot in ESSENTIAL if slot in bone_map.slots)
    chain = 0.01 * (("fk" in affix[0] + affix[1]) - ("ik" in affix[0] + affix[1]))
    worth = filled - len(bone_map.problems) + min(family.priority, 0) - unmarked - 2.0 * led + chain
    return (max(family.priority, 0), worth, marks, hits / max(named, 1), bare), bone_map


def _from_slots(
    name: str,
    slots: dict[str, tuple[str, ...]],
    skeleton: Skeleton,
    *,
    family: RigFamily | None = None,
    source: str = "names",
    problems: tuple[str, ...] = (),
    exact: bool = False,
) -> BoneMap | None:
    """A map from slots as they were found; those that contradict the hierarchy are left out and named."""
    slots = {slot: names for slot, names in slots.items() if names}
    loose = _LOOSE_CONTROLS if family is not None and family.priority > 0 else _LOOSE
    problems = (*problems, *_drop_misplaced(slots, skeleton, loose))
    if not _has_arm(slots):
        return None
    for side, arm in zip(SIDES, _ARMS, strict=True):
        if not all(slot in slots for slot in arm):  # half an arm is none
            slots = {s: n for s, n in slots.items() if s.partition(".") not in _parts_of_arm(side)}
    if not exact:
        if source == "names":
            slots = completed(slots, skeleton, controls=family is not None and family.priority > 0)
        slots = without_leg_carriers(slots, skeleton, leg_roots(slots, skeleton))
    notes: tuple[str, ...] = ()
    if source != "shape" and wrong_sides(skeleton, slots):
        slots = swap_sides(slots)
        notes = ("The bones named left lie on the character's right; they are used by where they lie.",)
    bone_map = BoneMap(family=name, slots=slots, source=source, problems=problems, notes=notes)
    if family is not None:
        bone_map = replace(
            bone_map,
            switches=tuple(s for s in family.switches if not s.bone or s.bone in skeleton.parents),
            deform=family.deform,
            weights=family.weights,
        )
    return _finished(bone_map, skeleton)


def _finished(bone_map: BoneMap, skeleton: Skeleton) -> BoneMap:
    """Split and spare twist bones found, doubts named, missing slots counted."""
    slots = with_twist_bones(
        {slot: _phalanges(slot, names, skeleton, bone_map) for slot, names in bone_map.slots.items()}, skeleton
    )
    missing = tuple(slot for slot in KEYED_SLOTS if slot not in slots)
    return replace(
        bone_map,
        slots=slots,
        missing=missing,
        score=1.0 - len(missing) / len(KEYED_SLOTS),
        problems=(*bone_map.problems, *doubts(skeleton, slots)),
    )


def _phalanges(slot: str, names: tuple[str, ...], skeleton: Skeleton, bone_map: BoneMap) -> tuple[str, ...]:
    """The bones of a slot; of a finger that was named with its metacarpal only the three phalanges."""
    finger, _, side = slot.partition(".")
    hand = bone_map.bone(f"hand.{side}")
    if finger not in FINGERS or hand is None or len(names) <= 3:
        return names
    if finger == "thumb":
        return names[:3]
    return tuple(from_knuckle(list(names), skeleton.heads[hand], skeleton)[:3])


def _drop_misplaced(slots: dict[str, tuple[str, ...]], skeleton: Skeleton, loose: tuple[str, ...]) -> list[str]:
    """Take slots out whose bone is not below the bone it must be below; sentences about them."""
    problems = []
    for slot, above in _BELOW.items():
        upper = next((each for each in above if each in slots), None)
        if slot not in slots or upper is None or skeleton.is_below(slots[slot][0], slots[upper][0]):
            continue
        if upper.startswith("hand.") and _beside(slots[slot][0], slots[upper][0], skeleton):
            continue
        if slot in loose:
            continue
        problems.append(f"{slots[slot][0]} ({slot}) is not below {slots[upper][0]} ({upper}); it was left out.")
        del slots[slot]
    return problems


def _beside(finger: str, hand: str, skeleton: Skeleton) -> bool:
    """Whether a finger hangs on a bone in the hand's place, or beside it: control rigs, hands of several palms."""
    above = skeleton.parents[hand]
    if any(skeleton.is_below(finger, twin) for twin in skeleton.near(hand, SAME_PLACE * skeleton.size)):
        return True
    near = above is not None and skeleton.is_below(finger, above)
    return near and skeleton.distance(finger, hand) < skeleton.distance(str(above), hand)


def _in_parent_order(names: Iterable[str], skeleton: Skeleton) -> tuple[str, ...]:
    """The bones of a chain that really lie below each other."""
    chain: list[str] = []
    for name in sorted(names, key=lambda each: len(skeleton.ancestors(each))):
        if name not in chain and (not chain or skeleton.is_below(name, chain[-1])):
            chain.append(name)
    return tuple(chain)


def _filled_by_shape(named: BoneMap, shape: dict[str, tuple[str, ...]], skeleton: Skeleton) -> BoneMap:
    """A partial map of names with what the shape adds, where both agree about the arms; a note says so."""
    if any(slot in named.slots and named.slots[slot][0] != shape.get(slot, ("",))[0] for slot in ESSENTIAL):
        return named
    used = set(named.keyed_bones)
    added = {
        slot: names
        for slot, names in shape.items()
        if slot in named.missing and not used & set(names) and not (slot == "neck" and "head" in named.slots)
    }
    if not added:
        return named
    note = f"Found by shape, not by name; check them: {', '.join(sorted(added))}."
    slots = {**named.slots, **added}
    return _finished(replace(named, slots=slots, problems=(), notes=(*named.notes, note)), skeleton)
