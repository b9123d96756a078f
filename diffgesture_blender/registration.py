# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on adds to Blender, in order, and takes away again."""

from typing import Final

import bpy
from bpy.app.handlers import persistent

from . import translations
from .cli import command as cli
from .jobs import runner as pump
from .jobs import warm_up
from .operators import bone_map as map_operators
from .operators import cues as cue_operators
from .operators import dialogue as dialogue_operators
from .operators import generate as operators
from .operators import mend as mend_operators
from .operators import playback as playback_operators
from .operators import setup as setup_operators
from .operators import takes as take_operators
from .operators import torch as torch_operators
from .settings.bone_map import DiffGestureBoneMap
from .settings.of_character import DiffGestureCharacterSettings
from .settings.properties import DiffGestureSettings
from .settings.takes import DiffGestureTake
from .state import character
from .state.session import end_session, session, start_session
from .ui import cues_panel, dialogue_panel, panel, takes_panel
from .ui.preferences import DiffGesturePreferences

CLASSES: Final[tuple[type, ...]] = (
    DiffGestureSettings,
    DiffGestureCharacterSettings,
    DiffGestureBoneMap,
    DiffGestureTake,
    DiffGesturePreferences,
    *operators.CLASSES,
    *map_operators.CLASSES,
    *mend_operators.CLASSES,
    *playback_operators.CLASSES,
    *take_operators.CLASSES,
    *setup_operators.CLASSES,
    *torch_operators.CLASSES,
    *cue_operators.CLASSES,
    *dialogue_operators.CLASSES,
    *panel.CLASSES,
    *cues_panel.CLASSES,
    *dialogue_panel.CLASSES,
    *takes_panel.CLASSES,
)

_commands: list[object] = []


@persistent
def _after_file_load(*_arguments: object) -> None:
    """Another file: the job's scene is gone, so the job ends and its answer will not be used."""
    session.clear_messages()
    if session.job is not None:
        session.drop_task()
        session.notice = "Another file was opened, so the generation was cancelled."
    session.forget_result()
    session.forget_rigs()
    character.inspect_shown()


@persistent
def _after_undo(*_arguments: object) -> None:
    """What was known of the armatures may have been undone."""
    if session.armature_notes:
        character.inspect_again()


_HANDLERS: Final = (
    (bpy.app.handlers.load_post, _after_file_load),
    (bpy.app.handlers.undo_post, _after_undo),
    (bpy.app.handlers.redo_post, _after_undo),
)


def _marker_menus() -> list[type[bpy.types.Menu]]:
    """The Marker menus that this Blender has."""
    return [getattr(bpy.types, name) for name in cue_operators.MENUS if hasattr(bpy.types, name)]


def register() -> None:
    """Add classes, settings, handlers and the command."""
    translations.register()
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.diffgesture = bpy.props.PointerProperty(type=DiffGestureSettings)
    bpy.types.Scene.diffgesture_overrides = bpy.props.CollectionProperty(type=DiffGestureSettings)
    bpy.types.Object.diffgesture = bpy.props.PointerProperty(type=DiffGestureCharacterSettings)
    bpy.types.Object.diffgesture_map = bpy.props.PointerProperty(type=DiffGestureBoneMap)
    bpy.types.Object.diffgesture_takes = bpy.props.CollectionProperty(
        type=DiffGestureTake, override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"}
    )
    bpy.types.Object.diffgesture_take = bpy.props.IntProperty(
        name="Active Take", default=0, min=0, override={"LIBRARY_OVERRIDABLE"}
    )
    for handlers, handler in _HANDLERS:
        handlers.append(handler)
    for menu in _marker_menus():
        menu.append(cue_operators.draw_marker_menu)
    _commands.append(bpy.utils.register_cli_command(cli.COMMAND, cli.main))
    start_session()


def unregister() -> None:
    """Take everything away; the worker ends."""
    pump.stop()
    warm_up.stop()
    end_session()
    while _commands:
        bpy.utils.unregister_cli_command(_commands.pop())
    for menu in _marker_menus():
        menu.remove(cue_operators.draw_marker_menu)
    for handlers, handler in _HANDLERS:
        if handler in handlers:
            handlers.remove(handler)
    del bpy.types.Object.diffgesture_take
    del bpy.types.Object.diffgesture_takes
    del bpy.types.Object.diffgesture_map
    del bpy.types.Object.diffgesture
    del bpy.types.Scene.diffgesture_overrides
    del bpy.types.Scene.diffgesture
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
    translations.unregister()
