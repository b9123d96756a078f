# SPDX-License-Identifier: GPL-3.0-or-later
"""How good a motion is: the published metrics (``legacy``) and a panel beside real takes (``panel``)."""
