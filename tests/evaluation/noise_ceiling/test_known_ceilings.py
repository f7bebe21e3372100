"""The promise: on units with known ceilings, unclipped estimates are right on average."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from braincodec.evaluation.noise_ceiling import noise_ceiling_split_half, noise_ceiling_variance_components

UNITS = 200
CEILINGS = np.linspace(0.1, 0.9, UNITS)
REPETITIONS = [2, 3, 5, 14, "2 to 14", "1 to 4"]
ESTIMATORS: dict[str, Callable[..., np.ndarray]] = {
    "variance components": lambda responses: noise_ceiling_variance_components(responses, clip=False),
    "split half": lambda responses: noise_ceiling_split_half(responses, draws=20, clip=False),
}


def _counts(repetitions: int | str, seed: int) -> np.ndarray | int:
    if isinstance(repetitions, int):
        return repetitions
    fewest, most = map(int, repetitions.split(" to "))
    return np.random.default_rng([7, seed]).integers(fewest, most + 1, 200)


def _mean_errors(repeated, estimator: str, repetitions: int | str, seeds: int) -> np.ndarray:
    """Mean signed error of each unit over seeds."""
    errors = [
        ESTIMATORS[estimator](repeated(seed, _counts(repetitions, seed), CEILINGS)) - CEILINGS for seed in range(seeds)
    ]
    return np.mean(errors, axis=0)


@pytest.mark.parametrize("repetitions", REPETITIONS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_mean_signed_error_is_small(repeated, estimator, repetitions):
    errors = _mean_errors(repeated, estimator, repetitions, seeds=5)
    assert abs(errors.mean()) < 0.01
    # low and high ceilings alike; fewer units, so a wider margin
    assert np.abs(errors.reshape(4, -1).mean(axis=1)).max() < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("repetitions", [*range(2, 15), "2 to 14", "1 to 14", "1 to 2"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_mean_signed_error_over_fifty_seeds(repeated, estimator, repetitions):
    errors = _mean_errors(repeated, estimator, repetitions, seeds=50)
    assert abs(errors.mean()) < 0.005
    assert np.abs(errors.reshape(10, -1).mean(axis=1)).max() < 0.02


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_units_without_signal_scatter_around_zero(repeated, estimator):
    noise = np.random.default_rng(0).normal(size=(200, 3, 1000))
    ceilings = ESTIMATORS[estimator](noise)
    assert abs(ceilings.mean()) < 0.02
    assert (ceilings < 0).mean() == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_bias_would_show_without_its_correction(repeated, estimator):
    # 12 stimuli: the factor (d - 2) / d is 0.82, so an uncorrected estimate would be 0.15 too low
    errors = [ESTIMATORS[estimator](repeated(seed, 4, np.full(2000, 0.3), stimuli=12)) - 0.3 for seed in range(4)]
    assert abs(np.mean(errors)) < 0.02


def test_stimuli_seen_once_count_in_the_target_but_not_in_the_noise(repeated):
    """Half of the stimuli once, half twice: the ceiling is that of all, lower than that of the repeated ones."""
    counts = np.repeat([1, 2], 100)
    responses = np.stack([repeated(seed, counts, np.full(400, 0.5)) for seed in range(10)])
    for estimate in ESTIMATORS.values():
        of_all = np.mean([estimate(r) for r in responses])
        of_repeated = np.mean([estimate(r[counts == 2]) for r in responses])
        assert of_all == pytest.approx(0.5, abs=0.015)
        assert of_repeated == pytest.approx(1 / (1 + 0.5 / 0.75), abs=0.015)  # t is 1/2 instead of 3/4


def test_many_halves_of_equal_size_converge_to_variance_components(repeated):
    responses = repeated(0, 4, CEILINGS)
    halves = noise_ceiling_split_half(responses, draws=300, clip=False)
    np.testing.assert_allclose(halves, noise_ceiling_variance_components(responses, clip=False), atol=0.02)


def test_both_forms_agree_on_ragged_units(repeated):
    responses = repeated(0, _counts("2 to 14", 0), CEILINGS)
    first, second = (estimate(responses) for estimate in ESTIMATORS.values())
    assert np.corrcoef(first, second)[0, 1] > 0.97


def test_a_perfect_model_reaches_the_ceiling(repeated):
    """The squared correlation of the noise-free signal with the target is the ceiling."""
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 6, 2000)
    signal = rng.normal(size=(2000, 1, 50))
    responses = signal + 1.5 * rng.normal(size=(2000, 5, 50))
    responses[np.arange(5) >= counts[:, None]] = np.nan
    target = np.nanmean(responses, axis=1)
    reached = [np.corrcoef(signal[:, 0, unit], target[:, unit])[0, 1] ** 2 for unit in range(50)]
    assert noise_ceiling_variance_components(responses).mean() == pytest.approx(np.mean(reached), abs=0.01)
