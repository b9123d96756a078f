# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bone is which: maps by names, VRM data and shape."""
