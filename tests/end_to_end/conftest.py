# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository's root on the path, so that the demo and the add-on can be imported."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
