# SPDX-License-Identifier: GPL-3.0-or-later
"""DiffGesture for Blender: speech audio to gesture keyframes on any armature.

Importing this package imports no bpy, so that its worker client serves (and is tested) outside Blender too.
"""


def register() -> None:
    """Called by Blender when the add-on is enabled."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the add-on is disabled."""
    from . import registration

    registration.unregister()
