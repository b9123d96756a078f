# SPDX-License-Identifier: GPL-3.0-or-later
if __package__:  # not where pytest imports it from a folder that cannot be a package, such as diffgesture-main
    from .diffgesture_blender import register, unregister

    __all__ = ["register", "unregister"]

    def __getattr__(name: str) -> object:
        """The same names for scripts as the package within: ``generate`` and what belongs to it."""
        from . import diffgesture_blender

        return getattr(diffgesture_blender, name)
