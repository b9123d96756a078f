# SPDX-License-Identifier: GPL-3.0-or-later
"""Training: configuration, batches, losses and the loop."""
