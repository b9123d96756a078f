# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""The interface in German and Japanese: every text has its translation, and no translation is left over.

That choosing a language shows it is tried in whole Blenders (tests/real_blender): the bpy package has none.
"""

import re
from typing import Any

import pytest
from conftest import ROOT

bpy = pytest.importorskip("bpy")

import ui_strings

from diffgesture_blender import registration, translations
from diffgesture_blender.retarget.mend import MEND_LABELS
from diffgesture_blender.settings import controls
from diffgesture_blender.ui.bone_map_panel import _SOURCES

# Texts that are the same in every language, or no text at all.
NOT_NEEDED = {"DiffGesture", "CPU", "CUDA / ROCm", "Metal", "PyTorch"}


@pytest.fixture
def texts(addon: Any) -> set[str]:
    """All that the interface shows."""
    found = ui_strings.of_classes(registration.CLASSES) | ui_strings.of_code(ROOT / "diffgesture_blender")
    found |= {*_SOURCES.values(), *MEND_LABELS.values()}
    return found | {name.replace("_", " ").title() for name in controls.styles()}


@pytest.mark.parametrize("locale", translations.TABLES)
def test_every_text_of_the_interface_has_its_translation(texts: set[str], locale: str) -> None:
    assert len(texts) > 250
    assert sorted(texts - NOT_NEEDED - set(translations.table(locale))) == []


@pytest.mark.parametrize("locale", translations.TABLES)
def test_no_translation_is_left_over(texts: set[str], locale: str) -> None:
    assert sorted(set(translations.table(locale)) - texts) == []


@pytest.mark.parametrize("locale", translations.TABLES)
def test_what_is_filled_in_is_the_same(locale: str) -> None:
    for text, own in translations.table(locale).items():
        assert sorted(re.findall(r"\{[^}]*\}", own)) == sorted(re.findall(r"\{[^}]*\}", text)), text
        assert own.strip() == own != "", text
        # A message ends as it does in English: Blender adds a stop to descriptions itself.
        assert own.endswith((".", "。", "…")) == text.endswith("."), text
