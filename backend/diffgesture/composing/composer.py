# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses gesture units for the accents of a recording: who gestures how, when and with which hand.

The plan is a list of placements (unit, time of arrival, tempo, amplitude, arms) and of beats. ``performance``
turns it into motion. People bring the hand to its target on or up to about 0.2 s before the accented syllable
(McNeill 1992; Leonard and Cummins 2011); a speaker keeps a personal rate, size, hand and repertoire.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ..speech.prosody import Accent, Prosody
from . import canonical
from .corpora import Clip
from .idle import IdleMotion, RestPose, idle_motions, rest_poses
from .units import Unit, build_library, wrists_in_chest

FloatArray = np.ndarray

# Silences at least this long (s) let the hands go back to rest.
REST_PAUSE: Final = 0.6
# Wrist speed (m/s) at which a stroke is slowed down, by at most 30 %.
MAX_STROKE_SPEED: Final = 1.5


@dataclass(frozen=True)
class Library:
    """What the composer plays with: gesture units, rest poses and idle motion."""

    units: tuple[Unit, ...]
    rests: tuple[RestPose, ...]
    idles: tuple[IdleMotion, ...]

    @classmethod
    def from_clips(cls, clips: list[Clip]) -> "Library":
        return cls(tuple(build_library(clips)), tuple(rest_poses(clips)), tuple(idle_motions(clips)))


@dataclass(frozen=True)
class Style:
    """Habits of one speaker; factors are 1 for an average one. ``favourites`` weighs the unit families."""

    rate: float
    amplitude: float
    tempo: float
    beats: float
    head: float
    lead: float
    right_hand: float
    two_hands: float
    relaxed_fingers: float
    rest: RestPose
    favourites: dict[str, float]


@dataclass(frozen=True)
class Placement:
    """A unit whose hand arrives at ``arrival`` seconds; played ``tempo`` times as fast by the arms ``sides``."""

    unit: Unit
    arrival: float
    tempo: float
    amplitude: float
    sides: tuple[str, ...]


@dataclass(frozen=True)
class Beat:
    """A small stroke at ``time``, on top of what the arms do; ``left`` and ``right`` are its sizes."""

    time: float
    left: float
    right: float


@dataclass(frozen=True)
class Plan:
    """``runs`` are stretches (start, end) of speech without a pause that lets the hands rest."""

    placements: tuple[Placement, ...]
    beats: tuple[Beat, ...]
    runs: tuple[tuple[float, float], ...]


def draw_style(library: Library, rng: np.random.Generator) -> Style:
    """A random speaker. Most rest with hanging arms, some with the hands in front."""
    wanted = "front" if rng.random() < 0.22 else "sides"
    rests = [rest for rest in library.rests if rest.style == wanted] or list(library.rests)
    families = sorted({unit.family for unit in library.units})
    return Style(
        rate=float(np.exp(rng.normal(0.0, 0.16))),
        amplitude=float(np.clip(rng.normal(1.0, 0.10), 0.75, 1.2)),
        tempo=float(np.clip(rng.normal(1.08, 0.08), 0.9, 1.25)),
        beats=float(np.exp(rng.normal(0.0, 0.3))),
        head=float(np.exp(rng.normal(0.0, 0.3))),
        lead=float(rng.uniform(0.02, 0.12)),
        right_hand=float(np.clip(rng.normal(0.62, 0.2), 0.15, 0.9)),
        two_hands=float(np.clip(rng.normal(0.68, 0.12), 0.35, 0.9)),
        relaxed_fingers=float(rng.uniform(0.0, 0.4)),
        rest=rests[int(rng.integers(len(rests)))],
        favourites={name: float(np.exp(rng.normal(0.0, 0.8))) for name in families},
    )


def speech_runs(prosody: Prosody) -> list[tuple[float, float]]:
    """Phrases joined across pauses too short for the hands to rest."""
    runs: list[tuple[float, float]] = []
    for start, end in prosody.phrases:
        if runs and start - runs[-1][1] < REST_PAUSE:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs


def preparation_time(distance: float, tempo: float) -> float:
    """Seconds to bring a hand over ``distance`` metres: short ways are slower, as in point-to-point reaching."""
    return (0.28 + 0.80 * distance) / tempo


def _choose_times(
    run: tuple[float, float], accents: list[Accent], style: Style, rng: np.random.Generator
) -> list[Accent]:
    """Accents of one run that get a unit."""
    start, end = run
    chosen: list[Accent] = []
    if end - start < 0.7 and rng.random() < 0.5:
        return chosen
    earliest = start + rng.uniform(0.28, 0.50)
    while True:
        window = rng.uniform(0.5, 1.0) / style.rate
        options = [a for a in accents if earliest <= a.time <= earliest + window and a.time <= end - 0.25]
        if options:
            scores = [a.strength - 0.25 * (a.time - earliest) + 0.12 * rng.standard_normal() for a in options]
            accent = options[int(np.argmax(scores))]
            chosen.append(accent)
            earliest = accent.time + rng.uniform(0.55, 0.9) / style.rate
        else:
            earliest += window
        if earliest > end - 0.35:
            return chosen


class _Hands:
    """Where each hand is during planning: its place in the chest frame and when it got there."""

    def __init__(self, rest_wrists: FloatArray) -> None:
        self.rest = rest_wrists
        self.place = rest_wrists.copy()
        self.since = np.full(2, -np.inf)

    def relax(self, before: float) -> None:
        """Hands that arrived before ``before`` are back at rest."""
        late = self.since < before
        self.place[late] = self.rest[late]


def _unit_weights(
    units: tuple[Unit, ...],
    style: Style,
    recent: list[str],
    strength: float,
    wrists: FloatArray,
    travel: FloatArray,
) -> FloatArray:
    size = np.clip((travel - 0.15) / 0.4, 0.0, 1.0)
    weights = np.array([u.weight * style.favourites[u.family] for u in units])
    weights *= np.exp(-2.0 * (size - strength) ** 2)
    weights *= np.array([0.04 if u.family in recent else 1.0 for u in units])
    two = np.array([len(u.sides) == 2 for u in units])
    right = np.array(["right" in u.sides for u in units])
    one_hand = 2.0 * (1.0 - style.two_hands) * np.where(right, style.right_hand, 1.0 - style.right_hand)
    weights *= np.where(two, style.two_hands, one_hand)
    # High gestures (above the shoulder line) are rare in conversation.
    high = wrists[:, :, 1].max(axis=1)
    return weights * np.where(high > 0.20, 0.2, 1.0)


def make_plan(prosody: Prosody, library: Library, style: Style, rng: np.random.Generator) -> Plan:
    """Places units on accents, run by run; accents left over become beats."""
    units = library.units
    wrists = np.stack([u.wrists for u in units])
    travel = np.array([u.travel.max() for u in units])
    hands = _Hands(wrists_in_chest(style.rest.local[None])[0])
    placements: list[Placement] = []
    recent: list[str] = []
    runs = speech_runs(prosody)
    for run in runs:
        accents = [a for a in prosody.accents if run[0] <= a.time <= run[1]]
        hands.relax(run[0])
        last = run[0] - 0.17
        for accent in _choose_times(run, accents, style, rng):
            hands.relax(accent.time - 3.3)
            arrival = accent.time - style.lead + rng.normal(0.0, 0.025)
            available = arrival - last
            weights = _unit_weights(units, style, recent[-6:], accent.strength, wrists, travel)
            unit = _pick(units, weights, hands, available, style.tempo, rng)
            if unit is None:
                continue
            tempo = style.tempo * rng.uniform(0.92, 1.1)
            # Acted strokes can be faster than people are in conversation.
            tempo = float(np.clip(min(tempo, MAX_STROKE_SPEED / unit.peak_speed), 0.7, 1.25))
            amplitude = float(np.clip(style.amplitude * (0.88 + 0.2 * accent.strength), 0.7, 1.2))
            placements.append(Placement(unit, arrival, tempo, amplitude, unit.sides))
            _move(hands, unit, unit.sides, arrival)
            if len(unit.sides) == 1 and rng.random() < 0.6 * style.two_hands:
                partner = _partner(unit, units, weights, hands, available, style.tempo, rng)
                if partner is not None:
                    delay = rng.uniform(0.0, 0.08)
                    placements.append(Placement(partner, arrival + delay, tempo, 0.85 * amplitude, partner.sides))
                    _move(hands, partner, partner.sides, arrival + delay)
            recent.append(unit.family)
            last = arrival + 0.06
    beats = _beats(prosody.accents, placements, style, rng)
    return Plan(tuple(placements), tuple(beats), tuple(runs))


def _move(hands: _Hands, unit: Unit, sides: tuple[str, ...], time: float) -> None:
    for k, side in enumerate(canonical.SIDES):
        if side in sides:
            hands.place[k] = unit.wrists[k]
            hands.since[k] = time


def _distance(unit: Unit, hands: _Hands) -> float:
    moves = [
        np.linalg.norm(unit.wrists[k] - hands.place[k]) for k, s in enumerate(canonical.SIDES) if s in unit.sides
    ]
    return float(max(moves))


def _pick(
    units: tuple[Unit, ...],
    weights: FloatArray,
    hands: _Hands,
    available: float,
    tempo: float,
    rng: np.random.Generator,
) -> Unit | None:
    """A random unit that the hands can reach in the time ``available`` (s), and that is a visible move."""
    for index in rng.choice(len(units), size=24, p=weights / weights.sum()):
        distance = _distance(units[index], hands)
        if distance > 0.07 and preparation_time(distance, tempo) <= available * 1.1:
            return units[index]
    return None


def _partner(
    unit: Unit,
    units: tuple[Unit, ...],
    weights: FloatArray,
    hands: _Hands,
    available: float,
    tempo: float,
    rng: np.random.Generator,
) -> Unit | None:
    """A one-handed unit for the other hand that keeps clear of the first hand."""
    other = "left" if unit.sides == ("right",) else "right"
    mine = canonical.SIDES.index(unit.sides[0])
    mask = np.array([u.sides == (other,) for u in units])
    weights = weights * mask
    for index in rng.choice(len(units), size=8, p=weights / weights.sum()):
        candidate = units[index]
        apart = np.linalg.norm(candidate.wrists[1 - mine] - unit.wrists[mine])
        if apart > 0.22 and preparation_time(_distance(candidate, hands), tempo) <= available * 1.1:
            return candidate
    return None


def _beats(
    accents: tuple[Accent, ...], placements: list[Placement], style: Style, rng: np.random.Generator
) -> list[Beat]:
    beats = []
    for accent in accents:
        taken = any(-0.30 < accent.time - p.arrival < 0.22 for p in placements)
        if taken or rng.random() > 0.6 + 0.6 * accent.strength:
            continue
        size = style.beats * (0.55 + 0.8 * accent.strength) * rng.uniform(0.75, 1.25)
        side = rng.random()
        left, right = (1.0, rng.uniform(0.5, 1.0)) if side > style.right_hand else (rng.uniform(0.5, 1.0), 1.0)
        time = accent.time - style.lead + float(rng.normal(0.0, 0.02))
        beats.append(Beat(time, float(size * left), float(size * right)))
    return beats
