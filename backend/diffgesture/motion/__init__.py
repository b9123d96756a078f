# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons, rotations, motion files and what is done to a finished motion."""
