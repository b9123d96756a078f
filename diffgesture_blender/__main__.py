# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line from a checkout.

``blender -b FILE.blend --python diffgesture_blender/__main__.py -- generate --audio SPEECH.wav ...``

Blender gives a script the arguments after ``--``. The package is imported from beside this file, without being
enabled as an add-on.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from diffgesture_blender.cli.command import main

    arguments = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    sys.exit(main(arguments))
