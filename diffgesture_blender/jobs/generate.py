# SPDX-License-Identifier: GPL-3.0-or-later
"""One generation from request to keyframes. Two pumps drive it: a timer in a window, a loop in the background.

Between request and result the user may undo, rename, delete, or open another file. The job therefore keeps no
reference into Blender's data; scene and armature are looked up again by their session uid when keys are written.
"""

import math
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import bpy

from .. import compat
from ..animation import takes
from ..animation.key_writing import KeyReport
from ..animation.layers import is_generated, mark_generated
from ..errors import DiffGestureError
from ..motion import Motion, load_motion
from ..retarget.aim_measure import aim_at
from ..retarget.apply import Retargeting, RetargetReport
from ..retarget.gaze import gaze_at
from ..retarget.look import Look
from ..retarget.present_pose import model_rest
from ..settings.of_character import settings_for
from ..sound import sequencer
from ..state import character
from ..state.session import session
from ..worker import BackendError, Call, JobCancelled
from ..worker.errors import WorkerRefused
from .regenerate import apply_plan, write_constraints
from .request import JobRequest
from .worker_task import IDLE_TIMEOUT, WorkerTask

SILENCE_SHOWN_AFTER: Final = 15.0


@dataclass(frozen=True)
class JobResult:
    """What was made, for the panel, the report and the exports."""

    scene_uid: int
    armature_uid: int
    armature_name: str
    action_name: str
    family: str
    motion_path: Path
    folder: Path
    frame_start: int
    frame_end: int
    seed: int
    seconds: float
    reply: dict[str, Any]
    warnings: tuple[str, ...]
    missing: tuple[str, ...] = ()
    keys: KeyReport = field(default_factory=lambda: KeyReport(0, 0, 0.0))
    look: Look = field(default_factory=Look)


class GenerateJob(WorkerTask):
    """Drives one request. ``poll`` until ``done``, then ``steps``, then ``finish``."""

    undo_message: Final = "Generate Gestures"

    def __init__(self, request: JobRequest) -> None:
        super().__init__(request)
        self._started = time.monotonic()
        self._waiting_for: str | None = None
        self._cancelling = False
        self._result: JobResult | None = None

    # -- state, for the panel --------------------------------------------------------------------------------

    @property
    def fraction(self) -> float:
        progress = self._call.progress if self._call is not None else None
        return progress.fraction if progress is not None else 0.0

    @property
    def text(self) -> str:
        if self._waiting_for:
            return self._waiting_for
        if self._cancelling:
            return "Cancelling"
        if self._call is None:
            return f"{self._connection.stage} ({time.monotonic() - self._started:.0f} s)"
        if self._call.silent_for > SILENCE_SHOWN_AFTER:
            return f"No progress for {self._call.silent_for:.0f} s"
        progress = self._call.progress
        if progress is None:
            return "Waiting for the backend"
        return f"{progress.message or progress.stage}  {progress.fraction:.0%}"

    # -- driving ---------------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Ask for an end; ``done`` follows when the worker has stopped."""
        self._cancelling = True
        if self._call is None:
            self._connection.cancel()
            self._error = JobCancelled()
        elif self._connection.client is not None:
            self._connection.client.cancel(self._call)

    def refusal(self) -> str | None:
        """Why keys cannot be written where nobody can be waited for."""
        return "Leave Edit Mode first; nothing was changed." if bpy.context.mode.startswith("EDIT") else None

    def show(self, result: JobResult) -> bool:
        """The result becomes the panel's last one."""
        session.forget_result()
        session.result = result
        self.keep_seed(result)
        return True

    def keep_seed(self, result: JobResult) -> None:
        """The seed of a new part becomes the character's."""
        scene = character.find_scene(result.scene_uid)
        armature = None if scene is None else character.find_armature(result.armature_uid, scene)
        if self.request.plan is not None and armature is not None:
            settings_for(armature, scene).seed = result.seed

    def obstacle(self) -> str | None:
        """Why the result must not be written just now: the user or a render is in the middle of something."""
        if bpy.context.mode.startswith("EDIT"):
            self._waiting_for = "Done: leave Edit Mode to get the keys"
        elif any(bpy.app.is_job_running(kind) for kind in ("RENDER", "OBJECT_BAKE")):
            self._waiting_for = "Done: waiting for the render"
        elif any(_interactive(window) for window in bpy.context.window_manager.windows):
            self._waiting_for = "Done: waiting for the tool in use"
        else:
            self._waiting_for = None
        return None if self.failed else self._waiting_for

    @property
    def failed(self) -> bool:
        return self._error is not None or (self._call is not None and self._call.error is not None)

    def steps(self) -> Iterator[None]:
        """Write the keys; raises the error that ended the job."""
        reply = self.answer()
        assert reply is not None
        yield from self._apply(reply)

    def finish(self) -> JobResult:
        """What was made."""
        assert self._result is not None
        return self._result

    def _ask(self) -> Call:
        hello = self._connection.hello
        if hello.get("checkpoint") is None:
            problem = hello.get("checkpoint_error") or "The backend has no checkpoint."
            raise WorkerRefused(
                str(problem),
                kind="checkpoint",
                hint="Choose another checkpoint in the preferences, or none to use the bundled one.",
            )
        assert self._connection.client is not None
        params = {**self.request.worker_params(), "engine": self._connection.engine}
        if self.request.plan is not None:
            params["constraints"] = str(self._write_constraints(self._connection.hello["checkpoint"]))
        return self._connection.client.call(
            "generate",
            params,
            doing="generating gestures",
            idle_timeout=IDLE_TIMEOUT,
        )

    def _apply(self, reply: dict[str, Any]) -> Iterator[None]:
        request = self.request
        try:
            made = [(Path(item["path"]), int(item["seed"])) for item in reply["motions"]]
            warnings = [str(text) for text in reply.get("warnings", ())]
            motion_path, seed = made[0]
        except (KeyError, IndexError, TypeError) as error:
            raise BackendError(
                "The backend's answer names no motion.", hint="Reinstall the add-on.", details=repr(reply)
            ) from error
        scene, armature = self._scene_and_armature()
        below = compat.current_action(armature).action
        if request.keys.layer == "ADDITIVE" and request.plan is None and is_generated(below):
            warnings.append(
                f"The action {below.name} was generated too, so its gestures and the new ones add up; mute its "
                "strip to see the new ones alone."
            )
        motions = [(load_motion(path), seed) for path, seed in made]
        for motion, seed in reversed(motions):  # the first of them is what animates the character in the end
            report = yield from self._write(motion, seed, None if below is None else below.name)
            scene, armature = self._scene_and_armature()
        warnings += report.warnings
        warnings += request.audio.notes
        warnings += request.notes
        if request.add_sound:
            warnings += self._add_sound(scene)
        self._result = JobResult(
            scene_uid=scene.session_uid,
            armature_uid=armature.session_uid,
            armature_name=armature.name,
            action_name=report.action_name,
            family=report.family,
            motion_path=motion_path,
            folder=request.folder,
            frame_start=math.floor(report.frame_start),
            frame_end=math.ceil(report.frame_end),
            seed=seed,
            seconds=time.monotonic() - self._started,
            reply=reply,
            warnings=tuple(dict.fromkeys(warnings)),
            missing=report.missing,
            keys=report.keys,
            look=report.look,
        )

    def _write(self, motion: Motion, seed: int, below: str | None) -> Generator[None, None, RetargetReport]:
        """One motion as keys of a new action, and a take of it; ``below``: the action that played before."""
        scene, armature = self._scene_and_armature()
        request, name = self.request, self.request.action_name(seed)
        told: list[str] = []
        work: Retargeting | None = None
        if request.glances:
            motion, told = gaze_at(armature, motion, request.glances, frame_start=request.frame_start, scene=scene)
        if request.targets:
            motion, said = aim_at(armature, motion, request.targets, frame_start=request.frame_start, scene=scene)
            told += said
        if request.plan is not None:
            report = apply_plan(request.plan, armature, motion, scene, request.frame_start, name, request.keys)
        else:
            work = Retargeting(
                motion,
                frame_start=request.frame_start,
                action_name=name,
                keys=request.keys,
                rest_motion=self._rest_motion() if request.keys.layer == "ADDITIVE" else None,
            )
            work.measure(armature, scene)
            yield
            scene, armature = self._scene_and_armature()
            work.solve(armature, scene)
            yield
            scene, armature = self._scene_and_armature()
            yield from work.make_keys(armature, scene)
            scene, armature = self._scene_and_armature()
            report = work.write(armature, scene)
        report = replace(report, warnings=(*told, *report.warnings))
        action = bpy.data.actions[report.action_name]
        mark_generated(action)
        takes.record(
            armature,
            action,
            bpy.data.actions.get(below) if below is not None else None,
            speech=request.audio.name,
            seed=seed,
            frames=(math.floor(report.frame_start), math.ceil(report.frame_end)),
            settings=request.controls,
        )
        if work is not None:
            yield
            scene, armature = self._scene_and_armature()
            report = work.look(armature, scene, report)
        return report

    def _scene_and_armature(self) -> tuple[bpy.types.Scene, bpy.types.Object]:
        """Both looked up again; DiffGestureError if one is gone."""
        request = self.request
        scene = character.find_scene(request.scene_uid)
        if scene is None:
            raise DiffGestureError(
                f"The scene {request.scene_name} is gone; nothing was changed. Generate again in another scene."
            )
        armature = character.find_armature(request.armature_uid, scene)
        if armature is None:
            raise DiffGestureError(
                f"The armature {request.armature_name} is gone from the scene {scene.name} (deleted or undone); "
                "nothing was changed. Choose an armature and generate again."
            )
        return scene, armature

    def _rest_motion(self) -> Motion:
        """One frame of the pose that the model rests in."""
        try:
            return model_rest(self._connection.hello["checkpoint"])
        except (KeyError, ValueError, TypeError) as error:
            raise DiffGestureError("The backend does not tell its rest pose; reinstall the add-on.") from error

    def _write_constraints(self, card: dict[str, Any]) -> Path:
        request = self.request
        assert request.plan is not None
        scene, armature = self._scene_and_armature()
        return write_constraints(request.plan, armature, scene, request.frame_start, card, request.folder)

    def _add_sound(self, scene: bpy.types.Scene) -> list[str]:
        clip, request = self.request.audio, self.request
        sound = bpy.data.sounds.get(clip.sound) if clip.sound is not None else None
        try:
            _, told = sequencer.put_sound(
                scene, str(clip.original), sound, request.frame_start, request.armature_name
            )
        except RuntimeError as error:
            return [f"The sound was not added to the sequencer: {error}"]
        return [] if told is None else [told]


def _interactive(window: bpy.types.Window) -> bool:
    """A transform or paint stroke is under way in this window."""
    names = (operator.bl_idname for operator in window.modal_operators)
    return any(name.startswith(("TRANSFORM_OT", "POSE_OT", "PAINT_OT", "SCULPT_OT")) for name in names)
