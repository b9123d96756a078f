# SPDX-License-Identifier: GPL-3.0-or-later
"""One generation from request to result, and what drives it."""
