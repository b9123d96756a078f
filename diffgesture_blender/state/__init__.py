# SPDX-License-Identifier: GPL-3.0-or-later
"""What lives as long as Blender runs."""
