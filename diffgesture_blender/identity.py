# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender knows this add-on by."""

from typing import Final

_PACKAGE: Final = __package__ or "diffgesture_blender"

# As an extension this package lies inside the one that Blender enables; a script may import it bare.
ADDON_ID: Final = _PACKAGE.rpartition(".")[0] or _PACKAGE

VERSION: Final = "0.1.0"
