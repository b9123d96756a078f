# SPDX-License-Identifier: GPL-3.0-or-later
"""How one speaker moves: numbers that an animator may ask for, and habits that are drawn at random.

The asked-for numbers are the columns of the ``style`` stream. Each is 0 for an average speaker and lies between
-1 and 1; they are drawn wider than people differ, so that the ends of a slider are learned too.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from .idle import RestPose

FloatArray = np.ndarray

NUMBERS: Final = ("rate", "size", "height", "two_handedness", "handedness", "body", "head", "tempo")
REST_STYLES: Final = ("sides", "front", "folded")
STYLE_COLUMNS: Final = (*NUMBERS, *(f"rest_{name}" for name in REST_STYLES))
# How many speakers rest with hanging arms, with the hands held in front, and with folded hands.
_REST_SHARES: Final = (0.68, 0.20, 0.12)


@dataclass(frozen=True)
class Style:
    """Habits of one speaker; ``numbers`` are named in :data:`NUMBERS`, ``favourites`` weighs the unit families.

    ``lag`` (s) is how late after the accent a stroke arrives, ``rest_pause`` (s) the shortest pause in which the
    hands go back to rest, ``linger`` (s) how long they stay up after the last word.
    """

    numbers: dict[str, float]
    lag: float
    rest_pause: float
    linger: tuple[float, float]
    palm_up: float
    relaxed_fingers: float
    nods: float
    rest: RestPose
    favourites: dict[str, float]

    @property
    def pace(self) -> float:
        """Strokes per second relative to an average speaker."""
        return float(2.0 ** self.numbers["rate"])

    @property
    def amplitude(self) -> float:
        """Size of the gestures relative to an average speaker."""
        size = self.numbers["size"]
        return 1.12 + (0.35 if size > 0 else 0.52) * size

    @property
    def lift(self) -> float:
        """Radians by which raised upper arms and elbows are flexed more."""
        return float(np.deg2rad(11.0) * self.numbers["height"])

    @property
    def one_handed(self) -> float:
        """Share of phrases by one hand alone."""
        two = self.numbers["two_handedness"]
        return float(np.interp(two, [-1.0, -0.5, 0.0, 0.5, 1.0], [0.93, 0.52, 0.13, 0.05, 0.0]))

    @property
    def right_hand(self) -> float:
        """Share of one-handed phrases by the right hand."""
        return 0.5 + 0.48 * self.numbers["handedness"]

    @property
    def body(self) -> float:
        """Movement of trunk and shoulders relative to an average speaker."""
        return float(1.9 ** self.numbers["body"])

    @property
    def head(self) -> float:
        """Movement of the head relative to an average speaker."""
        return float(1.9 ** self.numbers["head"])

    @property
    def tempo(self) -> float:
        """Speed of single strokes relative to how the units were acted."""
        return float(0.97 * 1.25 ** self.numbers["tempo"])

    def values(self) -> FloatArray:
        """The columns of the ``style`` stream (len(STYLE_COLUMNS),)."""
        rest = [1.0 if self.rest.style == name else 0.0 for name in REST_STYLES]
        return np.array([*(self.numbers[name] for name in NUMBERS), *rest], dtype=np.float32)


def draw_style(rests: tuple[RestPose, ...], families: list[str], rng: np.random.Generator) -> Style:
    """A random speaker."""
    wanted = REST_STYLES[int(rng.choice(len(REST_STYLES), p=_REST_SHARES))]
    fitting = [rest for rest in rests if rest.style == wanted] or list(rests)
    wide = rng.random() < 0.65
    numbers = {
        name: float(rng.uniform(-1.0, 1.0) if wide else np.clip(rng.normal(0.0, 0.45), -1.0, 1.0))
        for name in NUMBERS
    }
    if rng.random() < 0.35:
        # Most people have a preferred hand, and more often the right one.
        numbers["handedness"] = float(np.clip(rng.normal(0.5, 0.35), -1.0, 1.0))
    shortest = rng.uniform(-0.25, 0.05)
    return Style(
        numbers=numbers,
        lag=float(rng.uniform(0.07, 0.17)),
        rest_pause=float(rng.uniform(1.2, 3.0)),
        linger=(float(shortest), float(shortest + rng.uniform(0.2, 0.5))),
        palm_up=float(rng.uniform(0.15, 0.6)),
        relaxed_fingers=float(rng.uniform(0.0, 0.25)),
        nods=float(np.exp(rng.normal(0.0, 0.3))),
        rest=fitting[int(rng.integers(len(fitting)))],
        favourites={name: float(np.exp(rng.normal(0.0, 0.6))) for name in families},
    )
