# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker that Blender starts: protocol and methods."""
