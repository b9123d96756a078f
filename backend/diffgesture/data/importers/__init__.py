# SPDX-License-Identifier: GPL-3.0-or-later
"""Importers: foreign motion corpora to the one data set format of :mod:`diffgesture.data.dataset`."""
