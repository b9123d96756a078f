# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether gestures that are asked for are seen when they were asked for, and how often they are seen unasked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from ..generation.synthesis import Settings, generate
from ..model.checkpoint import Checkpoint
from ..motion.head_turns import HEAD_CUES
from ..speech.features import SAMPLE_RATE
from ..words.vocabulary import Cue, vocabulary
from .cue_geometry import SIDES, Body, arrivals, body_of
from .cue_tests import shows
from .evaluation import Speech

WITHIN: Final = 0.25
"""Seconds from the cue within which its gesture has to arrive."""
_FIRST, _APART, _LAST = 2.0, 4.0, 1.5


@dataclass
class CueScore:
    """What was seen of one class: arrival errors of the hits (s), and how many were asked and seen unasked."""

    asked: int = 0
    unasked: int = 0
    errors: list[float] = field(default_factory=list)
    seen_as: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Shares and the median error in seconds."""
        return {
            "asked": self.asked,
            "hit": round(len(self.errors) / self.asked, 3) if self.asked else None,
            "without_cue": round(self.unasked / self.asked, 3) if self.asked else None,
            "arrival_error": round(float(np.median(self.errors)), 3) if self.errors else None,
            "seen_as": {name: round(count / self.asked, 3) for name, count in self.seen_as.items()},
        }


def plan_cues(seconds: Sequence[float], seed: int) -> list[list[Cue]]:
    """Cues for clips of these lengths, 4 s apart, every class about as often."""
    rng = np.random.default_rng(seed)
    waiting: list[str] = []
    plans = []
    for length in seconds:
        plan = []
        for time in np.arange(_FIRST, length - _LAST, _APART):
            if not waiting:
                waiting = [str(name) for name in rng.permutation(list(vocabulary()))]
            plan.append((waiting.pop(), float(time + rng.uniform(-0.5, 0.5))))
        plans.append(plan)
    return plans


def evaluate_cues(
    checkpoint: Checkpoint,
    speech: Sequence[Speech],
    settings: Settings,
    rounds: int,
    report: Callable[[str], None],
) -> dict[str, CueScore]:
    """Scores by class: every speech ``rounds`` times with cues and without, each time with another seed."""
    scores = {name: CueScore() for name in vocabulary()}
    speech = [item for _ in range(rounds) for item in speech]
    plans = plan_cues([len(item.audio) / SAMPLE_RATE for item in speech], settings.seed)
    for number, (item, plan) in enumerate(zip(speech, plans, strict=True), 1):
        if not plan:
            continue
        report(f"{item.name} ({number} of {len(speech)}): {len(plan)} cues")
        seeded = settings.with_seed(settings.seed + number)
        bodies = []
        for cues in (plan, []):
            motion = generate(item.audio, checkpoint, seeded.with_cues(cues)).motion
            bodies.append(body_of(motion.directions, checkpoint.skeleton, motion.fps))
        for name, time in plan:
            score = scores[name]
            score.asked += 1
            seen = seen_around(bodies[0], time)
            if name in seen:
                score.errors.append(seen[name])
            for other in seen:
                score.seen_as[other] = score.seen_as.get(other, 0) + 1
            score.unasked += name in seen_around(bodies[1], time)
    return scores


def seen_around(body: Body, time: float) -> dict[str, float]:
    """Classes that are seen to arrive within ``WITHIN`` of a time, and by how many seconds they are off it."""
    seen: dict[str, float] = {}
    for side in SIDES:
        for frame in arrivals(body, side):
            off = abs(frame / body.fps - time)
            if off > WITHIN + 1e-6:
                continue
            for name in vocabulary():
                if name not in HEAD_CUES and shows(name, body, side, int(frame)):
                    seen[name] = min(off, seen.get(name, off))
    for name in HEAD_CUES:
        at = round(time * body.fps)
        if at < len(body.head) and shows(name, body, "left", at):
            seen[name] = abs(_extreme(body, name, at) / body.fps - time)
    return seen


def _extreme(body: Body, name: str, frame: int) -> int:
    """The frame near ``frame`` at which the head comes to where it is turned furthest."""
    turns = body.head[:, {"nod": 1, "shake": 0, "tilt": 2}[name]]
    reach = round(WITHIN * body.fps)
    first = max(0, frame - reach)
    away = np.abs(turns[first : frame + reach + 1] - np.median(turns))
    return first + int(np.argmax(away >= 0.9 * away.max()))


def cue_table(scores: dict[str, CueScore]) -> str:
    """The scores as Markdown."""
    lines = ["| cue | asked | seen | unasked | off, s | also seen as |", "|---|---|---|---|---|---|"]
    for name, score in scores.items():
        if not score.asked:
            continue
        row = score.as_json()
        others = sorted(((share, other) for other, share in row["seen_as"].items() if other != name), reverse=True)
        also = ", ".join(f"{other} {share:.0%}" for share, other in others[:3])
        off = "" if row["arrival_error"] is None else f"{row['arrival_error']:.2f}"
        lines.append(f"| {name} | {score.asked} | {row['hit']:.0%} | {row['without_cue']:.0%} | {off} | {also} |")
    total = sum(score.asked for score in scores.values()) or 1
    hits = sum(len(score.errors) for score in scores.values())
    errors = [error for score in scores.values() for error in score.errors]
    off = f"{np.median(errors):.2f}" if errors else ""
    unasked = sum(score.unasked for score in scores.values())
    lines.append(f"| all | {total} | {hits / total:.0%} | {unasked / total:.0%} | {off} | |")
    return "\n".join(lines) + "\n"
