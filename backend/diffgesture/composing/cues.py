# SPDX-License-Identifier: GPL-3.0-or-later
"""Cues: the closed vocabulary of gestures that mean something, the units that show each, and their stream.

Most units are clips whose meaning and arrival stand in ``motion/semantics.json``; where there are few or none,
poses are made with hand shapes of ``handshapes/``. Head cues are movements, not clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import DataError
from ..model.direction import cue_columns
from ..motion import canonical, rotation
from ..motion.easing import minimum_jerk
from ..motion.head_turns import HEAD_CUES, head_turn
from ..reading import read_arrays, read_json, understood
from .arm_pose import reach
from .corpora import WORK_FPS, Clip
from .units import Unit, unit_of_clip, wrists_in_chest

FloatArray = np.ndarray

DEICTIC: Final = ("you", "me", "we", "here", "there", "left", "right", "point")
METAPHORIC: Final = (
    "question", "negation", "contrast", "all", "empty", "obligation", "uncertainty", "intensifier", "big", "stop",
    "surround", "frame", "offer", "plea",
)  # fmt: skip
EMBLEM: Final = ("greeting", "ok", "thumb_up", "count_1", "count_2", "count_3", "count_4", "count_5")
HEAD: Final = HEAD_CUES
CUES: Final = (*DEICTIC, *METAPHORIC, *EMBLEM, *HEAD)
_SWAPPED: Final = {"left": "right", "right": "left"}
# Evidence in semantics.json, the best first; the weaker ones only where better clips are few.
_EVIDENCE: Final = (("pass_name",), ("pass_geometry", "unchecked"), ("pass_map",))
_ENOUGH: Final = 4


@dataclass(frozen=True)
class CueEvent:
    """A cue that was played: its name and when it arrives (s)."""

    name: str
    time: float


def cue_stream(events: Sequence[CueEvent], frames: int, fps: float) -> FloatArray:
    """The ``cues`` stream (frames, len(CUES))."""
    return cue_columns([(event.name, event.time) for event in events], CUES, frames, fps)


def cue_units(root: Path, clips: list[Clip]) -> dict[str, tuple[Unit, ...]]:
    """Units of each arm cue, with their mirror images. Raises DataError when the corpora lack the index."""
    index = _read(root / "motion" / "semantics.json")
    by_key = {f"{clip.motion_set}:{clip.index}": clip for clip in clips}
    arrivals = {f"{c['file']}:{c['clip']}": c.get("arrival_s") for c in index["clips"]}
    units: dict[str, list[Unit]] = {name: [] for name in CUES if name not in HEAD}
    for name, found in units.items():
        for evidence in _EVIDENCE:
            if len(found) >= _ENOUGH:
                break
            keys = [key for kind in evidence for key in index["units"].get(name, {}).get(kind, ())]
            found += [u for key in keys if (u := _from_clip(by_key.get(key), arrivals.get(key), name)) is not None]
    for name, made in _posed_units(root).items():
        units[name] += made
    result: dict[str, tuple[Unit, ...]] = {}
    for name, found in units.items():
        mirrored = [unit.mirrored() for unit in units[_SWAPPED.get(name, name)]]
        result[name] = tuple(replace(unit, family=f"cue:{name}") for unit in (*found, *mirrored))
    return {name: found for name, found in result.items() if found}


def _read(path: Path) -> Any:
    return read_json(path, "part of the corpora", DataError)


def _from_clip(clip: Clip | None, arrival: float | None, name: str) -> Unit | None:
    if clip is None or arrival is None or len(clip.local) < 8:
        return None
    if clip.sync is None:
        clip = replace(clip, sync={"emphasis": float(arrival), "relax": float(arrival) + 0.5})
    unit = unit_of_clip(clip)
    if unit is None or name not in ("negation", "all", "empty", "surround", "we"):
        return unit
    # What comes after the arrival (a sweep, a shake) is the gesture.
    last = min(len(clip.local) - 1, unit.arrival + round(0.9 * WORK_FPS))
    return replace(unit, hold_end=max(unit.hold_end, last))


# -- Poses -----------------------------------------------------------------------------------------------------


def _posed_units(root: Path) -> dict[str, list[Unit]]:
    """Right-handed (and two-handed) units of classes with few clips, each in three variants."""
    shapes = hand_shapes(root)
    rng = np.random.default_rng(7)
    forward, inward, up = np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    raised = {"ok": "ok_ring", **{f"count_{n}": f"count_{n}" + ("_index" if n < 4 else "") for n in range(1, 6)}}
    made: dict[str, list[Unit]] = {}
    for _ in range(3):
        for name, shape in raised.items():
            wrist = np.array([-0.23, 0.03, 0.31]) + rng.normal(0.0, 0.025, 3)
            palm = forward + rng.normal(0.0, 0.15, 3)
            made.setdefault(name, []).append(
                _posed(name, {"right": (wrist, palm, up - 0.2 * inward)}, shapes[shape])
            )
        wrist = np.array([-0.18, -0.06, 0.36]) + rng.normal(0.0, 0.025, 3)
        made.setdefault("thumb_up", []).append(
            _posed("thumb_up", {"right": (wrist, inward, forward + 0.4 * inward)}, shapes["thumb_up"])
        )
        wrist = np.array([-0.15, 0.0, 0.44]) + rng.normal(0.0, 0.03, 3)
        made.setdefault("point", []).append(
            _posed("point", {"right": (wrist, -up + 0.5 * inward, forward)}, shapes["point"])
        )
        wrist = np.array([-0.31, 0.13, 0.22]) + rng.normal(0.0, 0.025, 3)
        greeting = _posed("greeting", {"right": (wrist, forward, up)}, shapes["open_palm"], frames=50)
        made.setdefault("greeting", []).append(_waving(greeting))
        wide = np.array([0.40, -0.06, 0.26]) + rng.normal(0.0, 0.025, 3)
        both = {"left": (wide, -inward, forward), "right": (wide * (-1, 1, 1), inward, forward)}
        made.setdefault("big", []).append(_posed("big", both, shapes["open_palm"]))
        wide = np.array([0.34, -0.14, 0.22]) + rng.normal(0.0, 0.02, 3)
        out = forward + 0.9 * inward
        both = {"left": (wide, up, out), "right": (wide * (-1, 1, 1), up, out * (-1, 1, 1))}
        made.setdefault("uncertainty", []).append(_shrugging(_posed("uncertainty", both, shapes["open_palm"])))
    return made


def hand_shapes(root: Path) -> dict[str, FloatArray]:
    """Own hand shapes: name to local rotations (15, 4) of the right hand's finger joints, thumb first."""
    path = root / "handshapes" / "own_handshapes.npz"
    with understood(f"{path} cannot be read", DataError, " Give the folder of the corpora."):
        archive = read_arrays(path, "archive of hand shapes", DataError)
        names, right = [str(name) for name in archive["names"]], archive["right"].astype(float)
        directions = archive["dir_right"].astype(float)
    shapes = {}
    own = np.array(canonical.THUMB_DIRECTION) * (-1.0, 1.0, 1.0)
    own = own / np.linalg.norm(own)
    for name, pose, phalanges in zip(names, right, directions, strict=True):
        shape = rotation.unit(pose)
        # The thumb's rest direction differs from that of the shapes' skeleton: aim its phalanges instead.
        parent = rotation.IDENTITY
        for k in range(3):
            world = rotation.between(own, phalanges[k] / np.linalg.norm(phalanges[k]))
            shape[k] = rotation.mul(rotation.inv(parent), world)
            parent = world
        shapes[name] = shape
    return shapes


def _posed(
    name: str,
    arms: dict[str, tuple[FloatArray, FloatArray, FloatArray]],
    shape: FloatArray,
    frames: int = 30,
) -> Unit:
    """A unit that holds one pose; ``arms``: wrist, palm and finger directions of each side that takes part."""
    local = canonical.t_pose()
    for side in canonical.SIDES:
        sign = 1.0 if side == "left" else -1.0
        hanging = (np.array([sign * 0.27, -0.36, 0.06]), np.array([-sign, 0.0, 0.0]), np.array([0.0, -1.0, 0.1]))
        reach(local, side, *arms.get(side, hanging))
        fingers = list(canonical.arm_joints(side)[3:])
        if side in arms:
            local[fingers] = shape if side == "right" else shape * np.array([1.0, 1.0, -1.0, -1.0])
    motion = np.tile(local, (frames, 1, 1))
    wrists = wrists_in_chest(motion[:1])[0]
    hanging_wrists = np.array([[0.27, -0.36, 0.06], [-0.27, -0.36, 0.06]])
    return Unit(
        name=f"posed:{name}",
        family=f"cue:{name}",
        local=motion,
        rise=0,
        core=0,
        arrival=6,
        hold_end=frames - 6,
        sides=tuple(side for side in canonical.SIDES if side in arms),
        wrists=wrists,
        travel=np.linalg.norm(wrists - hanging_wrists, axis=-1),
        peak_speed=1.0,
        weight=1.0,
        from_rest=False,
    )


def _waving(unit: Unit) -> Unit:
    """The raised right hand swings to and fro at about 2.4 Hz, the forearm with it."""
    local = unit.local.copy()
    times = (np.arange(len(local)) - unit.arrival) / WORK_FPS
    swing = np.sin(2.0 * np.pi * 2.4 * times) * minimum_jerk(times / 0.2 + 0.3)
    upper, _, hand = canonical.arm_joints("right")[:3]
    local[:, hand] = rotation.mul(local[:, hand], rotation.about(np.array([0.0, 1.0, 0.0]), 0.30 * swing))
    local[:, upper] = rotation.mul(rotation.about(np.array([0.0, 0.0, 1.0]), 0.16 * swing), local[:, upper])
    return replace(unit, local=local)


def _shrugging(unit: Unit) -> Unit:
    """Shoulders go up with the arms."""
    local = unit.local.copy()
    rise = np.deg2rad(13.0) * minimum_jerk(np.arange(len(local)) / unit.arrival)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        local[:, canonical.joint(f"{side}_clavicle")] = rotation.about(np.array([0.0, 0.0, 1.0]), sign * rise)
    return replace(unit, local=local)


# -- Head ------------------------------------------------------------------------------------------------------


def head_cue(event: CueEvent, times: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Rotation vectors (T, 3) of the head for a nod, a shake or a tilt whose main extreme is at ``event.time``."""
    return head_turn(event.name, times - event.time, rng)
