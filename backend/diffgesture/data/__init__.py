# SPDX-License-Identifier: GPL-3.0-or-later
"""Corpora in, paired training data out: readers, the gesture composer and the dataset format."""
