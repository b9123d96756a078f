# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``blender -b … --command diffgesture`` does."""
