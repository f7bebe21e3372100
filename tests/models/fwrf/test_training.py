"""Epochs: what is learnt, which epoch is kept, and going on after an interruption."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from braincodec.errors import InputValueError, OutputError
from braincodec.models.fwrf import training as module
from braincodec.models.fwrf.initial import random_trunk
from braincodec.models.fwrf.loss import correlations, weighted_error
from braincodec.models.fwrf.steps import NetworkInTraining
from braincodec.models.fwrf.training import SubjectExamples, Training
from braincodec.models.gradient_training.checkpoints import Checkpoints
from braincodec.models.gradient_training.randomness import seeded

from .learnable import recipe, rows

SIDES, UNITS, CPU = (7, 5, 3), 4, torch.device("cpu")


def training(settings, subjects=1, count=16, number=0, size=67):
    trunk = random_trunk(seeded([0])) | {"mu": torch.full((1, 3, 1, 1), 0.5)}
    rng = seeded([1])
    readouts = [
        {f"rf{m}": torch.ones(UNITS, side, side) for m, side in enumerate(SIDES)}
        | {"w": torch.empty(UNITS, 768).normal_(0, 0.01, generator=rng), "b": torch.zeros(UNITS)}
        for _ in range(subjects)
    ]
    data = [
        SubjectExamples(str(one), rows(count + one, UNITS, seed=one), rows(20, UNITS, seed=50), np.arange(UNITS))
        for one in range(subjects)
    ]
    net = NetworkInTraining(trunk, readouts, settings, CPU, torch.float32)
    return Training(net, data, number, images_a_pass=8)


def run(one, folder, **identity):
    with Checkpoints(folder, "fwrf", identity) as checkpoints:
        one.run(checkpoints)
    return one


@pytest.mark.slow
def test_it_learns_what_can_be_learnt(tmp_path):
    settings = recipe(epochs=6, learning_rate=3e-3, alternating=True)
    one = run(training(settings, count=64), tmp_path)
    curve = one.position.curve
    assert one.position.best > 0.5
    assert curve[-1]["loss"] < 0.7 * curve[0]["loss"]
    assert curve[-1]["validation_loss"] < curve[0]["validation_loss"]


class Preset(Training):
    """Predictions of known quality: each epoch's validation correlation is given."""

    scores = (0.1, 0.6, 0.6, 0.3, 0.9)

    def validation(self, number):
        response = np.random.default_rng(0).standard_normal((50, UNITS))
        response = np.linalg.qr(response - response.mean(0))[0]
        score = self.scores[self.position.epoch]
        # of orthonormal columns, the first as predicted from itself and the next
        return score * response + np.sqrt(1 - score**2) * np.roll(response, 1, axis=1), response

    def __init__(self, like):
        vars(self).update(vars(like))
        self.after = []

    def _validate(self):
        self.after.append(self.network.weights())
        return super()._validate()


@pytest.mark.parametrize(("patience", "epochs", "best"), [(2, 4, 2), (None, 5, 5), (3, 5, 5)])
def test_the_best_epoch_is_kept_and_waiting_has_an_end(patience, epochs, best, tmp_path):
    one = run(Preset(training(recipe(epochs=5, patience=patience), count=4)), tmp_path)
    assert (one.position.epoch, one.position.best_epoch) == (epochs, best)
    assert [round(entry["validation_correlation"], 6) for entry in one.position.curve] == list(Preset.scores[:epochs])
    assert all(torch.equal(tensor, one.after[best - 1][name]) for name, tensor in one.best.items())


def equal(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("stop", [pytest.param(1, marks=pytest.mark.slow), 5])
def test_going_on_after_any_step_gives_the_same_weights_to_the_last_bit(stop, tmp_path, monkeypatch):
    settings = recipe(epochs=2, batch_size=4, dropout=0.5, shift=2, alternating=True)
    whole = run(training(settings, subjects=2, count=8), tmp_path / "whole")
    monkeypatch.setattr(module, "SECONDS_BETWEEN_SAVES", 0.0)
    begun, steps = training(settings, subjects=2, count=8), []

    def advance(_):
        steps.append(1)
        if len(steps) > stop:
            raise StoppedError

    with Checkpoints(tmp_path / "cut", "fwrf", {}) as checkpoints, pytest.raises(StoppedError):
        begun.run(checkpoints, advance)
    again = run(training(settings, subjects=2, count=8), tmp_path / "cut")
    assert again.position == whole.position
    assert equal(again.network.weights(), whole.network.weights())
    assert equal({n: t.contiguous() for n, t in again.best.items()}, {n: t.contiguous() for n, t in whole.best.items()})


def test_equal_seeds_give_equal_weights_and_others_do_not(tmp_path):
    one, two, other, elsewhere = (
        run(training(recipe(epochs=1, seed=seed), number=number), tmp_path / str(place))
        for place, (seed, number) in enumerate([(0, 0), (0, 0), (1, 0), (0, 1)])
    )
    assert equal(one.best, two.best)
    assert not equal(one.best, other.best)
    assert not equal(one.best, elsewhere.best)


def test_every_example_comes_once_an_epoch_in_batches_of_one_subject():
    one = training(recipe(batch_size=5), subjects=2, count=11)
    for epoch in range(2):
        plan = one.plan(epoch)
        for subject, count in ((0, 11), (1, 12)):
            batches = [examples for whose, examples in plan if whose == subject]
            assert sorted(np.concatenate(batches)) == list(range(count))
            assert all(3 <= len(batch) <= 5 for batch in batches)
    first, second = ([examples.tolist() for _, examples in one.plan(epoch)] for epoch in range(2))
    assert first != second


def test_a_batch_larger_than_the_data_is_all_of_it():
    assert [len(examples) for _, examples in training(recipe(batch_size=500), count=6).plan(0)] == [6]


def test_a_diverging_training_says_so(tmp_path):
    one = training(recipe(epochs=1))
    one.network.readouts[0]["w"].data[0, 0] = np.inf
    with pytest.raises(InputValueError, match=r"diverged in epoch 1.*learning_rate"):
        run(one, tmp_path)


def test_a_step_that_does_not_fit_says_what_to_lower(tmp_path, monkeypatch):
    def step(*_):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(NetworkInTraining, "step", step)
    with pytest.raises(InputValueError, match=r"8 images does not fit.*lower batch_size"):
        run(training(recipe(epochs=1)), tmp_path)


def test_a_finished_training_is_not_repeated(tmp_path, monkeypatch):
    done = run(training(recipe(epochs=1)), tmp_path)
    monkeypatch.setattr(NetworkInTraining, "step", None)
    again = run(training(recipe(epochs=1)), tmp_path)
    assert equal(again.best, {name: tensor.contiguous() for name, tensor in done.best.items()})


def test_checkpoints_hold_no_more_than_the_last_state_and_the_best(tmp_path):
    run(training(recipe(epochs=2, batch_size=8)), tmp_path)
    (folder,) = tmp_path.iterdir()
    names = sorted(path.name.partition("-")[0] for path in folder.iterdir())
    assert names == ["best", "lock", "state.json", "weights"]
    state = json.loads((folder / "state.json").read_text())
    assert (state["epoch"], state["batch"]) == (2, 0)


def test_a_damaged_checkpoint_is_left_with_a_warning(tmp_path):
    run(training(recipe(epochs=1)), tmp_path)
    weights = next(tmp_path.glob("*/weights*"))
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="begins anew"):
        run(training(recipe(epochs=1)), tmp_path)


def test_one_process_at_a_time_trains_a_network(tmp_path):
    with (
        Checkpoints(tmp_path, "fwrf", {}),
        pytest.raises(OutputError, match="another process"),
        Checkpoints(tmp_path, "fwrf", {}),
    ):
        pass


@pytest.mark.parametrize("small_disk", [2], indirect=True)
def test_a_full_disk_keeps_the_state_before(small_disk):
    tensors = {"a": torch.zeros(1000)}
    state = {"epoch": 1, "batch": 0}
    with Checkpoints(small_disk, "fwrf", {}) as checkpoints:
        checkpoints.save(state, tensors)
        with pytest.raises(OutputError, match="MB free"):
            checkpoints.save({"epoch": 2, "batch": 0}, {"a": torch.zeros(10**6)})
        saved = checkpoints.load()
    assert saved.state["epoch"] == 1
    assert torch.equal(saved.tensors["a"], tensors["a"])


def test_correlations_are_those_of_numpy():
    rng = np.random.default_rng(0)
    p, r = rng.standard_normal((2, 30, 5))
    r[4:6, 2] = np.nan
    p[:, 3] = 1.0
    r[:, 4] = np.nan
    found = correlations(p, r)
    assert found[0] == pytest.approx(np.corrcoef(p[:, 0], r[:, 0])[0, 1])
    known = np.isfinite(r[:, 2])
    assert found[2] == pytest.approx(np.corrcoef(p[known, 2], r[known, 2])[0, 1])
    assert found[3] == found[4] == 0


def test_errors_of_well_predicted_units_weigh_more():
    rng = torch.Generator().manual_seed(0)
    response = torch.randn(50, 2, generator=rng)
    prediction = torch.stack([response[:, 0] + 0.5, torch.randn(50, generator=rng)], 1).requires_grad_()
    error, loss = weighted_error(prediction, response, 0.1)
    torch.testing.assert_close(error, ((prediction - response) ** 2).sum(0).detach())
    (slope,) = torch.autograd.grad(loss, prediction)
    ratio = (slope / (2 * (prediction - response))).detach().mean(0)
    torch.testing.assert_close(ratio, torch.tensor([1.0, 0.1]) / 0.55, rtol=1e-3, atol=1e-3)
