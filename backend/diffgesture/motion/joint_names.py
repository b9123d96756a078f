# SPDX-License-Identifier: GPL-3.0-or-later
"""Which joint of a skeleton is which part of the body, by name.

A family is a table in the form of ``rigs/*.json``: for each part a list of names, ``{side}`` standing for the
family's words for left and right. Spine and neck list the joints from the hips upwards, as far as a skeleton has
them; fingers list knuckle (thumb: the joint at the wrist), middle and last joint.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import DataError
from ..reading import Either, Items, Named, Table, Text, Whole, read_json, understood

FINGERS: Final = ("index", "middle", "pinky", "ring", "thumb")
SIDES: Final = ("left", "right")
# A family's word for a part to ours: the joint at the upper end of a bone gets the name of that joint.
_ARM: Final = {
    "clavicle": "clavicle",
    "upper_arm": "shoulder",
    "forearm": "elbow",
    "hand": "wrist",
    "thigh": "hip",
}
_REQUIRED: Final = tuple(f"{side}_{joint}" for side in SIDES for joint in ("shoulder", "elbow", "wrist"))

_BACKEND: Final = Path(__file__).resolve().parents[2]
_RIGS: Final = next(
    (path for path in (_BACKEND.parent / "rigs", _BACKEND / "diffgesture" / "rigs") if path.is_dir()),
    _BACKEND.parent / "rigs",
)
"""Of the repository, or of the installed library, which has them as its data."""


@dataclass(frozen=True)
class JointMap:
    """Joint indices of a skeleton: single parts by our names, ``spine`` and ``neck`` from below upwards."""

    family: str
    parts: dict[str, int]
    spine: tuple[int, ...]

    def fingers(self, side: str) -> dict[str, tuple[int, ...]]:
        """The fingers of a side that are complete: finger to its three joints."""
        found = {f: [self.parts.get(f"{side}_{f}{k}") for k in (1, 2, 3)] for f in FINGERS}
        return {f: tuple(j for j in joints if j is not None) for f, joints in found.items() if None not in joints}


def map_joints(names: Sequence[str], place: str, map_file: Path | None = None) -> JointMap:
    """Finds the parts of the body among joint ``names``, with the family that fits best.

    ``map_file`` is a family of the user's own. Raises DataError, naming ``place`` and what is missing.
    """
    families = [_read_family(map_file)] if map_file else _rig_families()
    best: tuple[int, int, int, int, JointMap] | None = None
    for spelling in _spellings(names):
        for family in families:
            for sides in _side_pairs(family["sides"]):
                found = _match(family, sides, spelling)
                key = (
                    sum(part in found.parts for part in _REQUIRED),
                    len(found.parts) + len(found.spine),
                    family.get("priority", 0),
                    sum(names[joint] in family["spelled"] for joint in found.parts.values()),
                )
                if best is None or key > best[:4]:
                    best = (*key, found)
    if best is None:
        raise DataError(f"{place}: there are no joints.")
    found = best[4]
    missing = [part.replace("_", " ") for part in _REQUIRED if part not in found.parts]
    if "neck" not in found.parts and not found.spine:
        missing.append("spine")
    if missing:
        raise DataError(
            f"{place}: the skeleton has no joint that is known as {', '.join(missing)}.",
            f"Its joints are {', '.join(names[:80])}. Name them in a map file (--map, form: rigs/*.json).",
        )
    return found


_MAX_MAP: Final = 4 << 20
_SIDES_OF_MAP: Final = Items(Text(), 2, 2)
_FAMILY: Final = Table(
    {"sides": Either((_SIDES_OF_MAP, Items(_SIDES_OF_MAP, 100, 1))), "bones": Named(Items(Text(), 1000))},
    {"family": Text(), "priority": Whole(-10, 10)},
    open=True,
)


def _side_pairs(sides: Any) -> list[tuple[str, str]]:
    pairs = [sides] if isinstance(sides[0], str) else sides
    return [(str(left), str(right)) for left, right in pairs]


def _match(family: dict[str, Any], sides: tuple[str, str], spelling: dict[str, int]) -> JointMap:
    parts: dict[str, int] = {}

    def take(part: str, names: Sequence[str], side: str = "") -> list[int]:
        found = []
        for name in names:  # "|" separates spellings of one joint
            plain = (_plain(each.replace("{side}", side)) for each in name.split("|"))
            found += [spelling[each] for each in plain if each in spelling][:1]
        if found:
            parts[part] = found[0]
        return found

    bones = family["bones"]
    spine = take("pelvis", bones.get("pelvis", []))
    spine += [joint for joint in take("", bones.get("spine", [])) if joint not in spine]
    parts.pop("", None)
    take("neck", bones.get("neck", []))
    take("head", bones.get("head", []))
    for ours, side in zip(SIDES, sides, strict=True):
        for part, joint in _ARM.items():
            take(f"{ours}_{joint}", bones.get(part, []), side)
        for finger in FINGERS:
            for k, name in enumerate(bones.get(finger, [])[:3], start=1):
                take(f"{ours}_{finger}{k}", [name], side)
    return JointMap(str(family.get("family", "")), parts, tuple(spine))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _spellings(names: Sequence[str]) -> list[dict[str, int]]:
    """Plain names to joints: as they are, without a namespace, and without a beginning that all share."""
    bare = [re.split(r"[:|]", name)[-1] for name in names]
    plain = [_plain(name) for name in bare]
    shared = _common_beginning([name for name in plain if name])
    variants = [[_plain(name) for name in names], plain]
    if len(shared) >= 3 and len(names) > 1:
        variants.append([name[len(shared) :] for name in plain])
    # A name that occurs twice stands for its first joint.
    return [{name: k for k, name in reversed(list(enumerate(variant))) if name} for variant in variants]


def _common_beginning(names: list[str]) -> str:
    first, last = min(names, default=""), max(names, default="")
    length = next(
        (k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[:length]


def _rig_families() -> list[dict[str, Any]]:
    return [_read_family(path) for path in sorted(_RIGS.glob("*.json"))]


def _read_family(path: Path) -> dict[str, Any]:
    with understood(f"The bone map {path} cannot be used", DataError, " See rigs/*.json for its form."):
        family = _FAMILY(read_json(path, "bone map", DataError, _MAX_MAP), "the map")
        sides, bones = _side_pairs(family["sides"]), family["bones"]
    # Names as they are written: where several families fit, the one whose own they are.
    family["spelled"] = {
        name.replace("{side}", side)
        for names in bones.values()
        for entry in names
        for name in entry.split("|")
        for pair in sides
        for side in pair
    }
    return family
