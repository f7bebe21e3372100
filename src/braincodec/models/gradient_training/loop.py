"""Epochs over examples: shuffled batches, validation, the best epoch kept, checkpoints, exact resume.

Random numbers are drawn anew for each batch from (seed, purpose, epoch, batch), so the position alone says which come
next, and a run that goes on from a checkpoint draws what an uninterrupted one would have drawn.
"""

from __future__ import annotations

import contextlib
import math
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from braincodec.device import fast_matmul, is_out_of_memory
from braincodec.errors import InputValueError
from braincodec.models.gradient_training.optimisation import Weights, learning_rate_factor, moments, restore_moments
from braincodec.models.gradient_training.randomness import reproducible, seeded
from braincodec.progress import progress_bar

if TYPE_CHECKING:
    from braincodec.models.gradient_training.checkpoints import Checkpoints
    from braincodec.models.gradient_training.settings import TrainingSettings
    from braincodec.models.gradient_training.task import GradientTask

SECONDS_BETWEEN_SAVES = 60.0


class Trained(NamedTuple):
    """How a training went.

    Parameters
    ----------
    curve : list of dict
        An entry for each epoch: ``epoch`` from 1, losses of training, scores of validation.
    best_epoch : int
        The one whose weights were kept; 0 for those that training started from.
    """

    curve: list[dict[str, Any]]
    best_epoch: int


@dataclass
class Position:
    """How far training has come.

    Attributes
    ----------
    epoch, batch : int
        The next to be done, from 0.
    losses : dict of str to float
        So far in this epoch, summed over examples.
    curve : list of dict
    best : float
        Least criterion so far.
    best_epoch : int
        Number from 1; 0 before the first, or where the start was best.
    """

    epoch: int = 0
    batch: int = 0
    losses: dict[str, float] = field(default_factory=dict)
    curve: list[dict[str, Any]] = field(default_factory=list)
    best: float = math.inf
    best_epoch: int = 0


def train_network(
    task: GradientTask,
    settings: TrainingSettings,
    checkpoints: Checkpoints | None = None,
    *,
    title: str = "train",
    start_counts: bool = False,
    progress: bool | None = None,
) -> Trained:
    """Train to the end, from where an earlier run ended; the task's kept modules then have the best epoch's weights.

    Parameters
    ----------
    task : GradientTask
        As the training starts: equal tasks give equal results.
    settings : TrainingSettings
    checkpoints : Checkpoints, optional
        Entered; its identity must name all that decides the result. Default: nothing is kept on disk.
    title : str
        Of the bar.
    start_counts : bool
        Keep the weights that training starts from where no epoch is better.
    progress : bool, optional
        Show a bar; default: when stderr is a terminal.

    Returns
    -------
    Trained

    Raises
    ------
    InputValueError
        When the loss becomes infinite or NaN, or a batch does not fit into memory.
    """
    total = settings.epochs * task.examples
    devices = [task.device] if task.device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices),
        reproducible(task.device),
        # on a processor, what it prepares for each product takes longer than it saves in steps of a small network
        fast_matmul(task.device) if task.device.type != "cpu" else contextlib.nullcontext(),
        progress_bar(title, total, show=progress) as advance,
    ):
        run = _Run(task, settings, checkpoints, advance)
        run.begin(start_counts)
        while not run.finished:
            run.epoch()
        run.end()
    return Trained(run.position.curve, run.position.best_epoch)


class _Run:
    def __init__(
        self,
        task: GradientTask,
        settings: TrainingSettings,
        checkpoints: Checkpoints | None,
        advance: Callable[[int], None],
    ) -> None:
        self.task, self.settings, self.checkpoints, self.advance = task, settings, checkpoints, advance
        self.position = Position()
        self.best: Weights = {}
        self.best_is_new = False
        self.last_save = time.monotonic()

    def begin(self, start_counts: bool) -> None:
        saved = self.checkpoints.load() if self.checkpoints is not None else None
        if saved is not None:
            self._restore(saved.tensors)
            self.position = Position(**{name: saved.state[name] for name in vars(self.position)})
            self.position.best = math.inf if self.position.best is None else self.position.best
            self.best = saved.best
            self.advance(self.position.epoch * self.task.examples)
        elif start_counts:
            self.position.best = self.task.validate()[self.task.criterion]
            self._keep()

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the last ones brought nothing better."""
        now, patience = self.position, self.settings.patience
        waited = patience is not None and math.isfinite(now.best) and now.epoch - now.best_epoch >= patience
        return now.epoch >= self.settings.epochs or waited

    def epoch(self) -> None:
        now, task = self.position, self.task
        batches = task.batches(np.random.default_rng(self._key("order", now.epoch)), self.settings.batch_size)
        self.advance(sum(map(len, batches[: now.batch])))
        for rows in batches[now.batch :]:
            done = (now.epoch + now.batch / len(batches)) / self.settings.epochs
            self._set_learning_rate((now.epoch + (now.batch + 0.5) / len(batches)) / self.settings.epochs)
            for name, value in self._step(rows, done).items():
                now.losses[name] = now.losses.get(name, 0.0) + value * len(rows)
            now.batch += 1
            self.advance(len(rows))
            if now.batch < len(batches):
                self._save_sometimes()
        self._validate(sum(map(len, batches)))
        self._save_sometimes()

    def end(self) -> None:
        if self.checkpoints is not None:
            self._save()
        with torch.no_grad():
            for name, tensor in self._named(self.task.kept):
                tensor.copy_(self.best[name])

    def _step(self, rows: np.ndarray, done: float) -> dict[str, float]:
        now = self.position
        torch.manual_seed(seeded(self._key("global", now.epoch, now.batch)).initial_seed())
        generator = seeded(self._key("step", now.epoch, now.batch))
        try:
            return self.task.step(rows, generator, done)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            # not halved: the result depends on the size of a batch
            raise InputValueError(
                f"a step of {len(rows)} examples does not fit into the memory of {self.task.device}; "
                f"lower batch_size (now {self.settings.batch_size})"
            ) from error

    def _validate(self, examples: int) -> None:
        now = self.position
        losses = {name: value / examples for name, value in now.losses.items()}
        scores = self.task.validate()
        bad = [(name, value) for name, value in (losses | scores).items() if not math.isfinite(value)]
        if bad:
            raise InputValueError(
                f"training diverged in epoch {now.epoch + 1}: {bad[0][0]} is {bad[0][1]}; lower learning_rate "
                f"(now {self.settings.learning_rate:g})"
            )
        now.curve.append({"epoch": now.epoch + 1, **losses, **scores})
        now.epoch, now.batch, now.losses = now.epoch + 1, 0, {}
        error = scores[self.task.criterion] if self.task.candidate else math.inf
        if error < now.best or not self.best:
            now.best, now.best_epoch = error, now.epoch
            self._keep()

    def _keep(self) -> None:
        self.best = {name: tensor.detach().clone() for name, tensor in self._named(self.task.kept)}
        self.best_is_new = True

    def _save_sometimes(self) -> None:
        if self.checkpoints is not None and time.monotonic() - self.last_save >= SECONDS_BETWEEN_SAVES:
            self._save()

    def _save(self) -> None:
        assert self.checkpoints is not None
        tensors = {f"weights/{name}": tensor for name, tensor in self._named(tuple(self.task.modules))}
        tensors |= {f"moments/{name}": tensor for name, tensor in moments(self.task.optimisers).items()}
        state = vars(self.position) | {"best": self.position.best if math.isfinite(self.position.best) else None}
        self.checkpoints.save(state, tensors, self.best if self.best_is_new else None)
        self.best_is_new, self.last_save = False, time.monotonic()

    def _restore(self, tensors: Weights) -> None:
        with torch.no_grad():
            for name, tensor in self._named(tuple(self.task.modules)):
                tensor.copy_(tensors[f"weights/{name}"])
        prefix = "moments/"
        own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        restore_moments(self.task.optimisers, own)

    def _named(self, modules: tuple[str, ...]) -> list[tuple[str, torch.Tensor]]:
        """Weights and buffers, each once where modules share them."""
        seen: dict[int, tuple[str, torch.Tensor]] = {}
        for module in modules:
            for name, tensor in self.task.modules[module].state_dict().items():
                seen.setdefault(tensor.data_ptr() if tensor.numel() else id(tensor), (f"{module}.{name}", tensor))
        return list(seen.values())

    def _set_learning_rate(self, done: float) -> None:
        factor = learning_rate_factor(done, self.settings.warmup)
        for optimiser in self.task.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = group.setdefault("highest_lr", group["lr"]) * factor

    def _key(self, purpose: str, *place: int) -> list[int]:
        return [self.settings.seed, zlib.crc32(purpose.encode()), *place]
