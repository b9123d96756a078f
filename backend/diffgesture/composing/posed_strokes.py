# SPDX-License-Identifier: GPL-3.0-or-later
"""Strokes of our own for the library: where the hands are and how they are turned, from key to key.

For classes of which few clips look like what they mean. Places are metres in the chest joint's frame, directions
(outwards, up, forward); both are mirrored for the other side.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ..motion import canonical
from ..motion.easing import minimum_jerk
from .arm_pose import reach
from .corpora import WORK_FPS
from .cues import hand_shapes

FloatArray = np.ndarray
Vector = tuple[float, float, float]

UP, DOWN, IN, OUT, AHEAD, BACK = (
    (0.0, 1.0, 0.0),
    (0.0, -1.0, 0.0),
    (-1.0, 0.0, 0.0),
    (1.0, 0.0, 0.0),
    (0.0, 0.0, 1.0),
    (0.0, 0.0, -1.0),
)
_STEPS: Final = 3
_VARIANTS: Final = 3
_HANGING: Final = ((0.27, -0.36, 0.06), IN, (0.0, -1.0, 0.1))


@dataclass(frozen=True)
class Key:
    """Seconds from the arrival; wrist, palm and fingers of each hand that takes part."""

    time: float
    wrist: Vector
    palm: Vector
    fingers: Vector


@dataclass(frozen=True)
class Sketch:
    """A stroke by one hand, or by both in mirror image."""

    shape: str
    hands: int
    keys: tuple[Key, ...]


def _to(place: Vector, palm: Vector, fingers: Vector, way: Vector = (0.0, -0.12, -0.08)) -> tuple[Key, ...]:
    """A pose that is reached by ``way`` and held."""
    begin = (place[0] + way[0], place[1] + way[1], place[2] + way[2])
    return Key(-0.24, begin, palm, fingers), Key(0.0, place, palm, fingers), Key(0.55, place, palm, fingers)


_DRAWN: Final[Mapping[str, tuple[Sketch, ...]]] = {
    "you": (
        Sketch("open_palm", 1, _to((0.13, 0.0, 0.50), (-0.5, 0.85, 0.0), AHEAD, (0.04, -0.10, -0.16))),
        Sketch("point", 1, _to((0.12, 0.05, 0.50), (-0.6, -0.8, 0.0), AHEAD, (0.04, -0.10, -0.16))),
    ),
    "here": (
        Sketch("point", 1, _to((0.14, -0.14, 0.30), (0.0, -0.5, -0.9), (0.0, -0.9, 0.5), (0.0, 0.14, 0.0))),
        Sketch("flat", 1, _to((0.14, -0.12, 0.34), DOWN, AHEAD, (0.0, 0.14, 0.0))),
    ),
    "question": (
        Sketch("open_palm", 1, _to((0.24, -0.03, 0.34), UP, (0.25, 0.1, 1.0))),
        Sketch("open_palm", 2, _to((0.25, -0.05, 0.34), UP, (0.25, 0.1, 1.0))),
    ),
    "point": (Sketch("point", 1, _to((0.12, 0.06, 0.48), (-0.3, -0.9, 0.0), AHEAD, (0.04, -0.10, -0.16))),),
    "contrast": (
        Sketch(
            "open_palm",
            1,
            (
                Key(-0.32, (0.12, 0.0, 0.34), (-0.3, 0.9, 0.1), (0.0, 0.2, 1.0)),
                Key(0.0, (0.42, 0.0, 0.28), (-0.1, 0.9, 0.3), (0.8, 0.2, 0.6)),
                Key(0.50, (0.42, -0.01, 0.28), (-0.1, 0.9, 0.3), (0.8, 0.2, 0.6)),
            ),
        ),
    ),
    "offer": (Sketch("open_palm", 1, _to((0.14, -0.05, 0.44), UP, (0.0, 0.05, 1.0), (0.02, -0.05, -0.18))),),
    "plea": (
        Sketch("flat", 2, _to((0.045, -0.05, 0.29), IN, (0.0, 0.85, 0.5), (0.10, -0.10, 0.0))),
        Sketch("open_palm", 2, _to((0.11, -0.05, 0.42), UP, AHEAD, (0.04, -0.08, -0.14))),
    ),
    "frame": (Sketch("flat", 2, _to((0.12, -0.02, 0.40), IN, AHEAD, (0.06, -0.10, -0.06))),),
    "stop": (Sketch("flat", 1, _to((0.15, 0.08, 0.40), AHEAD, UP, (0.02, -0.14, -0.16))),),
    "left": (
        Sketch("open_palm", 1, _to((0.44, 0.03, 0.28), (-0.3, 0.8, 0.3), (1.0, 0.1, 0.45), (-0.20, -0.08, 0.04))),
        Sketch("point", 1, _to((0.44, 0.06, 0.28), (-0.2, -0.9, 0.2), (1.0, 0.1, 0.45), (-0.20, -0.08, 0.04))),
    ),
    "all": (
        Sketch(
            "open_palm",
            2,
            (
                Key(-0.30, (0.06, 0.0, 0.36), (-0.3, -0.7, 0.6), (-0.2, 0.3, 1.0)),
                Key(0.20, (0.42, 0.02, 0.30), (-0.1, -0.6, 0.7), (0.6, 0.3, 0.8)),
                Key(0.75, (0.43, 0.0, 0.28), (-0.1, -0.6, 0.7), (0.6, 0.3, 0.8)),
            ),
        ),
    ),
    "empty": (
        Sketch(
            "open_palm",
            2,
            (
                Key(-0.38, (0.10, -0.02, 0.34), (-0.6, 0.8, 0.0), (0.0, 0.2, 1.0)),
                Key(0.0, (0.36, -0.06, 0.30), UP, (0.6, 0.1, 0.8)),
                Key(0.75, (0.37, -0.08, 0.29), UP, (0.6, 0.1, 0.8)),
            ),
        ),
    ),
    "obligation": (
        Sketch(
            "flat",
            1,
            (
                Key(-0.26, (0.16, 0.14, 0.28), IN, (0.0, 0.85, 0.5)),
                Key(0.0, (0.16, -0.08, 0.38), IN, (0.0, -0.1, 1.0)),
                Key(0.50, (0.16, -0.08, 0.38), IN, (0.0, -0.1, 1.0)),
            ),
        ),
    ),
    "negation": (
        Sketch(
            "flat",
            1,
            (
                Key(-0.34, (-0.05, 0.02, 0.36), (0.0, -0.8, 0.6), (-0.5, 0.3, 0.8)),
                Key(0.0, (0.36, 0.0, 0.33), (0.0, -0.8, 0.6), (0.3, 0.3, 0.9)),
                Key(0.50, (0.38, -0.02, 0.32), (0.0, -0.8, 0.6), (0.3, 0.3, 0.9)),
            ),
        ),
        Sketch(
            "flat",
            2,
            (
                Key(-0.34, (0.02, 0.0, 0.38), (0.0, -0.9, 0.4), (-0.3, 0.2, 0.9)),
                Key(0.0, (0.36, -0.02, 0.32), (0.0, -0.9, 0.4), (0.3, 0.2, 0.9)),
                Key(0.50, (0.37, -0.04, 0.31), (0.0, -0.9, 0.4), (0.3, 0.2, 0.9)),
            ),
        ),
    ),
    "surround": (
        Sketch(
            "open_palm",
            2,
            (
                Key(-0.40, (0.10, 0.02, 0.42), (-0.6, 0.0, -0.8), (-0.6, 0.5, 0.6)),
                Key(-0.20, (0.26, 0.02, 0.40), IN, (0.0, 0.4, 0.9)),
                Key(0.0, (0.30, -0.04, 0.22), (-0.8, 0.0, 0.5), (0.0, 0.5, 0.8)),
                Key(0.60, (0.28, -0.06, 0.22), (-0.8, 0.0, 0.5), (0.0, 0.5, 0.8)),
            ),
        ),
    ),
    "we": (
        Sketch(
            "open_palm",
            1,
            (
                Key(-0.30, (0.05, -0.02, 0.22), (-0.2, 0.2, -1.0), (-0.9, 0.3, 0.2)),
                Key(0.05, (0.22, 0.0, 0.42), (-0.4, 0.7, -0.3), (0.0, 0.3, 1.0)),
                Key(0.45, (0.38, -0.02, 0.26), (-0.6, 0.6, 0.2), (0.5, 0.3, 0.8)),
                Key(0.75, (0.38, -0.03, 0.25), (-0.6, 0.6, 0.2), (0.5, 0.3, 0.8)),
            ),
        ),
    ),
    "intensifier": (
        Sketch(
            "fist",
            1,
            (
                Key(-0.24, (0.22, 0.20, 0.24), IN, (0.0, 0.95, 0.3)),
                Key(0.0, (0.18, -0.06, 0.38), IN, (-0.2, 0.0, 1.0)),
                Key(0.45, (0.18, -0.05, 0.38), IN, (-0.2, 0.0, 1.0)),
            ),
        ),
    ),
    "greeting": (
        Sketch(
            "open_palm",
            1,
            tuple(
                Key(
                    -0.12 + 0.22 * k,
                    (0.30 + side * 0.05, 0.16, 0.24),
                    (0.0, 0.0, 1.0),
                    (side * 0.42, 1.0, 0.0),
                )
                for k, side in enumerate((-1, 1, -1, 1, -1, 1))
            ),
        ),
    ),
}
SKETCHES: Final = {**_DRAWN, "right": _DRAWN["left"], "there": _DRAWN["left"]}
"""``left`` and ``right`` are shown by the hand of their side."""


@dataclass(frozen=True, eq=False)
class PosedStroke:
    """Local rotations (T, J, 4) at 30 fps, the frame of the arrival and the arms that take part."""

    local: FloatArray
    arrival: int
    sides: tuple[str, ...]


def posed_strokes(root: Path, name: str) -> list[PosedStroke]:
    """The sketches of a class, each in a few variants, by the right hand or by both (``left`` by the left)."""
    rng = np.random.default_rng([11, *map(ord, name)])
    shapes = hand_shapes(root)
    sketches = SKETCHES.get(name, ())
    return [_draw(sketch, shapes, name, rng) for _ in range(_VARIANTS) for sketch in sketches]


def _draw(sketch: Sketch, shapes: Mapping[str, FloatArray], name: str, rng: np.random.Generator) -> PosedStroke:
    sides = canonical.SIDES if sketch.hands == 2 else ("left" if name == "left" else "right",)
    aside, turn = rng.normal(0.0, 0.018, 3), rng.normal(0.0, 0.08, 3)
    first, last = sketch.keys[0].time, sketch.keys[-1].time
    times = np.arange(round(first * WORK_FPS), round(last * WORK_FPS) + 1) / WORK_FPS
    frames = []
    for time in times:
        local = canonical.t_pose()
        for side in canonical.SIDES:
            sign = 1.0 if side == "left" else -1.0
            way = np.array([sign, 1.0, 1.0])
            if side not in sides:
                wrist, palm, fingers = (np.array(vector) * way for vector in _HANGING)
                reach(local, side, wrist, palm, fingers)
                continue
            wrist, palm, fingers = _between(sketch.keys, float(time))
            reach(local, side, (wrist + aside) * way, (palm + turn) * way, fingers * way)
            shape = shapes[sketch.shape]
            mirror = np.array([1.0, 1.0, -1.0, -1.0])
            local[list(canonical.arm_joints(side)[3:])] = shape if side == "right" else shape * mirror
        frames.append(local)
    return PosedStroke(np.stack(frames), -round(first * WORK_FPS), tuple(sides))


def _between(keys: tuple[Key, ...], time: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    later = next((k for k in range(1, len(keys)) if keys[k].time >= time), len(keys) - 1)
    a, b = keys[later - 1], keys[later]
    share = float(minimum_jerk(np.array((time - a.time) / (b.time - a.time))))
    pairs = ((a.wrist, b.wrist), (a.palm, b.palm), (a.fingers, b.fingers))
    wrist, palm, fingers = (np.array(u) * (1.0 - share) + np.array(v) * share for u, v in pairs)
    return wrist, palm, fingers
