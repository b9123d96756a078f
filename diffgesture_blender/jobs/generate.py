# SPDX-License-Identifier: GPL-3.0-or-later
"""One generation from request to keyframes. Two pumps drive it: a timer in a window, a loop in the background.

Between request and result the user may undo, rename, delete, or open another file. The job therefore keeps no
reference into Blender's data; scene and armature are looked up again by their session uid when keys are written.
"""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import bpy

from .. import compat
from ..animation import takes
from ..animation.key_writing import KeyOptions, KeyReport
from ..animation.layers import is_generated, mark_generated
from ..errors import DiffGestureError
from ..motion import Motion, load_motion
from ..retarget import find_bone_map
from ..retarget.apply import RetargetReport, retarget
from ..retarget.look import Look
from ..retarget.present_pose import model_rest
from ..settings.cues import cues_of_scene
from ..settings.machine import Machine
from ..sound import sequencer
from ..sound import source as audio_source
from ..sound.source import AudioClip
from ..sound.transcript import transcript_file, word_table_file
from ..state import character
from ..state.session import remove_folder, session
from ..timing import frame_rate
from ..worker import BackendError, Call, JobCancelled
from ..worker.errors import WorkerRefused
from .regenerate import Plan, apply_plan, check_layer, kept_animation, write_constraints

IDLE_TIMEOUT: Final = 300.0  # seconds without a sign of progress before the worker counts as hung
SILENCE_SHOWN_AFTER: Final = 15.0


@dataclass(frozen=True)
class JobRequest:
    """Everything a job needs, as plain values. ``folder`` receives its files; ``plan``: only a part is wanted."""

    scene_uid: int
    scene_name: str
    armature_uid: int
    armature_name: str
    audio: AudioClip
    frame_start: int
    folder: Path
    machine: Machine
    controls: dict[str, Any] = field(default_factory=dict)
    plan: Plan | None = None
    keys: KeyOptions = field(default_factory=KeyOptions)
    add_sound: bool = True
    variations: int = 1
    cues: tuple[tuple[str, float] | str, ...] = ()
    notes: tuple[str, ...] = ()
    transcript: str | None = None
    word_table: str | None = None

    @property
    def seed(self) -> int:
        """Of the first variation; the others count up from it."""
        return int(self.controls.get("seed", 0))

    def action_name(self, seed: int) -> str:
        """Of the action to be written."""
        name = f"{self.audio.name} seed {seed}"
        return name if self.plan is None else f"{name} {self.plan.label}"

    def worker_params(self) -> dict[str, Any]:
        """The parameters of the worker's ``generate``."""
        return {
            "audio": str(self.audio.path),
            "audio_start": self.audio.start,
            "audio_end": self.audio.end,
            "output_dir": str(self.folder),
            "checkpoint": self.machine.checkpoint,
            "device": self.machine.device,
            "variations": self.variations,
            **({"cues": [c if isinstance(c, str) else list(c) for c in self.cues]} if self.cues else {}),
            **self._words(),
            **self.controls,
        }

    def words_params(self) -> dict[str, Any]:
        """The parameters of the worker's ``find_cues``."""
        return {
            "audio": str(self.audio.path),
            "audio_start": self.audio.start,
            "audio_end": self.audio.end,
            **self._words(),
            **self.controls,
        }

    def _words(self) -> dict[str, str]:
        given = {"transcript": self.transcript, "word_table": self.word_table}
        return {name: path for name, path in given.items() if path}


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


def build_request(
    scene: bpy.types.Scene,
    armature: bpy.types.Object | None,
    clip: AudioClip,
    *,
    folder: Path,
    machine: Machine,
    controls: dict[str, Any],
    frame_start: int | None = None,
    plan: Plan | None = None,
    keys: KeyOptions | None = None,
    add_sound: bool = False,
    variations: int = 1,
    cues: str = "",
    transcript: str | None = None,
    word_table: str | None = None,
) -> JobRequest:
    """The request of the panel, of the command line and of scripts alike.

    ``frame_start``: None where the speech is heard or the scene begins. ``cues``: gestures as on the command line
    (``1.2:you,3.4:no`` or a file), beside those of the scene's markers; ``transcript``: a file of what is said;
    ``word_table``: a person's own table of words.
    Raises DiffGestureError before anything is started.
    """
    armature = check_armature(armature, scene)
    keys = keys or KeyOptions()
    if plan is not None:
        kept_animation(armature)
        check_layer(keys)
        if controls.get("preset") == "reference":
            raise DiffGestureError("The reference algorithm cannot keep a part of a motion; take the default one.")
    start = start_frame(frame_start, scene, clip)
    placed, notes = cues_of_scene(scene, armature, start)
    if controls.get("preset") == "reference" and (placed or cues):
        raise DiffGestureError(
            "The reference algorithm cannot take gesture cues; take the default one, or switch the cues off."
        )
    return JobRequest(
        scene_uid=scene.session_uid,
        scene_name=scene.name,
        armature_uid=armature.session_uid,
        armature_name=armature.name,
        audio=clip,
        frame_start=start,
        folder=folder,
        machine=machine,
        controls=controls,
        plan=plan,
        keys=keys,
        # The speech of a motion of which a part is replaced is heard already.
        add_sound=add_sound and not clip.heard and plan is None,
        variations=variations if plan is None else 1,
        cues=(*placed, *([cues] if cues else [])),
        notes=tuple(notes),
        transcript=transcript,
        word_table=word_table,
    )


def request_from_scene(
    context: bpy.types.Context, machine: Machine, folder: Path, plan: Plan | None = None, seed: int | None = None
) -> JobRequest:
    """The job that the scene's settings describe, with another ``seed`` if given."""
    scene, settings = context.scene, context.scene.diffgesture
    controls = settings.controls()
    if seed is not None:
        controls["seed"] = seed
    armature = check_armature(character.chosen_armature(settings, context), scene)
    clip = audio_source.resolve(settings, context, folder)
    start = start_frame(settings.chosen_frame_start(), scene, clip)
    # A file's times are those of the recording; text strips are where the speech is heard.
    begin = start - clip.start * frame_rate(scene)
    return build_request(
        scene,
        armature,
        clip,
        folder=folder,
        machine=machine,
        controls=controls,
        frame_start=settings.chosen_frame_start(),
        plan=plan,
        keys=settings.keys(),
        add_sound=settings.add_sound,
        variations=settings.variations,
        transcript=transcript_file(settings, scene, compat.sequencer_scene(context), begin, folder),
        word_table=word_table_file(settings),
    )


def start_frame(chosen: int | None, scene: bpy.types.Scene, clip: AudioClip) -> int:
    """The scene frame at which the speech begins: as chosen, else where it is heard, else the scene's first."""
    if chosen is not None:
        return chosen
    return scene.frame_start if clip.frame is None else round(clip.frame)


def check_armature(armature: bpy.types.Object | None, scene: bpy.types.Scene) -> bpy.types.Object:
    """The armature; raises DiffGestureError if no gestures can be put on it: none, not in the scene, no arms."""
    if armature is None:
        raise DiffGestureError("Choose the character's armature first.")
    if scene.objects.get(armature.name) != armature:
        raise DiffGestureError(f"The armature {armature.name} is not in the scene {scene.name}.")
    find_bone_map(armature)
    return armature


class GenerateJob:
    """Drives one request. ``poll`` until ``done``, then ``finish``."""

    undo_message: Final = "Generate Gestures"

    def __init__(self, request: JobRequest) -> None:
        self.request = request
        self._started = time.monotonic()
        self._connection = session.backend.connect(request.machine.setup)
        self._call: Call | None = None
        self._error: BaseException | None = None
        self._waiting_for: str | None = None
        self._cancelling = False

    # -- state, for the panel --------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """The worker's part is over; what remains is ``finish``."""
        return self._error is not None or (self._call is not None and self._call.done)

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

    def poll(self, wait: float = 0.0) -> None:
        """Go on, waiting at most about ``wait`` seconds for news."""
        if self.done:
            return
        try:
            if self._call is None:
                self._connection.poll(wait)
                if self._connection.error is not None:
                    raise self._connection.error
                if self._connection.done:
                    self._ask()
            else:
                assert self._connection.client is not None
                self._connection.client.poll(wait)
        except DiffGestureError as error:
            self._error = error

    def cancel(self) -> None:
        """Ask for an end; ``done`` follows when the worker has stopped."""
        self._cancelling = True
        if self._call is None:
            self._connection.cancel()
            self._error = JobCancelled()
        elif self._connection.client is not None:
            self._connection.client.cancel(self._call)

    def discard(self) -> None:
        """Remove the job's files."""
        remove_folder(self.request.folder)

    def refusal(self) -> str | None:
        """Why keys cannot be written where nobody can be waited for."""
        return "Leave Edit Mode first; nothing was changed." if bpy.context.mode.startswith("EDIT") else None

    def show(self, result: JobResult) -> bool:
        """The result becomes the panel's last one."""
        session.forget_result()
        session.result = result
        scene = character.find_scene(result.scene_uid)
        if self.request.plan is not None and scene is not None:
            scene.diffgesture.seed = result.seed
        return True

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

    def finish(self) -> JobResult:
        """Write the keys and return what was made; raises the error that ended the job."""
        if self._error is not None:
            raise self._error
        assert self._call is not None
        if self._call.error is not None:
            raise self._call.error
        assert self._call.result is not None
        return self._apply(self._call.result)

    def _ask(self) -> None:
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
        self._call = self._connection.client.call(
            "generate",
            params,
            doing="generating gestures",
            idle_timeout=IDLE_TIMEOUT,
        )

    def _apply(self, reply: dict[str, Any]) -> JobResult:
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
            report = self._write(armature, motion, scene, seed, below)
        warnings += report.warnings
        warnings += request.audio.notes
        warnings += request.notes
        if request.add_sound:
            warnings += self._add_sound(scene)
        return JobResult(
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

    def _write(
        self,
        armature: bpy.types.Object,
        motion: Motion,
        scene: bpy.types.Scene,
        seed: int,
        below: bpy.types.Action | None,
    ) -> RetargetReport:
        """One motion as keys of a new action, and a take of it in the character's list."""
        request, name = self.request, self.request.action_name(seed)
        if request.plan is not None:
            report = apply_plan(request.plan, armature, motion, scene, request.frame_start, name, request.keys)
        else:
            report = retarget(
                armature,
                motion,
                frame_start=request.frame_start,
                action_name=name,
                keys=request.keys,
                rest_motion=self._rest_motion() if request.keys.layer == "ADDITIVE" else None,
                scene=scene,
            )
        action = bpy.data.actions[report.action_name]
        mark_generated(action)
        takes.record(
            armature,
            action,
            below,
            speech=request.audio.name,
            seed=seed,
            frames=(math.floor(report.frame_start), math.ceil(report.frame_end)),
            settings=request.controls,
        )
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
