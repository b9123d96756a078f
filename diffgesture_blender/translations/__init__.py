# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface in other languages, as Blender's preferences choose: one table for each, English text -> its own.

Errors stay English, so that they can be searched for; what stands in none of the tables is shown as it is.
"""

from functools import cache
from pathlib import Path
from typing import Final

import bpy

from ..reading import read_json

# Blender's name of a language -> its table.
TABLES: Final = {"de_DE": "german.json", "ja_JP": "japanese.json"}
# Where Blender looks up names of buttons, and everything else.
# A context of our own is for words that Blender has in another sense ("Normal", "Index").
CONTEXT: Final = "DiffGesture"
_CONTEXTS: Final = ("Operator", "*", CONTEXT)
_DOMAIN: Final = __package__


@cache
def table(locale: str) -> dict[str, str]:
    """English text -> text in that language."""
    return read_json(Path(__file__).with_name(TABLES[locale]), "translation")


def register() -> None:
    """Give the tables to Blender."""
    bpy.app.translations.register(
        _DOMAIN,
        {
            locale: {(context, text): own for context in _CONTEXTS for text, own in table(locale).items()}
            for locale in TABLES
        },
    )


def unregister() -> None:
    """Take them away."""
    bpy.app.translations.unregister(_DOMAIN)


def tr(text: str) -> str:
    """The text in the interface's language, for what Blender does not look up itself: wrapped or filled in."""
    return bpy.app.translations.pgettext_iface(text)
