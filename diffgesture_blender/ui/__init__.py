# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn: panels of the sidebar and the preferences."""
