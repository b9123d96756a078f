# SPDX-License-Identifier: GPL-3.0-or-later
"""Keyframes: curves, actions, layers."""
