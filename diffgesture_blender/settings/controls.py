# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's table of controls (backend/diffgesture/controls.json) as Blender properties and as options.

A control that the table lists is in the panel's settings, on the command line and in a job's request by itself;
only where the panel shows it is written by hand (``ui/panel``).
"""

import argparse
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import bpy

from ..errors import DiffGestureError
from ..translations import CONTEXT
from .machine import machine_settings

_TABLE: Final = Path(__file__).resolve().parents[2] / "backend" / "diffgesture" / "controls.json"
_SUBTYPES: Final = {"factor": "FACTOR", "seconds": "TIME_ABSOLUTE"}
_METAVARS: Final = {"int": "N", "seconds": "S"}
_TYPES: Final[dict[str, Any]] = {"int": int, "float": float, "choice": str}


@cache
def table() -> dict[str, dict[str, Any]]:
    """The rows by name."""
    return {row["name"]: row for row in json.loads(_TABLE.read_text(encoding="utf-8"))}


@cache
def styles() -> dict[str, dict[str, float]]:
    """Named settings of all style controls."""
    return json.loads(_TABLE.with_name("styles.json").read_text(encoding="utf-8"))


def later_seed(seed: int, by: int) -> int:
    """The seed ``by`` further on; after the last comes the first."""
    return (seed + by) % (table()["seed"]["max"] + 1)


def names(group: str) -> list[str]:
    """The controls of a group, in the table's order."""
    return [name for name, row in table().items() if row["group"] == group]


def add_properties(cls: type) -> None:
    """Give a property group a property for each control that the panel shows, before it is registered.

    A control whose default the model decides gets a switch beside it: ``use_steps`` and ``steps``.
    """
    for name, row in table().items():
        if not row.get("panel", True):
            continue
        cls.__annotations__[name] = _property(row)
        if row["default"] is None:
            cls.__annotations__[f"use_{name}"] = bpy.props.BoolProperty(
                name=row["label"],
                description="Set it yourself instead of taking the model's own",
                default=False,
                update=_shows_own_value(name),
            )


def values(settings: bpy.types.PropertyGroup) -> dict[str, Any]:
    """What the panel's settings say of every control that it shows; None where the model decides."""
    found = {}
    for name, row in table().items():
        if row.get("panel", True):
            decided = row["default"] is not None or getattr(settings, f"use_{name}")
            found[name] = getattr(settings, name) if decided else None
    return found


def add_arguments(parser: Any) -> None:
    """An option for each control on an argparse group."""
    for name, row in table().items():
        if "option" in row:
            continue
        shown = "the model's own" if row["default"] is None else row["default"]
        choices = row.get("choices")
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=_TYPES[row["type"]],
            default=row["default"],
            choices=choices,
            metavar=None if choices else _METAVARS.get(row.get("unit") or row["type"], "X"),
            help=f"{row['help'][0].lower()}{row['help'][1:]} (default: {shown})",
        )
    for option in _options():
        members = [row for row in table().values() if row.get("option") == option]
        limits = f"{members[0]['min']:g} to {members[0]['max']:g} each"
        parser.add_argument(
            f"--{option}",
            action="append",
            default=[],
            metavar="NAME=X,...",
            help=f"{', '.join(row['key'] for row in members)}: {limits}",
        )


def of_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """The controls that parsed arguments hold, within their limits; DiffGestureError names what is wrong."""
    given = {name: getattr(arguments, name) for name, row in table().items() if "option" not in row}
    for option in _options():
        members = {row["key"]: name for name, row in table().items() if row.get("option") == option}
        for item in (item for text in getattr(arguments, option) for item in text.split(",")):
            if option == "style" and item in styles():
                given |= {members[key]: value for key, value in styles()[item].items()}
                continue
            key, _, number = item.partition("=")
            if key.strip() not in members:
                raise DiffGestureError(f"There is no {option} {key.strip()}; choose among {', '.join(members)}.")
            try:
                given[members[key.strip()]] = float(number)
            except ValueError:
                raise DiffGestureError(
                    f"--{option} wants NAME=NUMBER, for instance {next(iter(members))}=0.5, not {item}."
                ) from None
    check_limits(given)
    return given


def complete(given: Mapping[str, Any]) -> dict[str, Any]:
    """Every control's value: the given ones, which may be nested under their option, and the others' defaults.

    DiffGestureError for a name that the table lacks or a value outside of its limits.
    """
    found = {name: row["default"] for name, row in table().items()}
    for name, value in given.items():
        option = name.removesuffix("s")
        members = {row["key"]: member for member, row in table().items() if row.get("option") == option}
        nested = {members.get(key, key): number for key, number in value.items()} if members else {name: value}
        for control, number in nested.items():
            if control not in found:
                raise DiffGestureError(f"There is no control {control}; choose among {', '.join(found)}.")
            found[control] = number
    check_limits(found)
    return found


def check_limits(given: Mapping[str, Any]) -> None:
    """DiffGestureError for a number outside of its control's limits."""
    for name, value in given.items():
        row = table()[name]
        if value is None or row["type"] == "choice" or row["min"] <= value <= row["max"]:
            continue
        flag = f"--{row['option']} {row['key']}" if "option" in row else f"--{name.replace('_', '-')}"
        raise DiffGestureError(f"{flag} must be from {row['min']:g} to {row['max']:.10g}, not {value:.10g}.")


def _options() -> list[str]:
    return list(dict.fromkeys(row["option"] for row in table().values() if "option" in row))


def _property(row: Mapping[str, Any]) -> Any:
    common = {"name": row["label"], "description": row["help"], "translation_context": CONTEXT}
    if row["type"] == "choice":
        labels = row.get("labels") or [choice.title() for choice in row["choices"]]
        items = tuple((choice, label, row["help"]) for choice, label in zip(row["choices"], labels, strict=True))
        return bpy.props.EnumProperty(**common, items=items, default=row["default"])
    numbers = {"min": row["min"], "max": row["max"], "soft_max": row.get("soft_max", row["max"])}
    if row["type"] == "int":
        return bpy.props.IntProperty(**common, **numbers, default=row["default"] or 0)
    return bpy.props.FloatProperty(
        **common, **numbers, default=row["default"] or 0.0, subtype=_SUBTYPES.get(row.get("unit", ""), "NONE")
    )


def _shows_own_value(name: str) -> Callable[[bpy.types.PropertyGroup, bpy.types.Context], None]:
    """An update: the control that has just been switched on shows the model's own value."""

    def update(settings: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
        value = machine_settings().sampler_value(name)
        if getattr(settings, f"use_{name}") and value is not None:
            setattr(settings, name, value)

    return update
