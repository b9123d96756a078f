# SPDX-License-Identifier: GPL-3.0-or-later
"""The takes of a character, kept in the file: ``object.diffgesture_takes``."""

import bpy
from bpy.props import BoolProperty, IntProperty, PointerProperty, StringProperty


class DiffGestureTake(bpy.types.PropertyGroup):
    """One performance: its action, and what it was made from."""

    action: PointerProperty(name="Action", description="The keys of this take", type=bpy.types.Action)
    previous: PointerProperty(
        name="Before", description="The action that animated the character before", type=bpy.types.Action
    )
    speech: StringProperty(name="Speech", description="The recording that was spoken")
    seed: IntProperty(name="Seed", description="The seed it was generated with")
    frame_start: IntProperty(name="First Frame", description="Frame of the first key")
    frame_end: IntProperty(name="Last Frame", description="Frame of the last key")
    settings: StringProperty(name="Settings", description="What the model was asked for, as JSON")
    accepted: BoolProperty(name="Accepted", description="Its keys are your own now", default=False)


for _deferred in DiffGestureTake.__annotations__.values():
    _deferred.keywords["override"] = {"LIBRARY_OVERRIDABLE"}
