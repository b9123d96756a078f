# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop, for every recipe, in one process or several.

All randomness of step ``n`` comes from (seed, n), so a resumed run draws what the uninterrupted one would have
drawn and ends with the same weights, bit for bit on a CPU.
"""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ConfigError, GestureError, OutputError
from .config import Config
from .distributed import Group
from .kept_checkpoints import KeptCheckpoints
from .muon import MuonAdamW
from .progress import MetricsLog, Progress
from .recipe import Batch, Recipe
from .run_folder import RunFolder, check_same_run, settings_of_run
from .scorecard import ValidationPanel, panel_line
from .state import ExponentialMovingAverage, load_state, save_state

_VALIDATION_BATCHES = 4
_AGREE_STEPS = 10
"""Several processes ask one another so often whether to stop or to save: each time costs a wait for all."""


@dataclass
class Run:
    """What a finished (or interrupted) run has to say."""

    step: int
    validation_loss: float | None
    checkpoint: Path


class Trainer:
    """Network, optimiser and average of one run, and its folder."""

    def __init__(self, config: Config, recipe: Recipe, folder: Path, group: Group, report: Callable[[str], None]):
        self.config, self.recipe, self.folder, self.group, self.report = config, recipe, folder, group, report
        torch.manual_seed(config.seed)
        try:
            self.network = recipe.make_network().to(group.device)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"[model] does not describe the network: {error}.") from error
        self.optimizer = make_optimizer(config, self.network, getattr(recipe, "rates", None))
        self.ema = ExponentialMovingAverage(self.network, config.ema_decay)
        self.wrapped = group.wrap(self.network)
        self.step = 0
        self.parameters = sum(value.numel() for value in self.network.parameters())
        self.scaler = torch.amp.GradScaler(group.device.type, enabled=config.amp == "fp16")
        self._batches = _BatchesAhead(config, recipe, group)

    def resume(self) -> None:
        """Take up the saved state."""
        progress = load_state(self.folder, self.network, self.ema, self.optimizer, self.report)
        check_same_run(self.folder, self.config, progress.get("config"))
        self.step = progress["step"]
        if progress.get("scaler"):
            self.scaler.load_state_dict(progress["scaler"])

    def check(self) -> None:
        """Whether there is something to train on and to validate with, before any time is spent."""
        for split in ("train", "val") if self.recipe.validates else ("train",):
            self.recipe.draw(np.random.default_rng(0), split, self.config.batch_size, 0, self._part)

    @property
    def _part(self) -> slice:
        return self.group.part(self.config.batch_size)

    def train_step(self) -> dict[str, Tensor]:
        """One optimiser step on the global batch of this step; the parts of the loss.

        They are left on their device: to look at a number is to wait for it.
        """
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.step) * group.get("rate", 1.0)
        batch, seed = self._batches.get(self.step)
        torch.manual_seed(seed)  # dropout
        self.optimizer.zero_grad(set_to_none=True)
        with self._precision():
            loss, parts = self.recipe.loss(self.wrapped, self.group.place(batch))
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        gradient = torch.nn.utils.clip_grad_norm_(self.network.parameters(), config.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step += 1
        self.ema.update(self.step)
        return {**parts, "gradient": gradient}

    def validate(self) -> float | None:
        """Mean loss of the averaged weights on the same held-out batches every time; None without any."""
        if not self.recipe.validates:
            return None
        with self._averaged_weights(), torch.inference_mode():
            losses = []
            for index in range(_VALIDATION_BATCHES):
                rng = np.random.default_rng((self.config.seed, 1, index))
                batch = self.recipe.draw(rng, "val", self.config.batch_size, index, self._part)
                losses.append(self.recipe.loss(self.network, self.group.place(batch))[0].item())
        return self.group.mean(float(np.mean(losses)))

    def save(self, provenance: dict[str, Any]) -> Run:
        """Write the state (to resume) and the checkpoint (to use)."""
        loss = self.validate()
        finite = all(torch.isfinite(value).all() for value in self.network.parameters())
        if not finite or (loss is not None and not math.isfinite(loss)):
            raise ConfigError(
                f"The loss is no longer a number at step {self.step}: try a lower 'learning_rate'. What was saved"
                f" before is kept in {self.folder}."
            )
        path = self.folder / "model.safetensors"
        if self.group.is_main:
            settings = settings_of_run(self.config)
            progress = {"step": self.step, "config": settings, "scaler": self.scaler.state_dict()}
            save_state(self.folder, self.network, self.ema, self.optimizer, progress)
            training = {
                "steps": self.step,
                "batch_size": self.config.batch_size,
                "hours": round(self.recipe.hours, 3),
                "parameters": self.parameters,
                "validation_loss": None if loss is None else round(loss, 5),
                "config": asdict(self.config),
                **provenance,
            }
            state = {name: value.cpu() for name, value in self.ema.shadow.items()}
            self.recipe.save(path, state, training)
            told = "no validation loss" if loss is None else f"validation loss {loss:.4f}"
            self.report(f"step {self.step}: saved; {told}")
        return Run(self.step, loss, path)

    def _precision(self) -> contextlib.AbstractContextManager:
        dtype = torch.float16 if self.config.amp == "fp16" else torch.bfloat16
        return torch.autocast(self.group.device.type, dtype, enabled=self.config.amp != "off")

    @contextlib.contextmanager
    def _averaged_weights(self) -> Iterator[None]:
        if not self.ema.decay:
            self.network.eval()
            yield
            self.network.train()
            return
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
    panel: ValidationPanel | None = None,
    resume: bool = False,
    max_steps: int | None = None,
    overwrite: bool = False,
    report: Callable[[str], None] = print,
) -> Run:
    """Train to ``config.steps``; Ctrl-C (or a polite kill) stops after the current step and saves.

    A folder that holds a run is refused unless it is resumed or ``overwrite`` gives it up. ``max_steps`` ends this
    run earlier; the plan of the learning rate stays that of ``config.steps``, so that a run in stages is the
    same as one without a stop.

    Whenever the step is a multiple of ``config.panel_steps``, and at the end, the checkpoint is saved and
    ``panel`` measured. That draws no number that training would have drawn.
    """
    run_folder, problem = None, None
    if group.is_main:
        try:
            run_folder = RunFolder(folder, resume=resume, overwrite=overwrite)
        except GestureError as error:
            problem = error
    # All processes must agree, or one would wait for the others for ever.
    if group.any(problem is not None)[0]:
        raise problem or OutputError(f"The folder {folder} cannot be used.")
    try:
        return _train(config, recipe, folder, group, provenance, panel, resume, max_steps, report)
    finally:
        if run_folder:
            run_folder.release()


def _train(
    config: Config,
    recipe: Recipe,
    folder: Path,
    group: Group,
    provenance: dict[str, Any] | None,
    panel: ValidationPanel | None,
    resume: bool,
    max_steps: int | None,
    report: Callable[[str], None],
) -> Run:
    trainer = Trainer(config, recipe, folder, group, report if group.is_main else lambda line: None)
    trainer.check()
    if resume:
        trainer.resume()
    last = config.steps if max_steps is None else min(config.steps, max_steps)
    trainer.report(
        f"{recipe.hours * 60:.1f} min of data, {trainer.parameters / 1e6:.2f} M parameters,"
        f" {group.size} x {group.device.type}, from step {trainer.step} to {last}"
    )
    log = MetricsLog(folder, trainer.step, config, trainer.report) if group.is_main else None
    kept = KeptCheckpoints(folder, config)
    progress = Progress(group, log, trainer.report, steps=last, step=trainer.step, log_steps=config.log_steps)

    def save() -> Run:
        run = trainer.save(provenance or {})
        if log and run.validation_loss is not None:
            log.add(run.step, validation_loss=run.validation_loss)
        return run

    def measure(run: Run) -> None:
        if not panel or not log:
            return
        try:
            measured = panel.measure(run.checkpoint, group.device)
        except Exception as error:  # a run of days must not end because something could not be measured
            trainer.report(f"step {run.step}: the panel could not be measured ({error}); the checkpoint is kept")
            return
        log.add(run.step, panel=measured)
        trainer.report(f"step {run.step}: {panel_line(measured)}")
        if told := kept.note_panel(run.checkpoint, run.step, measured):
            trainer.report(f"step {run.step}: {told}")

    stopping = _StopOnSignal()
    trainer.network.train()
    started = saved = time.monotonic()
    stop = False
    while trainer.step < last:
        parts = trainer.train_step()
        progress.note(trainer.step, parts, learning_rate(config, trainer.step - 1))
        due = time.monotonic() - saved > config.save_minutes * 60
        # All processes must agree, or one would wait for the others for ever.
        if group.size > 1:
            asked = trainer.step % _AGREE_STEPS == 0
            stop, due = group.any(stopping.requested, due) if asked else (False, False)
        else:
            stop = stopping.requested
        if stop:
            break
        inside = trainer.step < last
        measuring = inside and config.panel_steps > 0 and trainer.step % config.panel_steps == 0
        keeping = config.keep_steps > 0 and trainer.step % config.keep_steps == 0
        if measuring or keeping or due:
            run = save()
            if keeping and group.is_main:
                kept.keep(run.checkpoint, run.step)
            if measuring:
                measure(run)
            saved = time.monotonic()
    result = save()
    if not stop:
        measure(result)
    minutes = (time.monotonic() - started) / 60
    trainer.report(f"{'stopped' if stop else 'done'} after {minutes:.1f} min: {result.checkpoint}")
    return result


def make_optimizer(
    config: Config, network: nn.Module, rates: Mapping[str, float] | None = None
) -> torch.optim.Optimizer:
    """The optimiser that ``config.optimizer`` names; where the device allows, one fused pass over the weights.

    ``rates``: factors of the learning rate for parameters whose names begin so.
    """
    weights: list[Any] = list(network.parameters())
    fused = weights[0].device.type in ("cpu", "cuda")
    if rates:
        named = list(network.named_parameters())
        weights = [
            {"params": [w for name, w in named if name.startswith(prefix)], "rate": rate}
            for prefix, rate in rates.items()
        ]
        weights.append({"params": [w for name, w in named if not name.startswith(tuple(rates))], "rate": 1.0})
    betas = (config.betas[0], config.betas[1])
    if config.optimizer == "muon":
        return MuonAdamW(network, config.learning_rate, betas, config.weight_decay)
    if config.optimizer == "adam":
        return torch.optim.Adam(weights, config.learning_rate, betas=betas, fused=fused)
    return torch.optim.AdamW(
        weights, config.learning_rate, betas=betas, weight_decay=config.weight_decay, fused=fused
    )


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


class _BatchesAhead:
    """The next step's batch, drawn on a thread while this step is computed.

    A batch is a function of (seed, step), so it does not matter when it is drawn.
    """

    def __init__(self, config: Config, recipe: Recipe, group: Group):
        self._config, self._recipe = config, recipe
        self._pinned, self._part = group.device.type == "cuda", group.part(config.batch_size)
        self._thread = ThreadPoolExecutor(1, "batches")
        self._ready: dict[int, Future[tuple[Batch, int]]] = {}

    def get(self, step: int) -> tuple[Batch, int]:
        """The batch of ``step``, and a seed for what is drawn in the network."""
        batch = self._ready.get(step) or self._thread.submit(self._draw, step)
        ahead = range(step + 1, min(step + 2, self._config.steps))
        self._ready = {after: self._thread.submit(self._draw, after) for after in ahead}
        return batch.result()

    def _draw(self, step: int) -> tuple[Batch, int]:
        rng = np.random.default_rng((self._config.seed, 0, step))
        batch = self._recipe.draw(rng, "train", self._config.batch_size, step, self._part)
        if self._pinned:
            batch = tuple(tensor.pin_memory() for tensor in batch)
        return batch, int(rng.integers(2**31))


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
