# SPDX-License-Identifier: GPL-3.0-or-later
"""The denoising networks: the published one and ours."""
