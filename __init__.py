# SPDX-License-Identifier: GPL-3.0-or-later
if __package__:  # not where pytest imports it from a folder that cannot be a package, such as diffgesture-main
    from .diffgesture_blender import register, unregister

    __all__ = ["register", "unregister"]
