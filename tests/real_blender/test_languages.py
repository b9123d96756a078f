# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface in the language that Blender's preferences choose; the script asserts inside."""

from real_blender import ADDON, RealBlender

SCRIPT = f"""
import addon_utils
from importlib import import_module
translations = import_module("{ADDON}.diffgesture_blender.translations")
show, view = bpy.app.translations.pgettext_iface, bpy.context.preferences.view
button = ("Generate Gestures", "Operator")
for locale, shown, line, normal in (
    ("de_DE", "Gesten generieren", "Bilder {{first}} bis {{last}}", "Normal"),
    ("ja_JP", "ジェスチャーを生成", "フレーム {{first}}～{{last}}", "標準"),
):
    view.language = locale
    view.use_translate_interface = view.use_translate_tooltips = True
    assert show(*button) == shown, show(*button)
    assert translations.tr("Frames {{first}} to {{last}}") == line
    settings = bpy.context.scene.diffgesture
    shown_item = bpy.types.UILayout.enum_item_name(settings, "quality", "NORMAL")  # a word that Blender has, too
    assert shown_item == normal, shown_item
    tip = "Stop generating; nothing is changed"
    assert bpy.app.translations.pgettext_tip(tip) == translations.table(locale)[tip]
addon_utils.disable("{ADDON}")
assert show(*button) == button[0]
addon_utils.enable("{ADDON}")
assert show(*button) == shown
view.language = "en_US"
assert show(*button) == button[0]
print("EVERYTHING HOLDS")
"""


def test_choosing_a_language_shows_it(blender: RealBlender) -> None:
    done = blender.script(SCRIPT)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "EVERYTHING HOLDS" in done.stdout
