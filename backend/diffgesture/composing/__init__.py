# SPDX-License-Identifier: GPL-3.0-or-later
"""Paired training data composed of gesture units and speech."""
