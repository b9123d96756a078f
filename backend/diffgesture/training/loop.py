# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop, for every recipe, in one process or several.

All randomness of step ``n`` comes from (seed, n), so a resumed run draws what the uninterrupted one would have
drawn and ends with the same weights, bit for bit on a CPU.
"""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import ConfigError
from .config import Config
from .distributed import Group
from .recipe import Recipe
from .state import ExponentialMovingAverage, load_state, save_state

_VALIDATION_BATCHES = 4
_REPORT_SECONDS = 20.0


@dataclass
class Run:
    """What a finished (or interrupted) run has to say."""

    step: int
    validation_loss: float
    checkpoint: Path


class Trainer:
    """Network, optimiser and average of one run, and its folder."""

    def __init__(self, config: Config, recipe: Recipe, folder: Path, group: Group, report: Callable[[str], None]):
        folder.mkdir(parents=True, exist_ok=True)
        self.config, self.recipe, self.folder, self.group, self.report = config, recipe, folder, group, report
        torch.manual_seed(config.seed)
        try:
            self.network = recipe.make_network().to(group.device)
        except TypeError as error:
            raise ConfigError(f"[model] does not describe the network: {error}.") from error
        optimizer = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
        decay = {} if config.optimizer == "adam" else {"weight_decay": config.weight_decay}
        beta1, beta2 = config.betas
        self.optimizer = optimizer(self.network.parameters(), config.learning_rate, betas=(beta1, beta2), **decay)
        self.ema = ExponentialMovingAverage(self.network, config.ema_decay)
        self.wrapped = group.wrap(self.network)
        self.step = 0
        self.parameters = sum(value.numel() for value in self.network.parameters())

    def resume(self) -> None:
        """Take up the saved state."""
        self.step = load_state(self.folder, self.network, self.ema, self.optimizer)["step"]

    def train_step(self) -> dict[str, float]:
        """One optimiser step on the global batch of this step; the parts of the loss."""
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.step)
        rng = np.random.default_rng((config.seed, 0, self.step))
        batch = self.recipe.draw(rng, "train", config.batch_size, self.step)
        torch.manual_seed(int(rng.integers(2**31)))  # dropout
        self.optimizer.zero_grad(set_to_none=True)
        with self._precision():
            loss, parts = self.recipe.loss(self.wrapped, self.group.share(batch))
        loss.backward()
        gradient = torch.nn.utils.clip_grad_norm_(self.network.parameters(), config.gradient_clip)
        self.optimizer.step()
        self.step += 1
        self.ema.update(self.network, self.step)
        return {**parts, "gradient": float(gradient)}

    def validate(self) -> float:
        """Mean loss of the averaged weights on the same held-out batches every time."""
        with self._averaged_weights(), torch.inference_mode():
            losses = []
            for index in range(_VALIDATION_BATCHES):
                rng = np.random.default_rng((self.config.seed, 1, index))
                batch = self.recipe.draw(rng, "val", self.config.batch_size, index)
                losses.append(self.recipe.loss(self.network, self.group.share(batch))[0].item())
        return self.group.mean(float(np.mean(losses)))

    def save(self, provenance: dict[str, Any]) -> Run:
        """Write the state (to resume) and the checkpoint (to use)."""
        loss = self.validate()
        path = self.folder / "model.safetensors"
        if self.group.is_main:
            save_state(self.folder, self.network, self.ema, self.optimizer, {"step": self.step})
            training = {
                "steps": self.step,
                "batch_size": self.config.batch_size,
                "hours": round(self.recipe.hours, 3),
                "parameters": self.parameters,
                "validation_loss": round(loss, 5),
                "config": asdict(self.config),
                **provenance,
            }
            state = {name: value.cpu() for name, value in self.ema.shadow.items()}
            self.recipe.save(path, state, training)
            self.report(f"step {self.step}: saved; validation loss {loss:.4f}")
        return Run(self.step, loss, path)

    def _precision(self) -> contextlib.AbstractContextManager:
        return torch.autocast(self.group.device.type, torch.bfloat16, enabled=self.config.amp)

    @contextlib.contextmanager
    def _averaged_weights(self) -> Iterator[None]:
        kept = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.ema.shadow)
        self.network.eval()
        try:
            yield
        finally:
            self.network.train()
            self.network.load_state_dict(kept)


def train(
    config: Config,
    recipe: Recipe,
    folder: Path,
    group: Group,
    *,
    provenance: dict[str, Any] | None = None,
    resume: bool = False,
    report: Callable[[str], None] = print,
) -> Run:
    """Train to ``config.steps``; Ctrl-C (or a polite kill) stops after the current step and saves."""
    trainer = Trainer(config, recipe, folder, group, report if group.is_main else lambda line: None)
    if resume:
        trainer.resume()
    trainer.report(
        f"{recipe.hours:.2f} h of data, {trainer.parameters / 1e6:.2f} M parameters,"
        f" {group.size} x {group.device.type}, from step {trainer.step} to {config.steps}"
    )
    stopping = _StopOnSignal()
    trainer.network.train()
    progress = _Progress(config.steps, trainer.step, folder if group.is_main else None)
    started = saved = time.monotonic()
    while trainer.step < config.steps:
        if line := progress.note(trainer.step + 1, trainer.train_step()):
            trainer.report(line)
        # All processes must agree, or one would wait for the others for ever.
        if group.any(stopping.requested):
            break
        if group.any(time.monotonic() - saved > config.save_minutes * 60):
            trainer.save(provenance or {})
            saved = time.monotonic()
    result = trainer.save(provenance or {})
    minutes = (time.monotonic() - started) / 60
    trainer.report(f"{'stopped' if stopping.requested else 'done'} after {minutes:.1f} min: {result.checkpoint}")
    return result


def learning_rate(config: Config, step: int) -> float:
    """Constant, a tenth every ``decay_steps``, or linear warm-up and a cosine down to 2 % of the peak."""
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "step":
        return config.learning_rate * 0.1 ** (step // max(1, config.decay_steps))
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(done, 1))))


class _Progress:
    """Running averages for the progress line and, when TensorBoard is installed, its curves."""

    def __init__(self, steps: int, step: int, folder: Path | None):
        self._steps, self._since, self._at = steps, step, time.monotonic()
        self._averages: dict[str, float] = {}
        self._writer = _tensorboard(folder) if folder else None

    def note(self, step: int, parts: dict[str, float]) -> str | None:
        for name, value in parts.items():
            self._averages[name] = 0.98 * self._averages.get(name, value) + 0.02 * value
        now = time.monotonic()
        if now - self._at < _REPORT_SECONDS and step < self._steps:
            return None
        rate = (step - self._since) / max(now - self._at, 1e-9)
        self._since, self._at = step, now
        if self._writer:
            for name, value in self._averages.items():
                self._writer.add_scalar(f"train/{name}", value, step)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in self._averages.items())
        left = (self._steps - step) / max(rate, 1e-9) / 60
        return f"step {step}/{self._steps}  {shown}  {rate:.2f} steps/s  {left:.0f} min left"


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"))


class _StopOnSignal:
    """Ctrl-C ends the run after the current step; a second one ends it at once."""

    def __init__(self) -> None:
        self.requested = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: Any) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
