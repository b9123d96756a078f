# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sets: properties of the scene, of the armature and of the add-on."""
