# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run tells: a line for people, ``metrics.jsonl`` for programs, TensorBoard where it is installed."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from ..errors import ConfigError, OutputError
from ..writing import reason, write_file
from .config import Config
from .distributed import Group

_REPORT_SECONDS: Final = 20.0


class MetricsLog:
    """``metrics.jsonl`` in the run's folder, a JSON object with its step a line, and its curves in TensorBoard.

    With ``config.wandb`` they also go to that project of Weights & Biases. ConfigError where it is not installed.
    """

    def __init__(self, folder: Path, step: int, config: Config, report: Callable[[str], None]):
        self._path = folder / "metrics.jsonl"
        self._keep_until(step)
        self._writer = _tensorboard(folder)
        if self._writer is None:
            report(f"curves: {self._path} (TensorBoard is not installed: pip install tensorboard)")
        self._wandb = _weights_and_biases(folder, config)

    def _keep_until(self, step: int) -> None:
        """A run that goes on from ``step`` learns anew what came after; step 0 begins a new file."""
        kept = []
        if step and self._path.is_file():
            for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    if json.loads(line)["step"] <= step:
                        kept.append(line + "\n")
                except (ValueError, KeyError, TypeError):
                    continue  # cut off when the run was killed
        write_file(self._path, "".join(kept))

    def add(self, step: int, **values: Any) -> None:
        """Append a line; numbers also become points of curves."""
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, **values}) + "\n")
        except OSError as error:
            raise OutputError(f"{self._path} cannot be written: {reason(error)}.") from error
        if self._writer:
            for name, value in _flat(values).items():
                self._writer.add_scalar(name, value, step)
        if self._wandb:
            self._wandb.log(_flat(values), step=step)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Numbers of nested dictionaries under names such as ``panel/jerk_ratio``; a measure's number is its value."""
    flat: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict) and "value" in value:
            value = value["value"]  # noqa: PLW2901
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            flat[prefix + name] = value
    return flat


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"))


def _weights_and_biases(folder: Path, config: Config) -> Any:
    if not config.wandb:
        return None
    try:
        import wandb
    except ImportError as error:
        raise ConfigError(
            f"'wandb' names the project '{config.wandb}', but Weights & Biases is not installed:"
            " pip install wandb, or leave it empty."
        ) from error
    return wandb.init(
        project=config.wandb, name=folder.name, dir=str(folder), config=asdict(config), resume="allow"
    )


class Progress:
    """The loss curve: means over ``log_steps`` steps and all processes; and a line for people now and then."""

    def __init__(
        self,
        group: Group,
        log: MetricsLog | None,
        report: Callable[[str], None],
        *,
        steps: int,
        step: int,
        log_steps: int,
    ):
        self._group, self._log, self._report = group, log, report
        self._steps, self._log_steps = steps, log_steps
        self._sums: dict[str, Tensor] = {}
        self._count, self._means = 0, dict[str, float]()
        self._since, self._at = step, time.monotonic()
        self._logged_at = self._at

    def note(self, step: int, parts: dict[str, Tensor], learning_rate: float) -> None:
        """Take in the parts of a step's loss; they stay on their device until they are logged."""
        for name, value in parts.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._count += 1
        # Every process comes here at the same steps, since the means are taken over all of them.
        if step % self._log_steps == 0 or step == self._steps:
            self._write_curve(step, learning_rate)
        now = time.monotonic()
        if now - self._at >= _REPORT_SECONDS or step == self._steps:
            self._report(self._line(step, now))

    def _write_curve(self, step: int, learning_rate: float) -> None:
        self._means = {name: self._group.mean(float(sum_) / self._count) for name, sum_ in self._sums.items()}
        now = time.monotonic()
        rate = self._count / max(now - self._logged_at, 1e-9)
        self._sums, self._count, self._logged_at = {}, 0, now
        if self._log:
            finite = {name: value if math.isfinite(value) else None for name, value in self._means.items()}
            self._log.add(step, train=finite, learning_rate=learning_rate, steps_per_second=round(rate, 4))

    def _line(self, step: int, now: float) -> str:
        rate = (step - self._since) / max(now - self._at, 1e-9)
        self._since, self._at = step, now
        latest = self._means or {name: float(value) / self._count for name, value in self._sums.items()}
        shown = "  ".join(f"{name} {value:.4f}" for name, value in latest.items())
        left = (self._steps - step) / max(rate, 1e-9) / 60
        return f"step {step}/{self._steps}  {shown}  {rate:.2f} steps/s  {left:.0f} min left"
