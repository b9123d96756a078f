# SPDX-License-Identifier: GPL-3.0-or-later
"""One request: from a recording to motions."""
