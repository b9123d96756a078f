# SPDX-License-Identifier: GPL-3.0-or-later
"""A mannequin to gesture with: a human skeleton with fingers and a body that deforms, built from scratch."""

from .create import create_mannequin

__all__ = ["create_mannequin"]
