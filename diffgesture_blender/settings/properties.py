# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a scene, and by ``of_character`` of each character: what speaks, who gestures, and how."""

import math
from typing import Final

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from .. import compat
from ..animation.key_writing import KEY_MODES, LAYERS, KeyOptions
from ..sound import sequencer
from ..sound import source as audio_source
from ..state import character
from ..translations import CONTEXT
from . import cast, controls

QUALITIES: Final = (
    ("DRAFT", "Draft", "The fewest steps: to try seeds quickly"),
    ("NORMAL", "Normal", "The model's own number of steps"),
    ("HIGH", "High", "More steps, slower, a little finer"),
)
# Denoising steps of the fast sampler; None lets the backend decide.
QUALITY_STEPS: Final[dict[str, int | None]] = {"DRAFT": 6, "NORMAL": None, "HIGH": 20}


REGENERATE: Final = (
    ("FRAMES", "Frames", "From one frame to another"),
    ("PREVIEW", "Preview Range", "The preview range of the timeline"),
    ("SCENE", "Scene Range", "The frame range of the scene"),
    ("KEYS", "Between Selected Keys", "Everything but the poses at the selected keyframes of the character"),
)


def _search_strips(_self: "DiffGestureSettings", context: bpy.types.Context, edit_text: str) -> list[str]:
    wanted = edit_text.lower()
    strips = sequencer.sound_strips(compat.sequencer_scene(context))
    return [strip.name for strip in strips if wanted in strip.name.lower()]


def _is_armature(self: "DiffGestureSettings", candidate: bpy.types.Object) -> bool:
    return candidate.type == "ARMATURE" and self.id_data.objects.get(candidate.name) == candidate


def _is_speaker(_self: "DiffGestureSettings", candidate: bpy.types.Object) -> bool:
    return candidate.type == "SPEAKER"


def _armature_chosen(self: "DiffGestureSettings", _context: bpy.types.Context) -> None:
    character.inspect(self.armature)


class Sayings:
    """What settings say, the scene's and a character's alike."""

    def chosen_frame_start(self) -> int | None:
        """The frame of the first key, if the person has set one."""
        return self.frame_start if self.use_frame_start else None

    def controls(self) -> dict[str, object]:
        """Every control's value, as the worker wants it; None where the model decides."""
        values = controls.values(self)
        if values["steps"] is None and not self.use_reference:
            values["steps"] = QUALITY_STEPS[self.quality]
        return {**values, "preset": "reference" if self.use_reference else "default"}

    def keys(self) -> KeyOptions:
        """How the keys are to be written."""
        return KeyOptions(mode=self.key_mode, max_error=math.degrees(self.key_error), layer=self.layer)


class DiffGestureSettings(Sayings, bpy.types.PropertyGroup):
    """``scene.diffgesture``: the settings of characters that have none of their own."""

    audio_source: EnumProperty(
        name="Audio", description="Where the speech comes from", items=audio_source.SOURCES, default="FILE"
    )
    audio_path: StringProperty(
        name="File",
        description="Speech audio: WAV, MP3, OGG, FLAC and more",
        subtype="FILE_PATH",
        options=compat.PATH_OPTIONS,
    )
    sound: PointerProperty(name="Sound", description="A sound of this .blend", type=bpy.types.Sound)
    strip_name: StringProperty(
        name="Strip",
        description="A sound strip of the sequencer; empty for the active one",
        search=_search_strips,
    )
    speaker: PointerProperty(
        name="Speaker", description="A speaker object", type=bpy.types.Object, poll=_is_speaker
    )
    armature: PointerProperty(
        name="Armature",
        description="The character's armature; empty for the active one",
        type=bpy.types.Object,
        poll=_is_armature,
        update=_armature_chosen,
    )
    quality: EnumProperty(
        translation_context=CONTEXT,
        name="Quality",
        description="How many denoising steps",
        items=QUALITIES,
        default="NORMAL",
    )
    regenerate: EnumProperty(
        name="Regenerate", description="What to regenerate", items=REGENERATE, default="FRAMES"
    )
    regenerate_start: IntProperty(name="From", description="First frame to regenerate", default=1)
    regenerate_end: IntProperty(name="To", description="Last frame to regenerate", default=100)
    key_mode: EnumProperty(name="Keys", description="How many keys are written", items=KEY_MODES, default="MOTION")
    key_error: FloatProperty(
        name="Tolerance",
        description="The most that few keys may turn a bone away from the full motion, against its parent",
        default=math.radians(1.0),
        min=math.radians(0.05),
        soft_max=math.radians(10.0),
        max=math.radians(45.0),
        subtype="ANGLE",
    )
    layer: EnumProperty(name="Write To", description="Where the keys go", items=LAYERS, default="ACTION")
    variations: IntProperty(
        name="Variations",
        description="How many takes to generate at once, with seeds that count up",
        default=1,
        min=1,
        max=16,
        soft_max=6,
    )
    use_frame_start: BoolProperty(
        name="Start Frame",
        description="Start at this frame instead of where the audio starts (strip, speaker) or the scene does",
        default=False,
    )
    frame_start: IntProperty(name="Start Frame", description="Frame of the first key", default=1)
    add_sound: BoolProperty(
        name="Add Sound to Sequencer",
        description="Put the speech into the scene's sequencer at the same frame, to hear it with the motion",
        default=True,
    )
    transcript: EnumProperty(
        name="Transcript",
        description="Where it says what is spoken: its words bring gestures",
        items=(
            ("NONE", "None", "Only the cue markers on the timeline bring gestures that mean something"),
            ("STRIPS", "Text Strips", "The text strips of the sequencer: subtitles of the speech"),
            ("FILE", "File", "SRT, VTT, ASS, Whisper or Gentle JSON, TextGrid, plain text"),
        ),
        default="NONE",
    )
    transcript_path: StringProperty(
        name="File", description="What is spoken", subtype="FILE_PATH", options=compat.PATH_OPTIONS
    )
    word_table: StringProperty(
        name="Own Words",
        description="A table of your own words and phrases (JSON), which goes before the language's own",
        subtype="FILE_PATH",
        options=compat.PATH_OPTIONS,
    )
    use_reference: BoolProperty(
        name="Reference Algorithm",
        description=(
            "The published algorithm, operation for operation: 500 denoising steps, one window after the other. "
            "Very slow"
        ),
        default=False,
    )

    def holder(self, _name: str) -> "DiffGestureSettings":
        """The group to draw a pointer of."""
        return self


controls.add_properties(DiffGestureSettings)
cast.add_properties(DiffGestureSettings)
