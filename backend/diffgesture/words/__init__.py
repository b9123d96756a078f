# SPDX-License-Identifier: GPL-3.0-or-later
"""Gestures that mean something: the vocabulary of cues, the strokes that show them, and how cues are written."""
