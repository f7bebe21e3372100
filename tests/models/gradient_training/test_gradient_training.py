"""Training by gradients: what is learnt, what is kept, and that a run that was cut short goes on exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from braincodec.errors import InputValueError
from braincodec.models.gradient_training import (
    Checkpoints,
    GradientTask,
    TrainingSettings,
    adamw,
    descend,
    loop,
    train_network,
)


class StoppedError(Exception):
    """The process ends here."""


class Line(GradientTask):
    """A small network with dropout learns a linear function; `stop` ends the process at a step."""

    kept, criterion, device = ("network",), "validation_loss", torch.device("cpu")

    def __init__(self, settings: TrainingSettings, stop: int | None = None, fail: float | None = None) -> None:
        torch.manual_seed(5)
        self.settings, self.stop, self.fail, self.steps = settings, stop, fail, 0
        network = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Dropout(0.1), nn.Linear(16, 1))
        self.modules, self.optimisers = {"network": network}, {"all": adamw([network], settings)}
        rng = np.random.default_rng(0)
        self.x = torch.from_numpy(rng.normal(size=(60, 4)).astype(np.float32))
        self.y = self.x @ torch.tensor([1.0, -2.0, 0.5, 0.0])[:, None]
        self.examples = 40

    def step(self, rows: np.ndarray, generator: torch.Generator, done: float) -> dict[str, float]:
        self.steps += 1
        if self.steps == self.stop:
            raise StoppedError
        x = self.x[rows] + 0.01 * torch.randn(len(rows), 4, generator=generator)
        network = self.modules["network"].train()
        loss = ((network(x) - self.y[rows]) ** 2).mean() * (self.fail or 1.0)
        descend(self.optimisers["all"], loss, self.settings)
        return {"loss": float(loss.detach())}

    def validate(self) -> dict[str, float]:
        with torch.no_grad():
            return {"validation_loss": float(((self.modules["network"].eval()(self.x[40:]) - self.y[40:]) ** 2).mean())}


SETTINGS = TrainingSettings(epochs=12, batch_size=16, learning_rate=0.02)


def weights(task: Line) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in task.modules["network"].state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_training_learns_and_holds_the_best_epoch() -> None:
    task = Line(SETTINGS)
    before = task.validate()["validation_loss"]
    trained = train_network(task, SETTINGS)
    losses = [entry["validation_loss"] for entry in trained.curve]
    assert min(losses) < 0.2 * before
    assert trained.best_epoch == int(np.argmin(losses)) + 1
    assert task.validate()["validation_loss"] == pytest.approx(min(losses), rel=1e-6)


def test_equal_seeds_give_equal_weights_and_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, second, other = Line(SETTINGS), Line(SETTINGS), Line(SETTINGS)
    torch.set_rng_state(state)
    train_network(first, SETTINGS)
    assert torch.equal(torch.get_rng_state(), state)
    train_network(second, SETTINGS)
    train_network(other, SETTINGS.model_copy(update={"seed": 1}))
    assert same(weights(first), weights(second))
    assert not same(weights(first), weights(other))


@pytest.mark.parametrize("stop", [1, 3, 5, 20])
def test_run_that_was_cut_short_ends_in_the_same_weights(tmp_path, monkeypatch, stop: int) -> None:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", 0.0)
    whole = Line(SETTINGS)
    curve = train_network(whole, SETTINGS).curve
    with Checkpoints(tmp_path, "line", {}) as checkpoints, pytest.raises(StoppedError):
        train_network(Line(SETTINGS, stop), SETTINGS, checkpoints)
    resumed = Line(SETTINGS)
    with Checkpoints(tmp_path, "line", {}) as checkpoints:
        assert train_network(resumed, SETTINGS, checkpoints).curve == curve
    assert resumed.steps == whole.steps - (stop - 1)
    assert same(weights(resumed), weights(whole))


def test_finished_run_is_not_repeated(tmp_path) -> None:
    first, again = Line(SETTINGS), Line(SETTINGS)
    for task in (first, again):
        with Checkpoints(tmp_path, "line", {}) as checkpoints:
            train_network(task, SETTINGS, checkpoints)
    assert again.steps == 0
    assert same(weights(first), weights(again))


def test_patience_ends_a_training_that_does_not_improve() -> None:
    settings = SETTINGS.model_copy(update={"epochs": 500, "patience": 3, "learning_rate": 0.5})
    trained = train_network(Line(settings), settings)
    assert len(trained.curve) == trained.best_epoch + 3 < 500


def test_start_is_kept_where_no_epoch_is_better() -> None:
    good = Line(SETTINGS)
    train_network(good, SETTINGS)
    settings = SETTINGS.model_copy(update={"learning_rate": 30.0, "gradient_limit": None, "epochs": 2})
    task = Line(settings)
    task.modules["network"].load_state_dict(good.modules["network"].state_dict())
    assert train_network(task, settings, start_counts=True).best_epoch == 0
    assert same(weights(task), weights(good))


def test_divergence_names_the_epoch_and_the_remedy() -> None:
    with pytest.raises(InputValueError, match=r"diverged in epoch 1: loss is .*lower learning_rate"):
        train_network(Line(SETTINGS, fail=float("nan")), SETTINGS)


def test_learning_rate_rises_and_falls_to_nothing() -> None:
    rates = []

    class Watched(Line):
        def step(self, rows, generator, done):
            rates.append(self.optimisers["all"].param_groups[0]["lr"])
            return super().step(rows, generator, done)

    settings = SETTINGS.model_copy(update={"warmup": 0.25})
    train_network(Watched(settings), settings)
    assert int(np.argmax(rates)) in range(len(rates) // 4 - 1, len(rates) // 4 + 1)
    assert rates[0] < 0.1 * max(rates) and rates[-1] < 0.01 * max(rates)


def test_modules_with_shared_weights_are_trained_and_stored_once(tmp_path) -> None:
    class Twin(Line):
        kept = ("network", "twin")

        def __init__(self, settings: TrainingSettings) -> None:
            super().__init__(settings)
            network = self.modules["network"]
            self.modules = {"network": network, "twin": nn.ModuleList([network[0]])}

    plain, twin = Line(SETTINGS), Twin(SETTINGS)
    train_network(plain, SETTINGS)
    with Checkpoints(tmp_path, "twin", {}) as checkpoints:
        train_network(twin, SETTINGS, checkpoints)
    assert same(weights(plain), weights(twin))
