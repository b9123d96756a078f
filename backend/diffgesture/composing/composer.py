# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses gesture units for the accents of a recording: who gestures how, when and with which hand.

The plan is a list of placements (unit, time of arrival, tempo, amplitude, arms) and of beats. ``performance``
turns it into motion. Speech is cut into gesture phrases; within one, the hands that take part and their palm stay
the same. People swing through the accented syllable and settle up to about 0.1 s after it; a speaker keeps a
personal rate, size, hand and repertoire.
"""

import itertools
from typing import Final

import numpy as np

from ..motion import canonical
from ..speech.prosody import Accent, Prosody
from .arm_pose import palm_direction
from .cues import HEAD, CueEvent
from .plan import Beat, GesturePhrase, Library, Placement, Plan
from .style import Style
from .style import draw_style as _draw_style
from .units import Unit, wrists_in_chest

FloatArray = np.ndarray

# Silences shorter than this (s) never let the hands go back to rest.
SHORTEST_REST: Final = 0.6
# Wrist speed (m/s) at which a stroke is slowed down, by at most 30 %.
MAX_STROKE_SPEED: Final = 1.45
# A run of speech shorter than this (s) is an isolated word: at most a small movement.
ISOLATED: Final = 0.7


def draw_style(library: Library, rng: np.random.Generator) -> Style:
    """A random speaker."""
    return _draw_style(library.rests, library.families, rng)


def speech_runs(prosody: Prosody, rest_pause: float = SHORTEST_REST) -> list[tuple[float, float]]:
    """Phrases joined across pauses (s) too short for the hands to rest."""
    runs: list[tuple[float, float]] = []
    for start, end in prosody.phrases:
        if runs and start - runs[-1][1] < rest_pause:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs


def gesture_phrases(prosody: Prosody, run: tuple[float, float], style: Style, rng: np.random.Generator) -> list:
    """Gesture phrases of one run: prosodic phrases in a row until about 2 to 5 s are full."""
    inside = [p for p in prosody.phrases if run[0] <= p[0] and p[1] <= run[1]]
    phrases: list[GesturePhrase] = []
    start, length = run[0], rng.uniform(2.0, 5.0)
    for k, (_, end) in enumerate(inside):
        if k + 1 < len(inside) and inside[k + 1][1] - start < length:
            continue
        hands = _draw_hands(style, rng)
        up = rng.uniform(0.5, 1.0) if rng.random() < style.palm_up else 0.0
        lift = style.lift + float(np.deg2rad(rng.normal(0.0, 5.0)))
        # Long stretches without a pause are several phrases.
        pieces = max(1, round((end - start) / 4.2))
        edges = np.linspace(start, end, pieces + 1)
        for a, b in itertools.pairwise(edges):
            curl = float(np.deg2rad(rng.uniform(-10.0, 28.0)))
            phrases.append(GesturePhrase(float(a), float(b), hands, lift, up, curl))
            if rng.random() < 0.7:
                hands = _draw_hands(style, rng)
        if k + 1 < len(inside):
            start, length = inside[k + 1][0], rng.uniform(2.0, 5.0)
    return phrases


def _draw_hands(style: Style, rng: np.random.Generator) -> tuple[str, ...]:
    if rng.random() >= style.one_handed:
        return canonical.SIDES
    return ("right",) if rng.random() < style.right_hand else ("left",)


def preparation_time(distance: float, tempo: float) -> float:
    """Seconds to bring a hand over ``distance`` metres: short ways are slower, as in point-to-point reaching."""
    return (0.35 + 0.95 * distance) / tempo


def _choose_times(
    run: tuple[float, float],
    phrases: tuple[tuple[float, float], ...],
    accents: list[Accent],
    style: Style,
    rng: np.random.Generator,
) -> list[Accent]:
    """Accents of one run that get a unit."""
    start, end = run
    chosen: list[Accent] = []
    pairs = itertools.pairwise(phrases)
    begins = [b[0] for a, b in pairs if b[0] - a[1] > 0.35]
    # After a pause the hands need a moment, too.
    accents = [a for a in accents if not any(0.0 <= a.time - begin < 0.28 for begin in begins)]
    if end - start < ISOLATED:
        return [max(accents, key=lambda a: a.strength)] if accents and rng.random() < 0.5 else chosen
    earliest = start + rng.uniform(0.45, 1.3)
    while True:
        window = rng.uniform(0.42, 0.75) / style.pace
        options = [a for a in accents if earliest <= a.time <= earliest + window and a.time <= end - 0.3]
        if options:
            scores = [a.strength - 0.25 * (a.time - earliest) + 0.12 * rng.standard_normal() for a in options]
            accent = options[int(np.argmax(scores))]
            chosen.append(accent)
            earliest = accent.time + rng.uniform(0.45, 0.8) / style.pace
        else:
            earliest += window
        if earliest > end - 0.2:
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

    def drop(self, side: int) -> None:
        self.place[side], self.since[side] = self.rest[side], -np.inf

    def up(self, side: int) -> bool:
        return bool(np.isfinite(self.since[side]) and not np.array_equal(self.place[side], self.rest[side]))

    def move(self, unit: Unit, sides: tuple[str, ...], time: float) -> None:
        for k, side in enumerate(canonical.SIDES):
            if side in sides:
                self.place[k], self.since[k] = unit.wrists[k], time

    def distance(self, unit: Unit, sides: tuple[str, ...]) -> float:
        moves = [
            np.linalg.norm(unit.wrists[k] - self.place[k]) for k, s in enumerate(canonical.SIDES) if s in sides
        ]
        return float(max(moves))


class _Repertoire:
    """What there is to say about all units at once."""

    def __init__(self, units: tuple[Unit, ...], style: Style) -> None:
        self.units = units
        self.wrists = np.stack([u.wrists for u in units])
        self.travel = np.array([u.travel.max() for u in units])
        self.two = np.array([len(u.sides) == 2 for u in units])
        self.right = np.array(["right" in u.sides for u in units])
        self.left = np.array(["left" in u.sides for u in units])
        self.base = np.array([u.weight * style.favourites.get(u.family, 1.0) for u in units])
        arrivals = np.stack([u.local[u.arrival] for u in units])
        facing = np.stack([palm_direction(arrivals, side)[..., 1] for side in canonical.SIDES], axis=1)
        part = np.stack([self.left, self.right], axis=1)
        self.palm_up = np.where(part, facing, -1.0).max(axis=1) > 0.35
        # High gestures (above the shoulder line) are rare in conversation.
        high = self.wrists[:, :, 1].max(axis=1)
        self.base *= np.where(high > 0.22, 0.3, 1.0)

    def weights(
        self, phrase: GesturePhrase, recent: list[str], strength: float, style: Style, both_up: bool
    ) -> FloatArray:
        """Chances of all units in ``phrase`` on an accent of ``strength``.

        In a phrase of both hands, one of them alone moves mostly while both are up.
        """
        size = np.clip((self.travel - 0.15) / 0.4, 0.0, 1.0)
        wanted = np.clip(0.35 + 0.6 * strength + 0.3 * style.numbers["size"], 0.0, 1.2)
        weights = self.base * np.exp(-2.0 * (size - wanted) ** 2)
        weights *= np.array([0.04 if u.family in recent else 1.0 for u in self.units])
        if phrase.palm_up:
            weights *= np.where(self.palm_up, 3.0, 1.0)
        if len(phrase.hands) == 2:
            return weights * np.where(self.two, 1.0, 0.22 if both_up else 0.02)
        fitting = (self.right if "right" in phrase.hands else self.left) & ~self.two
        # A two-handed unit can be played by one arm, which makes room for more.
        return weights * np.where(fitting, 1.0, np.where(self.two, 0.25, 0.0))


def make_plan(
    prosody: Prosody,
    library: Library,
    style: Style,
    rng: np.random.Generator,
    cue_rate: float = 0.0,
) -> Plan:
    """Places units on accents, run by run; accents left over become beats.

    ``cue_rate`` is the number of cues a second; none where the library has none.
    """
    planner = _Planner(prosody, library, style, rng)
    if cue_rate and library.cues:
        planner.ask_for_cues(cue_rate)
    return planner.plan()


class _Planner:
    """The plan of one take while it is made."""

    def __init__(self, prosody: Prosody, library: Library, style: Style, rng: np.random.Generator) -> None:
        self.prosody, self.library, self.style, self.rng = prosody, library, style, rng
        self.hands = _Hands(wrists_in_chest(style.rest.local[None])[0])
        self.repertoire = _Repertoire(library.units, style)
        self.placements: list[Placement] = []
        self.drops: list[tuple[str, float]] = []
        self.cues: list[CueEvent] = []
        self.recent: list[str] = []
        self.last = -1.0

    def ask_for_cues(self, rate: float) -> None:
        """Draws cues and their times: most on accents, some anywhere."""
        rng, accents = self.rng, self.prosody.accents
        names = [*self.library.cues, *HEAD]
        time = rng.uniform(0.6, 1.0 / rate)
        while time < self.prosody.seconds - 0.8:
            near = [a.time for a in accents if abs(a.time - time) < 0.8]
            at = float(near[int(rng.integers(len(near)))]) if near and rng.random() < 0.7 else float(time)
            self.cues.append(CueEvent(names[int(rng.integers(len(names)))], at))
            time = at + rng.uniform(1.3, 2.0 / rate)

    def plan(self) -> Plan:
        runs = speech_runs(self.prosody, max(SHORTEST_REST, self.style.rest_pause))
        phrases: list[GesturePhrase] = []
        waiting = [cue for cue in self.cues if cue.name not in HEAD]
        for run in runs:
            accents = [a for a in self.prosody.accents if run[0] <= a.time <= run[1]]
            self._play_cues([c for c in waiting if c.time < run[0]])
            waiting = [c for c in waiting if c.time >= run[0]]
            self.hands.relax(run[0])
            own = gesture_phrases(self.prosody, run, self.style, self.rng)
            self.last = max(self.last, run[0] - 0.3)
            current: GesturePhrase | None = None
            for accent in _choose_times(run, self.prosody.phrases, accents, self.style, self.rng):
                self._play_cues([c for c in waiting if c.time < accent.time + 0.6])
                waiting = [c for c in waiting if c.time >= accent.time + 0.6]
                phrase = next((p for p in own if accent.time <= p.end + 0.05), own[-1])
                if phrase is not current:
                    self._change_hands(phrase)
                    current = phrase
                self.hands.relax(accent.time - 4.2)
                self._place(accent, phrase, isolated=run[1] - run[0] < ISOLATED)
            phrases += own
        self._play_cues(waiting)
        placements = sorted(self.placements, key=lambda p: p.arrival)
        beats = _beats(self.prosody.accents, placements, self.style, phrases, self.rng)
        return Plan(
            tuple(placements), tuple(beats), tuple(runs), tuple(phrases), tuple(self.drops), tuple(self.cues)
        )

    def _change_hands(self, phrase: GesturePhrase) -> None:
        """Hands that take no part in ``phrase`` go down, or stay where they are."""
        for k, side in enumerate(canonical.SIDES):
            if side not in phrase.hands and self.hands.up(k) and self.rng.random() < 0.75:
                self.drops.append(
                    (side, float(max(phrase.start + self.rng.uniform(-0.2, 0.3), self.hands.since[k] + 0.05)))
                )
                self.hands.drop(k)

    def _place(self, accent: Accent, phrase: GesturePhrase, isolated: bool) -> None:
        style, rng = self.style, self.rng
        arrival = accent.time + style.lag + rng.normal(0.0, 0.02)
        available = arrival - self.last
        both_up = self.hands.up(0) and self.hands.up(1)
        weights = self.repertoire.weights(phrase, self.recent[-6:], accent.strength, style, both_up)
        unit = self._pick(weights, phrase.hands, available)
        if unit is None:
            return
        sides = tuple(side for side in unit.sides if side in phrase.hands)
        size = style.amplitude * (0.92 + 0.22 * accent.strength) * (rng.uniform(0.3, 0.45) if isolated else 1.0)
        self._add(unit, arrival, sides, size, phrase, MAX_STROKE_SPEED)
        if len(phrase.hands) == 2 and len(sides) == 1 and rng.random() < (0.3 if both_up else 0.9):
            self._add_partner(unit, weights, arrival, available, size, phrase)
        self.recent.append(unit.family)
        self.last = arrival + 0.06

    def _add(
        self,
        unit: Unit,
        arrival: float,
        sides: tuple[str, ...],
        size: float,
        phrase: GesturePhrase,
        max_speed: float,
        variation: float = 1.0,
    ) -> None:
        """Adds a placement with its own small differences from the unit."""
        rng, style = self.rng, self.style
        tempo = style.tempo * rng.uniform(0.92, 1.1)
        # Acted strokes can be faster than people are in conversation.
        tempo = float(np.clip(min(tempo, max_speed / unit.peak_speed), 0.7, 1.3))
        swing = variation * rng.normal(0.0, np.deg2rad(6.0), (2, 3)) * np.array([1.0, 1.2, 0.6])
        way = self.hands.distance(unit, sides)
        # Most ways bow upwards or outwards, some the other way.
        angle = rng.uniform(-1.0, 2.0)
        bend = np.deg2rad(rng.uniform(14.0, 32.0)) * min(way, 0.5) / 0.4
        bow = bend * np.array([[-np.cos(angle), s * np.sin(angle), 0.0] for s in (1.0, -1.0)])
        # One hand leads, the other follows smaller.
        for k, side in enumerate(sides):
            lead = len(sides) == 1 or (side == "right") == (rng.random() < style.right_hand)
            amplitude = size if lead else size * rng.uniform(0.6, 1.0)
            later = 0.0 if lead or len(sides) == 1 else rng.uniform(0.0, 0.09)
            self.placements.append(
                Placement(
                    unit,
                    float(arrival + later),
                    tempo,
                    float(np.clip(amplitude, 0.2, 1.5)),
                    (side,),
                    swing,
                    bow,
                    variation * phrase.lift,
                    variation * phrase.palm_up,
                    variation * phrase.fingers,
                )
            )
            self.hands.move(unit, (side,), arrival + later + 0.0 * k)

    def _add_partner(
        self,
        unit: Unit,
        weights: FloatArray,
        arrival: float,
        available: float,
        size: float,
        phrase: GesturePhrase,
    ) -> None:
        """A one-handed unit for the other hand that keeps clear of the first hand."""
        other = "left" if unit.sides == ("right",) else "right"
        mine = canonical.SIDES.index(unit.sides[0])
        units = self.library.units
        chances = weights * np.array([u.sides == (other,) for u in units])
        for index in self.rng.choice(len(units), size=8, p=chances / chances.sum()):
            candidate = units[index]
            apart = np.linalg.norm(candidate.wrists[1 - mine] - unit.wrists[mine])
            way = self.hands.distance(candidate, (other,))
            if apart > 0.22 and preparation_time(way, self.style.tempo) <= available * 1.1:
                delay = self.rng.uniform(0.0, 0.12)
                self._add(candidate, arrival + delay, (other,), 0.85 * size, phrase, MAX_STROKE_SPEED)
                return

    def _pick(self, weights: FloatArray, hands: tuple[str, ...], available: float) -> Unit | None:
        """A random unit that the hands can reach in the time ``available`` (s); wide moves are preferred."""
        units, style = self.library.units, self.style
        far = 0.34 * 1.3 ** style.numbers["size"]
        tempo = style.tempo * max(1.0, style.pace) ** 0.35
        for index in self.rng.choice(len(units), size=28, p=weights / weights.sum()):
            sides = tuple(side for side in units[index].sides if side in hands)
            way = self.hands.distance(units[index], sides)
            wide = min(1.0, (way / far) ** 2.0)
            if preparation_time(way, tempo) <= available * 1.1 and self.rng.random() < wide:
                return units[index]
        return None

    def _play_cues(self, cues: list[CueEvent]) -> None:
        """Places units that show ``cues``; what is near them makes room."""
        for cue in cues:
            units = self.library.cues[cue.name]
            unit = units[int(self.rng.integers(len(units)))]
            if len(unit.sides) == 1 and cue.name not in ("left", "right"):
                want = "right" if self.rng.random() < self.style.right_hand else "left"
                fitting = [u for u in units if u.sides in ((want,), canonical.SIDES)]
                unit = fitting[int(self.rng.integers(len(fitting)))] if fitting else unit
            self.placements = [p for p in self.placements if not -0.45 < p.arrival - cue.time < 0.9]
            held = (unit.hold_end - unit.arrival) / 30.0
            plain = GesturePhrase(cue.time, cue.time, unit.sides, 0.0, 0.0, 0.0)
            size = float(np.clip(self.style.amplitude, 0.85, 1.15))
            before = len(self.placements)
            self._add(unit, cue.time, unit.sides, size, plain, 1.9, variation=0.5)
            # Both hands of a cue arrive together and at full size.
            self.placements[before:] = [_exact(p, cue.time, size) for p in self.placements[before:]]
            self.last = cue.time + min(held, 0.8)


def _exact(placement: Placement, arrival: float, size: float) -> Placement:
    return Placement(
        placement.unit, arrival, placement.tempo, size, placement.sides, placement.swing, placement.bow
    )


def _beats(
    accents: tuple[Accent, ...],
    placements: list[Placement],
    style: Style,
    phrases: list[GesturePhrase],
    rng: np.random.Generator,
) -> list[Beat]:
    beats = []
    for accent in accents:
        near = 0.42 / max(1.0, style.pace) ** 0.5
        taken = any(-near < accent.time - p.arrival < near for p in placements)
        if taken or rng.random() > style.pace**2 * (0.12 + 0.46 * accent.strength):
            continue
        phrase = next((p for p in phrases if accent.time <= p.end + 0.05), None)
        size = style.amplitude * (1.05 + 1.1 * accent.strength) * rng.uniform(0.75, 1.3)
        sizes = dict.fromkeys(canonical.SIDES, 1.0)
        weaker = "left" if rng.random() < style.right_hand else "right"
        sizes[weaker] = rng.uniform(0.0, 0.8)
        if phrase is not None and len(phrase.hands) == 1:
            sizes = {side: 1.0 if side in phrase.hands else 0.1 for side in canonical.SIDES}
        time = accent.time + style.lag + float(rng.normal(0.0, 0.03))
        beats.append(Beat(time, float(size * sizes["left"]), float(size * sizes["right"])))
    return beats
