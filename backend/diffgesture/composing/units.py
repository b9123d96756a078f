# SPDX-License-Identifier: GPL-3.0-or-later
"""The library of gesture units: single strokes with their phases, cut from clips on the canonical body.

Phases (McNeill 1992; Kendon 2004): preparation, stroke, hold, retraction. ``arrival`` is the frame in which the
hand reaches the end of the stroke's main movement; it is what is put on a speech accent.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import argrelmin, find_peaks

from ..motion import canonical, rotation
from ..motion.contact import penetration
from .corpora import WORK_FPS, Clip

FloatArray = np.ndarray

# Meanings that would be odd on arbitrary speech (emblems, pointing, adaptors) are left out or made rare.
_EXCLUDED: Final = ("ScrewYou", "Think", "Contemplate", "ThrowAway", "Bow", "Victory", "Greeting", "Confused",
                    "Head Nod", "Reject", "Interact", "Motex", "Idle", "DeicticLeft", "LHandOnHip",
                    "Point", "Stop", "point", "stop")  # fmt: skip
_RARE: Final = ("You", "you", "Me", "Plea", "Safe", "Indicate", "Shrug")


@dataclass(frozen=True)
class Unit:
    """One gesture unit at 30 fps: ``local`` (T, J, 4) and frames ``rise``, ``core``, ``arrival``, ``hold_end``.

    Between ``rise`` and ``core`` the hand travels; ``core`` is where more than half of the way is done.
    ``sides`` are the arms that take part; ``wrists`` (2, 3) their places at arrival relative to the chest
    (left, right, metres), ``travel`` (2,) the way from the clip's first pose.
    """

    name: str
    family: str
    local: FloatArray
    rise: int
    core: int
    arrival: int
    hold_end: int
    sides: tuple[str, ...]
    wrists: FloatArray
    travel: FloatArray
    peak_speed: float
    weight: float
    from_rest: bool

    def mirrored(self) -> "Unit":
        """The same unit by the other hand."""
        swap = {"left": "right", "right": "left"}
        return replace(
            self,
            name=f"{self.name}~mirror",
            local=canonical.mirror(self.local),
            sides=tuple(sorted(swap[side] for side in self.sides)),
            wrists=self.wrists[::-1] * np.array([-1.0, 1.0, 1.0]),
            travel=self.travel[::-1],
        )


def wrists_in_chest(local: FloatArray) -> FloatArray:
    """Wrist positions (T, 2, 3) in the frame of the chest joint, metres: left, right."""
    world = canonical.to_global(local)
    positions = canonical.forward_kinematics(world)
    chest = canonical.joint("chest")
    hands = [canonical.joint("left_hand"), canonical.joint("right_hand")]
    relative = positions[:, hands] - positions[:, chest, None]
    return rotation.rotate(rotation.inv(world[:, chest, None]), relative)


def _speed(points: FloatArray) -> FloatArray:
    velocity = np.gradient(gaussian_filter1d(points, 1.2, axis=0, mode="nearest"), axis=0) * WORK_FPS
    return np.linalg.norm(velocity, axis=-1)


def unit_of_clip(clip: Clip) -> Unit | None:
    """The stroke that a clip's marks speak of; None for one that hardly moves. The clip must have marks."""
    assert clip.sync is not None
    wrists = wrists_in_chest(clip.local)
    speeds = _speed(wrists)
    last = len(wrists) - 1
    mark = min(round(clip.sync["emphasis"] * WORK_FPS), last)
    travel_at = np.linalg.norm(wrists - wrists[:1], axis=-1)
    lead = int(np.argmax(travel_at[mark]))
    travel = travel_at[mark]
    if travel[lead] < 0.10:
        return None
    # The arrival: where the leading hand has braked, at or a little before the mark.
    peak = int(np.argmax(speeds[: mark + 1, lead]))
    braked = np.flatnonzero(speeds[peak : mark + 4, lead] < 0.25 * speeds[peak, lead])
    arrival = peak + int(braked[0]) if len(braked) else mark
    arrival = max(arrival, mark - round(0.35 * WORK_FPS), 2)
    travel = travel_at[arrival]
    if travel[lead] < 0.10:
        return None
    on_way = travel_at[: arrival + 1, lead] / travel[lead]
    rise = int(np.flatnonzero(on_way < 0.08)[-1]) if (on_way < 0.08).any() else 0
    core = int(np.flatnonzero(on_way < 0.6)[-1]) + 1 if (on_way < 0.6).any() else 0
    away = np.flatnonzero(travel_at[arrival:, lead] > 0.8 * travel[lead])
    hold_end = min(arrival + int(away[-1]), max(round(clip.sync["relax"] * WORK_FPS), arrival))
    sides = tuple(s for s, d in zip(canonical.SIDES, travel, strict=True) if d > max(0.09, 0.3 * travel[lead]))
    family = f"{clip.motion_set}:{clip.meaning or clip.name}"
    weight = 0.35 if any(word in clip.name for word in _RARE) else 1.0
    return Unit(
        name=f"{clip.motion_set}:{clip.name}",
        family=family,
        local=clip.local,
        rise=rise,
        core=min(core, arrival),
        arrival=arrival,
        hold_end=hold_end,
        sides=sides,
        wrists=wrists[arrival],
        travel=travel,
        peak_speed=float(speeds[: arrival + 1, lead].max()),
        weight=weight,
        # Idle03 stands with the hands on the hips: its way up is not one from hanging arms.
        from_rest=not clip.name.startswith("Idle03"),
    )


def _units_from_talk(clip: Clip) -> list[Unit]:
    """Strokes of a talking take: from one rest of the hands, over a speed peak, to the next rest."""
    wrists = wrists_in_chest(clip.local)
    speeds = _speed(wrists)
    busy = gaussian_filter1d(speeds.max(axis=1), 2.0)
    minima = argrelmin(busy, order=3)[0]
    units = []
    for peak in find_peaks(busy, height=0.35, distance=8)[0]:
        before, after = minima[minima < peak], minima[minima > peak]
        if len(before) == 0 or len(after) == 0 or peak < 60 or peak > len(busy) - 40:
            continue
        start, arrival = int(before[-1]), int(after[0])
        # A stroke ends with the hands in gesture space, not on the thighs.
        height = wrists[arrival, :, 1].max()
        way = np.linalg.norm(wrists[arrival] - wrists[start], axis=-1)
        if height < -0.22 or way.max() < 0.06 or arrival - start > 45:
            continue
        following = minima[minima > arrival]
        still = int(following[0]) if len(following) else arrival + 10
        first, last = max(0, start - 15), min(len(wrists), still + 20)
        sides = tuple(s for s, y in zip(canonical.SIDES, wrists[arrival, :, 1], strict=True) if y > -0.25)
        units.append(
            Unit(
                name=f"{clip.motion_set}:{clip.name}@{arrival}",
                family=f"{clip.motion_set}:{clip.name}",
                local=clip.local[first:last],
                rise=start - first,
                core=start - first,
                arrival=arrival - first,
                hold_end=min(still, arrival + 12) - first,
                sides=sides,
                wrists=wrists[arrival],
                travel=way,
                peak_speed=float(busy[peak]),
                weight=0.7,
                from_rest=False,
            )
        )
    return units


def _clear_of_body(unit: Unit) -> bool:
    """Whether stroke and hold stay out of the canonical trunk and head (less than 3.5 cm deep)."""
    return bool(penetration(unit.local[unit.core : unit.hold_end + 1]).max() < 0.035)


def build_library(clips: list[Clip], mirror: bool = True) -> list[Unit]:
    """All gesture units of ``clips``, each also mirrored unless ``mirror`` is false; deterministic order."""
    units: list[Unit] = []
    for clip in clips:
        if any(word in clip.name for word in _EXCLUDED) and clip.kind != "talk":
            # "Idle01_BeatMid" and the like are gestures named after the idle pose they start from.
            rest = clip.name.split("_", 1)[-1]
            if not clip.name.startswith("Idle") or any(word in rest for word in _EXCLUDED):
                continue
        if clip.kind == "gesture" and clip.sync is not None:
            unit = unit_of_clip(clip)
            if unit is not None:
                units.append(unit)
        elif clip.kind == "talk" and clip.motion_set in ("hifi_67", "hifi_76", "rocketbox_conversation"):
            units.extend(_units_from_talk(clip))
    units = [unit for unit in units if _clear_of_body(unit)]
    return units + ([unit.mirrored() for unit in units] if mirror else [])
