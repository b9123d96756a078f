# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech to gesture: the DiffGesture model, its samplers, its data and its metrics. Needs no Blender."""

__version__ = "0.1.0"
