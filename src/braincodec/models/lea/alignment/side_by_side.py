"""The networks of all folds trained side by side with the one that is kept, so that validation chooses its epoch.

One network for each fold is trained without that fold, and one on all stimuli, batch by batch with the same rows. The
mean loss of the folds, each on what it holds out, says after which epoch to stop and how strongly weights decay; then
the folds' networks give out-of-fold predictions as well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from braincodec.config import Config
from braincodec.device import fast_matmul
from braincodec.models.gradient_training import GradientTask, TrainingSettings, adamw, descend, train_network
from braincodec.readouts.folds import Fold

FEWEST_TO_CONTRAST = 2
WARMUP = 0.05  # share of all steps
Rows = NDArray[np.int64]


class DescentSettings(Config):
    """Settings of what gradients learn from the ridge solution on.

    Attributes
    ----------
    epochs : int
        At most; validation chooses how many.
    patience : int, optional
        Stop after so many epochs without a better one. Default: never.
    batch_size : int
        Stimuli that are told apart in one step.
    learning_rate : float
        By how much one step may change a prediction, in standard deviations of its targets, roughly.
    weight_decays : tuple of float
        How strongly weights are drawn back to the ridge solution (AdamW); validation chooses one.
    seed : int
        Of the order of stimuli.
    """

    epochs: int = Field(50, ge=1)
    patience: int | None = Field(10, ge=1)
    batch_size: int = Field(256, ge=FEWEST_TO_CONTRAST)
    learning_rate: float = Field(0.1, gt=0, allow_inf_nan=False)
    weight_decays: tuple[float, ...] = Field((0.0, 0.3), min_length=1)
    seed: int = Field(0, ge=0)

    def training(self, weight_decay: float) -> TrainingSettings:
        """The settings of one training."""
        return TrainingSettings(
            epochs=self.epochs,
            patience=self.patience,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            warmup=WARMUP,
            weight_decay=weight_decay,
            gradient_limit=None,  # a common one would let one fold's gradients shorten another's
            precision="float32",
            seed=self.seed,
        )


class FoldNetwork(nn.Module, ABC):
    """What is trained: losses by name, of pairs of latents."""

    @abstractmethod
    def losses(self, source: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        """Losses of training, ``loss`` among them, for source (n, source) and target (n, target)."""

    @abstractmethod
    def judged(self, source: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        """The same of validation, in which temperatures have no part."""


@dataclass(frozen=True, eq=False)
class Descent:
    """What training side by side gave.

    Parameters
    ----------
    network : FoldNetwork
        Of all stimuli, at the best epoch.
    of_folds : list of FoldNetwork
        Each without its fold, at the same epoch.
    curve : list of dict
        Of the chosen weight decay: for each epoch ``epoch``, mean training losses, and ``validation_...`` losses.
    best_epoch : int
        0 where nothing was better than the start.
    weight_decay : float
    start, best : float
        Validation loss of the start, and of the best epoch.
    """

    network: Any
    of_folds: list[Any]
    curve: list[dict[str, Any]]
    best_epoch: int
    weight_decay: float
    start: float
    best: float

    def report(self) -> dict[str, Any]:
        """What of it is worth keeping with a model, for JSON."""
        names = ("curve", "best_epoch", "weight_decay", "start", "best")
        return {name: getattr(self, name) for name in names}


def train_side_by_side(
    begin: Callable[[Rows], FoldNetwork],
    source: torch.Tensor,
    target: torch.Tensor,
    folds: Sequence[Fold],
    settings: DescentSettings,
    *,
    title: str = "align",
    progress: bool | None = None,
) -> Descent:
    """Train a network on all stimuli, for as long and with as much decay as is best for stimuli held out.

    Parameters
    ----------
    begin : callable
        Makes the network that training on some rows starts from.
    source, target : torch.Tensor, shape (stimuli, source) and (stimuli, target)
    folds : sequence of Fold
    settings : DescentSettings
    title : str
        Of the bar.
    progress : bool, optional

    Returns
    -------
    Descent
    """
    every = np.arange(len(source))
    found: Descent | None = None
    for weight_decay in settings.weight_decays:
        networks = [begin(rows) for rows in (*(fold.train for fold in folds), every)]
        training = settings.training(weight_decay)
        task = _SideBySide(networks, source, target, folds, training)
        with fast_matmul(source.device):  # as in training, so that equal weights have equal losses
            start = task.validate()["validation"]
            trained = train_network(task, training, title=title, start_counts=True, progress=progress)
            best = task.validate()["validation"]
        if found is None or best < found.best:
            *of_folds, network = networks
            found = Descent(network, of_folds, trained.curve, trained.best_epoch, weight_decay, start, best)
    assert found is not None
    return found


class _SideBySide(GradientTask):
    kept, criterion = ("networks",), "validation"

    def __init__(
        self,
        networks: Sequence[FoldNetwork],
        source: torch.Tensor,
        target: torch.Tensor,
        folds: Sequence[Fold],
        settings: TrainingSettings,
    ) -> None:
        self.modules = {"networks": nn.ModuleList(networks)}
        self.optimisers = {"networks": adamw(networks, settings)}
        self.examples, self.device = len(source), source.device
        self._networks, self._source, self._target, self._settings = networks, source, target, settings
        self._held_out = [torch.from_numpy(fold.validation) for fold in folds]
        # which stimuli each network is trained on, the last on all
        self._mine = np.ones((len(networks), len(source)), bool)
        for mine, fold in zip(self._mine, folds, strict=False):
            mine[:] = False
            mine[fold.train] = True

    def step(self, rows: Rows, generator: torch.Generator, done: float) -> dict[str, float]:
        total, told = torch.zeros(()), {"loss": 0.0}
        for network, mine in zip(self._networks, self._mine, strict=True):
            own = torch.from_numpy(rows[mine[rows]])
            if len(own) >= FEWEST_TO_CONTRAST:
                losses = network.losses(self._source[own], self._target[own])
                total = total + losses["loss"]
                told = {name: value.item() for name, value in losses.items()}
        if total.requires_grad:
            descend(self.optimisers["networks"], total, self._settings)
        return told

    def validate(self) -> dict[str, float]:
        sums: dict[str, float] = {}
        with torch.no_grad():
            for network, rows in zip(self._networks, self._held_out, strict=False):
                for name, value in network.judged(self._source[rows], self._target[rows]).items():
                    key = "validation" if name == "loss" else f"validation_{name}"
                    sums[key] = sums.get(key, 0.0) + value.item() / len(self._held_out)
        return sums
