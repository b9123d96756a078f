# SPDX-License-Identifier: GPL-3.0-or-later
"""How the mannequin's body is made, for whoever wants to change it; the extension carries only the result.

``python -m diffgesture_blender.mannequin.recipe`` writes ``body.npz`` anew; a test compares the two.
"""
