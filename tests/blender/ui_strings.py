# SPDX-License-Identifier: GPL-3.0-or-later
"""Every text of the add-on's interface: what its classes register, and what its drawing code writes."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

# Arguments that are shown; functions whose texts go through the table.
_SHOWN = ("text", "heading")
_TRANSLATED = ("draw_text", "tr", "label")


def of_classes(classes: tuple[type, ...]) -> set[str]:
    """Names and descriptions of registered classes, their properties and the items of these."""
    found: set[str] = set()
    for cls in classes:
        rna: Any = cls.bl_rna
        if issubclass(cls, (bpy.types.Operator, bpy.types.Panel)):
            found.add(cls.bl_label)
        if issubclass(cls, bpy.types.Operator):
            found.add(rna.description or _description(cls))
        own = {name for base in cls.__mro__ for name in getattr(base, "__annotations__", {})}
        for prop in rna.properties:
            if prop.identifier not in own or prop.is_hidden:
                continue
            found |= {prop.name, prop.description}
            if prop.type == "ENUM":
                found |= {text for item in prop.enum_items_static for text in (item.name, item.description)}
    return {text for text in found if text.strip()}


def _description(cls: type) -> str:
    """As Blender takes it from the docstring."""
    return " ".join((getattr(cls, "bl_description", "") or cls.__doc__ or "").split())


def of_code(folder: Path) -> set[str]:
    """Constant texts that drawing code hands to Blender or to the table."""
    found: set[str] = set()
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found |= set(_shown(node))
    return {text for text in found if text.strip()}


def _shown(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        for keyword in node.keywords:
            if keyword.arg in _SHOWN:
                yield from _constants(keyword.value)
        for argument in node.args if name in _TRANSLATED else ():
            yield from _constants(argument)
    elif isinstance(node, ast.FunctionDef) and node.name.endswith("_reason"):
        for part in ast.walk(node):
            if isinstance(part, ast.Return) and part.value is not None:
                yield from _constants(part.value)
    elif isinstance(node, ast.Assign) and getattr(node.targets[0], "attr", "") == "notice":
        yield from _constants(node.value)


def _constants(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _constants(node.body)
        yield from _constants(node.orelse)
