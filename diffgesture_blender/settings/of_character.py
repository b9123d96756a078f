# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a character, ``armature.diffgesture``: its own values, and the scene's where it has none.

What is set here is kept in ``armature.diffgesture.own``; for a library override, which would lose it when the file
is saved, in ``scene.diffgesture_overrides``. What was never set there reads as ``scene.diffgesture``
says, which is so the defaults of all characters of the scene, and all there is before a character is chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import bpy
from bpy.props import PointerProperty

from ..state import character
from .properties import DiffGestureSettings, Sayings

# Belongs to the scene: which character it is.
_SCENES_OWN: Final = frozenset({"armature"})
_OVERRIDABLE: Final = {"LIBRARY_OVERRIDABLE"}


def settings_of(context: bpy.types.Context) -> Any:
    """The settings that panel and buttons read and change: the chosen character's, else the scene's."""
    return settings_for(character.chosen_armature(context.scene.diffgesture, context), context.scene)


def settings_for(armature: bpy.types.Object | None, scene: bpy.types.Scene) -> Any:
    """The settings of a character; the scene's without one that is in the scene."""
    here = armature is not None and scene.objects.get(armature.name) == armature
    return armature.diffgesture if armature is not None and here else scene.diffgesture


def _counting(settings: DiffGestureCharacterSettings, name: str) -> DiffGestureSettings:
    """The group whose value counts: the character's own where it is set, else that of its scene."""
    scene = _scene_of(settings.id_data)
    if scene is None:
        return settings.own
    own = _own(settings, scene)
    return own if own is not None and own.is_property_set(name) else scene.diffgesture


def _own(settings: DiffGestureCharacterSettings, scene: bpy.types.Scene) -> DiffGestureSettings | None:
    """The group that has the character's own values, if there is one yet."""
    item = settings.id_data
    return settings.own if item.override_library is None else scene.diffgesture_overrides.get(item.name)


def own_to_change(settings: DiffGestureCharacterSettings) -> DiffGestureSettings:
    """The group that has the character's own values, to change them."""
    item, scene = settings.id_data, _scene_of(settings.id_data)
    if item.override_library is None or scene is None:
        return settings.own
    own = scene.diffgesture_overrides.get(item.name)
    if own is None:
        own = scene.diffgesture_overrides.add()
        own.name = item.name
    return own


def _scene_of(item: bpy.types.ID) -> bpy.types.Scene | None:
    """The context's scene if it has the object, else one that has; None for an object in none."""
    here = bpy.context.scene
    if here is not None and here.objects.get(item.name) == item:
        return here
    return next(iter(item.users_scene), None) if isinstance(item, bpy.types.Object) else None


def _mirrored(name: str, deferred: Any) -> Any:
    """The same property, which keeps nothing itself."""
    keywords = {key: value for key, value in deferred.keywords.items() if key != "update"}
    items = [item[0] for item in keywords["items"]] if "items" in keywords else None

    def get(self: DiffGestureCharacterSettings) -> Any:
        value = getattr(_counting(self, name), name)
        return value if items is None else items.index(value)

    def put(self: DiffGestureCharacterSettings, value: Any) -> None:
        setattr(own_to_change(self), name, value if items is None else items[value])

    accessors: dict[str, Callable[..., Any]] = {"get": get, "set": put}
    return deferred.function(**keywords, **accessors, override=_OVERRIDABLE)


def _pointer(name: str) -> property:
    """A pointer as a plain Python property: Blender has no accessors for pointers."""

    def get(self: DiffGestureCharacterSettings) -> Any:
        return getattr(_counting(self, name), name)

    def put(self: DiffGestureCharacterSettings, value: Any) -> None:
        setattr(own_to_change(self), name, value)

    return property(get, put)


_PROPERTIES: Final[dict[str, Any]] = {
    name: deferred for name, deferred in DiffGestureSettings.__annotations__.items() if name not in _SCENES_OWN
}


class DiffGestureCharacterSettings(Sayings, bpy.types.PropertyGroup):
    """``armature.diffgesture``."""

    __annotations__ = {
        "own": PointerProperty(type=DiffGestureSettings, options={"HIDDEN"}),
        **{
            name: _mirrored(name, deferred)
            for name, deferred in _PROPERTIES.items()
            if deferred.function is not PointerProperty
        },
    }

    def has_own(self, name: str) -> bool:
        """Whether the character has a value of its own, not only the scene's."""
        scene = _scene_of(self.id_data)
        own = self.own if scene is None else _own(self, scene)
        return own is not None and own.is_property_set(name)

    def holder(self, name: str) -> DiffGestureSettings:
        """The group to draw a pointer of: the character's own, unless only the scene has one."""
        counting, scene = _counting(self, name), _scene_of(self.id_data)
        own = self.own if scene is None else _own(self, scene)
        return counting if own is None or counting.is_property_set(name) else own


for _name, _deferred in _PROPERTIES.items():
    if _deferred.function is PointerProperty:
        setattr(DiffGestureCharacterSettings, _name, _pointer(_name))
