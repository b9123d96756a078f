# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the motion corpora (``motion/*.npz``) and brings every clip to the canonical body.

Steps for each clip: forward rotations ``W`` of the source, ``W S^-1`` relative to its T-pose, heading removed
so that the chest faces +Z, torso and head measured from the set's mean standing pose (characters differ in how
they stand, the composer adds its own posture), and forearms made pure hinges so that all pronation sits in the
hand, whatever the source did with twist bones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ..errors import DataError
from ..motion import canonical, rotation
from ..motion.clip_archive import ClipArchive
from ..motion.joint_names import map_joints

FloatArray = np.ndarray

WORK_FPS: Final = 30.0

# Sets whose licence lets a model trained on them be shipped, and which have fingers.
MOTION_SETS: Final = (
    "smartbody_female",
    "smartbody_gestures",
    "smartbody_gestures2",
    "smartbody_male",
    "smartbody_pn",
    "smartbody_utah",
    "hifi_67",
    "hifi_76",
    "rocketbox_conversation",
    "rocketbox_idle",
    "mesh2motion_addon",
    "mesh2motion_base",
)


@dataclass(frozen=True)
class Clip:
    """A motion clip on the canonical body: ``local`` (T, J, 4) at 30 fps; ``sync`` marks in seconds.

    ``index`` is its number in the file.
    """

    motion_set: str
    name: str
    kind: str
    posture: str
    meaning: str
    hand: str
    local: FloatArray
    sync: dict[str, float] | None
    licence: str
    index: int = -1

    @property
    def seconds(self) -> float:
        return len(self.local) / WORK_FPS


def _canonical_joints(joint_names: Sequence[str], place: str) -> list[int]:
    """The source's joint for each of ``canonical.JOINT_NAMES``. Raises DataError when one is not found."""
    found = map_joints(joint_names, place)
    spine = found.spine
    own = {"spine": spine[len(spine) // 2], "chest": spine[-1]} if len(spine) > 1 else {}
    for side in ("left", "right"):
        for part, joint in (("upper_arm", "shoulder"), ("forearm", "elbow"), ("hand", "wrist")):
            own[f"{side}_{part}"] = found.parts[f"{side}_{joint}"]
    own |= {name: joint for name, joint in found.parts.items() if name not in own}
    missing = [name for name in canonical.JOINT_NAMES if name not in own]
    if missing:
        raise DataError(f"{place} has no joint that is known as {', '.join(missing)}.")
    return [own[name] for name in canonical.JOINT_NAMES]


def _source_globals(local: FloatArray, parents: FloatArray) -> FloatArray:
    world = np.empty_like(local)
    for j, parent in enumerate(parents):
        world[..., j, :] = (
            local[..., j, :] if parent < 0 else rotation.mul(world[..., parent, :], local[..., j, :])
        )
    return world


def _bone_direction_fix(
    tpose_world: FloatArray, parents: FloatArray, offsets: FloatArray, joint: int
) -> FloatArray:
    """Direction (3,) of the bone that starts at ``joint`` in the source's T-pose, or zeros at a chain's end."""
    children = [k for k, parent in enumerate(parents) if parent == joint]
    if not children:
        return np.zeros(3)
    offset = rotation.rotate(tpose_world[joint], offsets[children[0]])
    return offset / np.linalg.norm(offset)


def _to_canonical(
    source: FloatArray, tpose: FloatArray, parents: FloatArray, offsets: FloatArray, joints: list[int]
) -> FloatArray:
    """Source local rotations (T, Js, 4) to canonical global rotations relative to the T-pose (T, J, 4)."""
    tpose_world = _source_globals(tpose, parents)
    world = rotation.mul(_source_globals(source, parents), rotation.inv(tpose_world))
    result = world[:, joints].copy()
    # A thumb's T-pose differs from rig to rig: turn each finger bone so that its direction is the source's.
    fix = rotation.IDENTITY
    for j, name in enumerate(canonical.JOINT_NAMES):
        if not name[-1].isdigit():
            continue
        direction = _bone_direction_fix(tpose_world, parents, offsets, joints[j])
        if direction.any():
            sign = 1.0 if name.startswith("left") else -1.0
            own = np.array(canonical.THUMB_DIRECTION if "thumb" in name else (1.0, 0.0, 0.0)) * (sign, 1.0, 1.0)
            fix = rotation.between(own / np.linalg.norm(own), direction)
        result[:, j] = rotation.mul(result[:, j], fix)
    return result


def hinge_forearms(local: FloatArray) -> FloatArray:
    """Local rotations (T, J, 4) with each forearm a pure hinge and the hand carrying all pronation.

    Bone directions stay as they are. The elbow bends about the axis that brings a T-posed forearm forward; where
    the arm is nearly straight that axis is not visible in the motion and the source's twist is kept.
    """
    local = local.copy()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        upper, fore, hand = canonical.arm_joints(side)[:3]
        bone = np.array([sign, 0.0, 0.0])
        hand_from_upper = rotation.mul(local[:, fore], local[:, hand])
        direction = rotation.rotate(local[:, fore], np.broadcast_to(bone, (len(local), 3)))
        bend = np.hypot(direction[:, 1], direction[:, 2])
        known = np.clip((bend - 0.15) / 0.25, 0.0, 1.0)
        known = known * known * (3.0 - 2.0 * known)
        # The twist about the upper arm that turns the forearm's plane into the hinge plane (y = 0, z > 0).
        angle = np.unwrap(np.arctan2(-direction[:, 1], np.maximum(direction[:, 2], 1e-6)))
        twist = rotation.about(np.array([1.0, 0.0, 0.0]), angle * known)
        local[:, upper] = rotation.mul(local[:, upper], twist)
        direction = rotation.rotate(rotation.inv(twist), direction)
        local[:, fore] = rotation.between(np.broadcast_to(bone, direction.shape), direction)
        total = rotation.mul(rotation.inv(twist), hand_from_upper)
        local[:, hand] = rotation.mul(rotation.inv(local[:, fore]), total)
    return local


def _remove_heading(world: FloatArray, turning: bool) -> FloatArray:
    """Turns each frame about +Y so that pelvis and chest together face +Z.

    A constant turn (median over the clip), or, for a character that steps about, a slowly varying one.
    """
    pelvis, chest = canonical.joint("pelvis"), canonical.joint("chest")
    heading = np.unwrap(rotation.yaw(world[:, pelvis])) if turning else rotation.yaw(world[:, chest])
    if turning:
        heading = gaussian_filter1d(heading, 0.25 * WORK_FPS, mode="nearest")
    else:
        heading = np.full(len(world), np.median(heading))
    turn = rotation.about(np.array([0.0, 1.0, 0.0]), -heading)
    return rotation.mul(turn[:, None], world)


def _usable(clip: dict[str, Any]) -> bool:
    posture = str(clip.get("posture", ""))
    return not (
        clip.get("rude")
        or clip.get("sitting")
        or clip.get("duplicate_of")
        or clip.get("variant_of")
        or "sitting" in posture
        or clip["name"].endswith(("SqueezeHand01", "Idle01_ReceiveLf01", "_old"))
    )


def load_motion_set(path: Path) -> list[Clip]:
    """All usable clips of one motion file on the canonical body. Raises DataError naming file and field."""
    archive = ClipArchive(path)
    parents, offsets = np.array(archive.parents), archive.rest_offsets
    tpose = archive.rotations("tpose")
    try:
        entries = [entry for entry in archive.clips if _usable(entry)]
    except KeyError as error:
        raise DataError(f"{path.name}: a clip has no {error}.") from error
    joints = _canonical_joints(archive.joint_names, path.name)
    worlds = []
    for entry in entries:
        rotations = archive.rotations(f"{entry['index']}/rotations")
        world = _to_canonical(rotations, tpose, parents, offsets, joints)
        worlds.append(_remove_heading(world, turning=not _stands_still(entry)))
    _measure_torso_from_mean(worlds, [_stands_still(entry) for entry in entries])
    clips = []
    for entry, world in zip(entries, worlds, strict=True):
        local = rotation.continuous(hinge_forearms(canonical.to_local(world)))
        bad = set(archive.meta.get("bad_joints") or [])
        if any("LeftHandThumb" in name for name in bad):
            _replace_left_thumb(local)
        clips.append(_clip(path.stem, entry, local, str(archive.meta.get("licence", ""))))
    return clips


def _stands_still(entry: dict[str, Any]) -> bool:
    return "steps" not in str(entry.get("posture", ""))


def _measure_torso_from_mean(worlds: list[FloatArray], still: list[bool]) -> None:
    """Changes, in place, torso and clavicle rotations to be relative to the set's mean standing pose.

    Clips start and end in the standing pose; where they do not (``still`` false), the whole clip is averaged.
    """
    ends = [np.concatenate([w[:5], w[-5:]]) if s else w for w, s in zip(worlds, still, strict=True)]
    stills = np.concatenate(ends)
    torso = [*canonical.TORSO, canonical.joint("left_clavicle"), canonical.joint("right_clavicle")]
    neutral = rotation.inv(rotation.mean(stills[:, torso]))
    for world in worlds:
        world[:, torso] = rotation.mul(world[:, torso], neutral)


def _replace_left_thumb(local: FloatArray) -> None:
    """Puts the mirror of the right thumb's mean pose on a left thumb that was captured wrongly (in place)."""
    for k in (1, 2, 3):
        right = rotation.mean(local[:, canonical.joint(f"right_thumb{k}")])
        local[:, canonical.joint(f"left_thumb{k}")] = right * np.array([1.0, 1.0, -1.0, -1.0])


def _clip(motion_set: str, entry: dict[str, Any], local: FloatArray, licence: str) -> Clip:
    return Clip(
        motion_set=motion_set,
        name=str(entry["name"]).split("@")[-1],
        kind=str(entry["kind"]),
        posture=str(entry.get("posture", "")),
        meaning=str(entry.get("meaning", "")),
        hand=str(entry.get("moving_hand", "both")),
        local=local,
        sync={k: float(v) for k, v in entry["sync"].items()} if entry.get("sync_valid") else None,
        licence=licence,
        index=int(entry["index"]),
    )


def load_motion(root: Path) -> list[Clip]:
    """Every usable clip of the sets in :data:`MOTION_SETS` below ``root/motion``.

    Raises DataError when the folder or one of the sets is missing.
    """
    folder = root / "motion"
    missing = [name for name in MOTION_SETS if not (folder / f"{name}.npz").is_file()]
    if missing:
        raise DataError(f"{folder} lacks {', '.join(missing)}: give the folder that holds motion/ and speech/.")
    return [clip for name in MOTION_SETS for clip in load_motion_set(folder / f"{name}.npz")]
