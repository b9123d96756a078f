# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of controls: what a person may set about a generation, read by both programs.

``controls.json`` lists each control once: name, type, default, limits, label, help. Command lines, the worker's
validation, ``Settings`` and docs/CONTROLS.md come from it, and so do the add-on's panel and command line, which
read the same file. A default of null means that the preset or the checkpoint decides.

Controls with an ``option`` are given together: ``--amount left_arm=0.5,head=0.7``.
"""

import argparse
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from .errors import ConfigError

TABLE: Final = Path(__file__).with_name("controls.json")
STYLES: Final = Path(__file__).with_name("styles.json")
PREFACE: Final = (
    "What may be set about a generation, in the panel, on both command lines, in scripts and in the worker's "
    "protocol. This page is made of backend/diffgesture/controls.json by `python -m diffgesture.controls`."
)
_METAVARS: Final = {"int": "N", "seconds": "S"}


@dataclass(frozen=True)
class Control:
    """One row of the table. ``option`` and ``key``: the common option that it is given by, and its name there."""

    name: str
    type: Literal["int", "float", "choice"]
    default: Any
    label: str
    help: str
    group: str
    used_by: str
    min: float = -math.inf
    max: float = math.inf
    soft_max: float | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    option: str = ""
    key: str = ""
    panel: bool = True

    def checked(self, value: Any) -> Any:
        """The value as the control's type; ConfigError with what it must be."""
        if value is None and self.default is None:
            return None
        if self.type == "choice":
            if value not in self.choices:
                raise ConfigError(f"There is no {self.name} '{value}'; choose {', '.join(self.choices)}.")
            return value
        whole = self.type == "int"
        fits = isinstance(value, int | float) and not isinstance(value, bool) and self.min <= value <= self.max
        if not fits or not math.isfinite(value) or (whole and value != int(value)):
            kind = "a whole number" if whole else "a number"
            raise ConfigError(
                f"{self.spoken} must be {kind} between {self.min:g} and {self.max:.10g}, not {value!r:.60}."
            )
        return int(value) if whole else float(value)

    @property
    def spoken(self) -> str:
        """How it is called on a command line and in messages."""
        return f"{self.option} {self.key}" if self.option else self.name


@cache
def controls() -> dict[str, Control]:
    """All controls by name, in the table's order."""
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    table = [
        Control(**{**row, "choices": tuple(row.get("choices", ())), "labels": tuple(row.get("labels", ()))})
        for row in rows
    ]
    return {control.name: control for control in table}


def checked_controls(given: Mapping[str, Any]) -> dict[str, Any]:
    """Every control's value: the given ones checked, the others' defaults. ConfigError names what is wrong.

    What is given together may be nested under its option: ``{"amount": {"head": 0.5}}``.
    """
    values = {name: control.default for name, control in controls().items()}
    for name, value in _flat(given).items():
        values[name] = controls()[name].checked(value)
    return values


def is_control(name: str) -> bool:
    """Whether the table has the control or option ``name`` (amounts may be called ``amounts``)."""
    return name in controls() or name.removesuffix("s") in _options()


def add_arguments(parser: Any, names: Iterable[str] | None = None) -> None:
    """An option for each control (None: all) on an argparse parser or group."""
    chosen = [controls()[name] for name in (controls() if names is None else names)]
    kinds: dict[str, Any] = {"int": int, "float": float, "choice": str}
    for control in chosen:
        if control.option:
            continue
        shown = "the model's own" if control.default is None else control.default
        parser.add_argument(
            f"--{control.name.replace('_', '-')}",
            dest=control.name,
            type=kinds[control.type],
            default=control.default,
            choices=control.choices or None,
            metavar=None if control.choices else _METAVARS.get(control.unit or control.type, "X"),
            help=f"{control.help[0].lower()}{control.help[1:]} (default: {shown})".replace("%", "%%"),
        )
    for option in dict.fromkeys(control.option for control in chosen if control.option):
        members = [control for control in chosen if control.option == option]
        parser.add_argument(
            f"--{option}",
            action="append",
            default=[],
            metavar="NAME=X,...",
            help=f"{', '.join(control.key for control in members)}: {members[0].min:g} to {members[0].max:g} each",
        )


def controls_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The controls that parsed arguments hold, checked. ConfigError names what is wrong."""
    given: dict[str, Any] = {
        name: getattr(arguments, name) for name, control in controls().items() if hasattr(arguments, name)
    }
    for option in _options():
        for text in getattr(arguments, option, None) or []:
            given.setdefault(option, {}).update(parse_pairs(text, option))
    return checked_controls(given)


@cache
def styles() -> dict[str, dict[str, float]]:
    """Named settings of all style controls (``styles.json``)."""
    return json.loads(STYLES.read_text(encoding="utf-8"))


def parse_pairs(text: str, option: str) -> dict[str, float]:
    """``name=number,name=number``, or the name of a style; ConfigError where it is neither."""
    if option == "style" and text in styles():
        return dict(styles()[text])
    pairs = {}
    for item in text.split(","):
        key, _, number = item.partition("=")
        try:
            pairs[key.strip()] = float(number)
        except ValueError:
            example = next(control.key for control in controls().values() if control.option == option)
            raise ConfigError(f"--{option} wants NAME=NUMBER, for instance {example}=0.5, not {item}.") from None
    return pairs


def parse_controls(texts: Iterable[str]) -> dict[str, Any]:
    """``name=value`` texts as controls of the table, checked; ConfigError names what is wrong."""
    given: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        control = controls().get(name.strip())
        if control is None or not equals:
            known = ", ".join(known for known, row in controls().items() if not row.option)
            raise ConfigError(f"--set wants CONTROL=VALUE, not '{text}'; the controls are {known}.")
        try:
            number = value if control.type == "choice" else float(value)
        except ValueError:
            number = value  # which the table refuses with a sentence
        given[control.name] = control.checked(number)
    return given


def values_of_option(values: Mapping[str, Any], option: str) -> dict[str, Any]:
    """The values of the controls that are given together by ``option``, by their key."""
    return {control.key: values[name] for name, control in controls().items() if control.option == option}


def as_markdown() -> str:
    """The table as docs/CONTROLS.md shows it."""
    lines = ["| control | default | lowest | highest | what it does | used by |", "|---|---|---|---|---|---|"]
    for control in controls().values():
        default = "the model's" if control.default is None else control.default
        low, high = ("", "") if control.choices else (f"{control.min:g}", f"{control.max:.10g}")
        what = control.help + (f" ({', '.join(control.choices)})" if control.choices else "")
        name = f"--{control.option} {control.key}=" if control.option else f"--{control.name.replace('_', '-')}"
        lines.append(f"| `{name}` | {default} | {low} | {high} | {what} | {control.used_by} |")
    return "\n".join(lines) + "\n"


def _options() -> tuple[str, ...]:
    return tuple(dict.fromkeys(control.option for control in controls().values() if control.option))


def _flat(given: Mapping[str, Any]) -> dict[str, Any]:
    """Nested options spread over their controls; ConfigError for names that the table lacks."""
    flat = {}
    for name, value in given.items():
        if name in controls():
            flat[name] = value
            continue
        option = name if name in _options() else name.removesuffix("s")
        members = {control.key: control.name for control in controls().values() if control.option == option}
        if not members:
            raise ConfigError(f"There is no control '{name}'; the controls are {', '.join(controls())}.")
        if not isinstance(value, Mapping):
            raise ConfigError(f"{name} must give a number for each of {', '.join(members)} that is to change.")
        for key, number in value.items():
            if key not in members:
                raise ConfigError(f"There is no {option} '{key}'; choose among {', '.join(members)}.")
            flat[members[key]] = number
    return flat


if __name__ == "__main__":
    print(f"# Controls\n\n{PREFACE}\n\n{as_markdown()}", end="")
