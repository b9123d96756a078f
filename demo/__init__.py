# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: from a speech sample to a film of a gesturing character."""
