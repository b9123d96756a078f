# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech to gesture: the DiffGesture model, its samplers, its data and its metrics. Needs no Blender."""

import os

__version__ = "0.1.0"

# Threads that spin while they wait starve each other as soon as another program wants the processor: a minute of
# speech then took 12 s instead of 2. Sleeping costs nothing measurable. Read once, when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# The engine numpy uses threads of its own; a BLAS that did so as well would have them wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
