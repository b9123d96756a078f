# SPDX-License-Identifier: GPL-3.0-or-later
"""All characters of a scene, one after the other on one worker; the keys of all are one undo step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import bpy

from ..sound import sequencer
from ..sound.source import AudioClip
from ..state import character
from ..state.session import Problem, remove_folder, session
from ..translations import tr
from ..worker import JobCancelled
from .generate import GenerateJob, JobResult
from .request import JobRequest
from .scene_plan import ScenePlan


@dataclass(frozen=True)
class SceneResult:
    """What was made for each character, and why there is nothing for others: (name, problem)."""

    results: tuple[JobResult, ...]
    problems: tuple[tuple[str, Problem], ...]
    notes: tuple[str, ...]


@dataclass
class Seat:
    """One character's place in the queue."""

    request: JobRequest
    job: GenerateJob | None = None
    error: BaseException | None = None
    result: JobResult | None = None
    cancelled: bool = False

    @property
    def name(self) -> str:
        return self.request.armature_name

    @property
    def over(self) -> bool:
        """The worker's part is over for it, or was never begun."""
        return self.error is not None or (self.job is not None and self.job.done)

    @property
    def fraction(self) -> float:
        return 1.0 if self.over else self.job.fraction if self.job is not None else 0.0

    @property
    def text(self) -> str:
        """How far it is, for the panel."""
        if self.cancelled:
            return tr("Cancelled") if self.over else tr("Cancelling")
        if self.error is not None or (self.job is not None and self.job.failed):
            return tr("Failed")
        if self.over:
            return tr("Generated")
        return tr("Waiting") if self.job is None else self.job.text

    def cancel(self) -> None:
        """Leave it out; others go on."""
        self.cancelled = True
        if self.job is not None and not self.job.done:
            self.job.cancel()  # the worker has to stop before it can do the next
        elif self.error is None:
            self.error = JobCancelled()


class SceneJob:
    """Drives the requests of a ``ScenePlan``: a task like ``GenerateJob``."""

    undo_message: Final = "Generate Scene"

    def __init__(
        self, plan: ScenePlan, folder: Path, make: Callable[[JobRequest], GenerateJob] = GenerateJob
    ) -> None:
        self.seats: Final = [Seat(request) for request in plan.requests]
        self._plan, self._folder, self._make = plan, folder, make
        self._cancelled = False
        self._missing: list[tuple[str, AudioClip, int]] = [
            (part.armature.name, *part.missing) for part in plan.parts if part.missing is not None
        ]

    @property
    def done(self) -> bool:
        return all(seat.over for seat in self.seats)

    @property
    def fraction(self) -> float:
        return sum(seat.fraction for seat in self.seats) / len(self.seats)

    @property
    def text(self) -> str:
        seat = self._current()
        if seat is None:
            return next((seat.job.text for seat in self.seats if seat.job and not seat.job.failed), "Cancelling")
        return f"{seat.name} ({self.seats.index(seat) + 1} of {len(self.seats)}): {seat.text}"

    def poll(self, wait: float = 0.0) -> None:
        """Go on with the first that is not over."""
        seat = self._current()
        if seat is None:
            return
        try:
            if seat.job is None:
                seat.job = self._make(seat.request)
            seat.job.poll(wait)
        except Exception as error:  # the others go on
            seat.error = error

    def cancel(self) -> None:
        """End all; nothing is changed."""
        self._cancelled = True
        for seat in self.seats:
            seat.cancel()

    def obstacle(self) -> str | None:
        """Why the keys must not be written just now."""
        told = [seat.job.obstacle() for seat in self.seats if seat.job is not None and not self._cancelled]
        return next(filter(None, told), None)

    def refusal(self) -> str | None:
        """Why keys cannot be written where nobody can be waited for."""
        return next((seat.job.refusal() for seat in self.seats if seat.job is not None), None)

    def steps(self) -> Iterator[None]:
        """Write the keys of all for whom there is a motion; raises what ended the job where there is none."""
        if self._cancelled:
            raise JobCancelled
        for seat in self.seats:
            if seat.error is not None or seat.job is None:
                continue
            try:
                yield from seat.job.steps()
                seat.result = replace(seat.job.finish(), folder=self._folder)
            except Exception as error:  # one that is gone or cancelled does not stop the others
                seat.error = error
            yield
        if all(seat.result is None for seat in self.seats):
            raise next(seat.error for seat in self.seats if seat.error is not None)
        self._add_sounds()

    def finish(self) -> SceneResult:
        """What was made."""
        failed = [(s.name, s.error) for s in self.seats if s.error is not None]
        return SceneResult(
            tuple(seat.result for seat in self.seats if seat.result is not None),
            tuple((name, Problem.of(e)) for name, e in failed if not isinstance(e, JobCancelled)),
            self._plan.left_out,
        )

    def discard(self) -> None:
        """Remove the files of all."""
        remove_folder(self._folder)

    def show(self, result: SceneResult) -> bool:
        """The chosen character's result becomes the panel's, else the first one; what failed is told."""
        session.forget_result()
        session.scene_result = result
        for seat in self.seats:  # a new part counts the seed up, as Regenerate does
            if seat.result is not None and seat.job is not None:
                seat.job.keep_seed(seat.result)
        chosen = bpy.context.scene.diffgesture.armature if bpy.context.scene is not None else None
        uid = None if chosen is None else chosen.session_uid
        session.result = next((r for r in result.results if r.armature_uid == uid), result.results[0])
        if result.problems:
            name, problem = result.problems[0]
            session.problem = replace(problem, message=f"{name}: {problem.message}")
        return not result.problems

    def _current(self) -> Seat | None:
        return next((seat for seat in self.seats if not seat.over), None)

    def _add_sounds(self) -> None:
        """Let the sequencer play the recordings that it does not play yet."""
        done = {seat.name for seat in self.seats if seat.result is not None}
        scene = character.find_scene(self.seats[0].request.scene_uid)
        for name, clip, frame in self._missing:
            if scene is None or name not in done:
                continue
            sound = bpy.data.sounds.get(clip.sound) if clip.sound is not None else None
            try:
                sequencer.put_sound(scene, str(clip.original), sound, frame, name)
            except RuntimeError as error:  # this Blender was built without audio
                self._plan = replace(self._plan, left_out=(*self._plan.left_out, f"No sound was added: {error}"))
