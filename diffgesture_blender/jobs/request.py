# SPDX-License-Identifier: GPL-3.0-or-later
"""What one generation needs, as plain values: from the panel's settings, the command line or a script."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from .. import compat
from ..animation.key_writing import KeyOptions
from ..errors import DiffGestureError
from ..retarget import find_bone_map
from ..retarget.aim_measure import Target
from ..retarget.gaze import Glance
from ..settings.cues import aims_of_scene, cues_of_scene
from ..settings.machine import Machine
from ..settings.of_character import settings_of
from ..sound import source as audio_source
from ..sound.source import AudioClip
from ..sound.transcript import transcript_file, word_table_file
from ..state import character
from ..timing import frame_rate
from .regenerate import Plan, check_layer, kept_animation


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
    targets: tuple[Target, ...] = ()
    transcript: str | None = None
    word_table: str | None = None
    turns: tuple[tuple[float, float], ...] | None = None
    glances: tuple[Glance, ...] = ()

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
            **({"turns": [list(turn) for turn in self.turns]} if self.turns is not None else {}),
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
    edit: bpy.types.Scene | None = None,
    turns: tuple[tuple[float, float], ...] | None = None,
    glances: tuple[Glance, ...] = (),
    notes: tuple[str, ...] = (),
) -> JobRequest:
    """The request of the panel, of the command line and of scripts alike.

    ``frame_start``: None where the speech is heard or the scene begins. ``cues``: gestures as on the command line
    (``1.2:you,3.4:point Cup`` or a file), beside those of the scene's markers; ``transcript``: a file of what is
    said; ``word_table``: a person's own table of words; ``edit``: the sequencer's scene, whose markers count too.
    ``turns``: the seconds (start, end) in which the character itself speaks, in the others it listens (None: as
    the control ``role`` says); ``glances``: where its head turns; ``notes``: what to tell with the result.
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
    placed, told = cues_of_scene(scene, armature, start, edit)
    targets, cues = aims_of_scene(scene, armature, start, cues, edit)
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
        notes=(*notes, *told),
        targets=targets,
        transcript=transcript,
        word_table=word_table,
        turns=turns,
        glances=glances,
    )


def request_from_scene(
    context: bpy.types.Context, machine: Machine, folder: Path, plan: Plan | None = None, seed: int | None = None
) -> JobRequest:
    """The job that the scene's settings describe, with another ``seed`` if given."""
    scene, settings, edit = context.scene, settings_of(context), compat.sequencer_scene(context)
    controls = settings.controls()
    if seed is not None:
        controls["seed"] = seed
    armature = check_armature(character.chosen_armature(scene.diffgesture, context), scene)
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
        transcript=transcript_file(settings, scene, edit, begin, folder),
        word_table=word_table_file(settings),
        edit=edit,
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
