# SPDX-License-Identifier: GPL-3.0-or-later
"""DiffGesture for Blender: speech audio to gesture keyframes on any armature.

Importing this package imports no bpy, so that its worker client serves (and is tested) outside Blender too. For
scripts in Blender it offers ``generate``, ``generate_scene``, ``Result`` and ``KeyOptions`` (see ``api``) and
``DiffGestureError``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .animation.key_writing import KeyOptions
    from .api import Result, generate, generate_scene
    from .errors import DiffGestureError

__all__ = ["DiffGestureError", "KeyOptions", "Result", "generate", "generate_scene", "register", "unregister"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import api

    return getattr(api, name)


def register() -> None:
    """Called by Blender when the add-on is enabled."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the add-on is disabled."""
    from . import registration

    registration.unregister()
