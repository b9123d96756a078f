# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise schedules, samplers and the denoiser that they ask."""
