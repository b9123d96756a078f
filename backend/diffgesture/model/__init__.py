# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks, checkpoints and the devices they run on."""
