# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault table: what strangers' files and a bad day can do, and what comes of it (``nox -s faults``)."""

import sys
from pathlib import Path

for _folder in (Path(__file__).resolve().parents[2] / "backend", Path(__file__).resolve().parents[2]):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))
