# SPDX-License-Identifier: GPL-3.0-or-later
"""Where speech comes from, and the sequencer."""
