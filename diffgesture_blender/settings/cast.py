# SPDX-License-Identifier: GPL-3.0-or-later
"""A character's part in a dialogue: which sounds are its voice, and where it looks."""

from typing import Any, Final

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from .. import compat
from ..sound import sequencer

VOICES: Final = (
    (
        "AUTO",
        "Automatic",
        "The channel, the strips or the text strips of its name, its speaker, or its own speech",
    ),
    ("CHANNEL", "Channel", "The sound strips of one channel of the sequencer"),
    ("STRIPS", "Strips", "Sound strips by name"),
    ("TEXT", "Text Strips", "The sequencer's sound wherever a text strip says its name: Ann: Good morning"),
    ("SPEAKER", "Speaker", "A speaker object"),
    ("SPEECH", "Speech", "What is chosen as its speech above"),
    ("NONE", "None", "It listens throughout"),
)
LOOKS: Final = (
    ("PARTNER", "Who Speaks", "At the one who speaks or spoke last"),
    ("CAMERA", "Camera", "At the scene's camera"),
    ("OBJECT", "Object", "At an object"),
    ("NONE", "Nowhere", "The head moves as generated"),
)


def _search_strips(_self: Any, context: bpy.types.Context, text: str) -> list[str]:
    head, comma, last = text.rpartition(",")
    start = f"{head.strip()}, " if comma else ""
    strips = sequencer.sound_strips(compat.sequencer_scene(context))
    return [start + strip.name for strip in strips if last.strip().lower() in strip.name.lower()]


def _is_speaker(_self: Any, candidate: bpy.types.Object) -> bool:
    return candidate.type == "SPEAKER"


def _weight(name: str, description: str, default: float) -> Any:
    return FloatProperty(name=name, description=description, default=default, min=0.0, max=1.0, subtype="FACTOR")


def add_properties(cls: type) -> None:
    """Give a property group what a dialogue needs, before it is registered."""
    cls.__annotations__.update(
        take_part=BoolProperty(
            name="Take Part", description="Generate Scene gives this character gestures", default=True
        ),
        voice=EnumProperty(name="Voice", description="Which sounds are its own", items=VOICES, default="AUTO"),
        voice_channel=IntProperty(
            name="Channel", description="The sequencer channel of its voice", default=1, min=1, max=128
        ),
        voice_strips=StringProperty(
            name="Strips",
            description="The sound strips of its voice, with commas",
            search=_search_strips,
            search_options={"SUGGESTION"},
        ),
        voice_name=StringProperty(
            name="Name", description="Its name in the text strips; empty for the armature's", default=""
        ),
        voice_speaker=PointerProperty(
            name="Speaker", description="The speaker object of its voice", type=bpy.types.Object, poll=_is_speaker
        ),
        look=EnumProperty(
            name="Look At", description="Where the head turns in a dialogue", items=LOOKS, default="PARTNER"
        ),
        look_object=PointerProperty(name="Object", description="What the head turns to", type=bpy.types.Object),
        look_listening=_weight("While Listening", "How far the head turns there while others speak", 0.7),
        look_speaking=_weight("While Speaking", "How far the head turns there while it speaks itself", 0.35),
    )
