from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from braincodec.errors import InputValueError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.noise_ceiling import eeg_accuracy, eeg_noise_ceiling
from braincodec.evaluation.noise_ceiling.eeg import shared_halves


def _responses(seed: int, stimuli: int = 60, repetitions: int = 8, channels: int = 2, times: int = 3):
    rng = np.random.default_rng(seed)
    strength = np.linspace(0.2, 1.5, channels * times).reshape(channels, times)
    signal = strength * rng.normal(size=(stimuli, channels, times))
    return signal, signal[:, None] + rng.normal(size=(stimuli, repetitions, channels, times))


@pytest.mark.parametrize("repetitions", [2, 7, 8])
def test_equals_the_published_loop(repetitions):
    """Halves, and scipy's correlation for each draw, channel and time, as the published analysis does."""
    signal, responses = _responses(0, repetitions=repetitions)
    prediction = signal + np.random.default_rng(1).normal(size=signal.shape)
    halves = shared_halves(repetitions, draws=6, seed=3)
    sums = np.zeros((3, 2, 3))
    for half in halves:
        target, other = responses[:, half].mean(axis=1), responses[:, ~half].mean(axis=1)
        for row, values in enumerate((other, responses.mean(axis=1), prediction)):
            for c, t in np.ndindex(2, 3):
                sums[row, c, t] += scipy.stats.pearsonr(values[:, c, t], target[:, c, t])[0] / 6
    ceiling = eeg_noise_ceiling(responses, draws=6, seed=3)
    np.testing.assert_allclose(ceiling.lower, sums[0], rtol=1e-9)
    np.testing.assert_allclose(ceiling.upper, sums[1], rtol=1e-9)
    np.testing.assert_allclose(eeg_accuracy(prediction, responses, draws=6, seed=3), sums[2], rtol=1e-9)


@pytest.mark.parametrize("ragged", [False, True])
def test_bounds_bracket_the_accuracy_of_the_true_signal(ragged):
    lower, upper, truth = [], [], []
    for seed in range(10):
        signal, responses = _responses(seed, stimuli=200)
        if ragged:
            counts = np.random.default_rng(seed).integers(2, 9, 200)
            responses[np.arange(8) >= counts[:, None]] = np.nan
        ceiling = eeg_noise_ceiling(responses, draws=20, seed=seed)
        lower.append(ceiling.lower)
        upper.append(ceiling.upper)
        truth.append(eeg_accuracy(signal, responses, draws=20, seed=seed))
    assert (np.mean(lower, axis=0) < np.mean(truth, axis=0)).all()
    assert (np.mean(truth, axis=0) < np.mean(upper, axis=0)).all()


def test_bounds_are_where_theory_puts_them():
    signal, responses = _responses(4, stimuli=4000, repetitions=8)
    strength = np.linspace(0.2, 1.5, 6).reshape(2, 3) ** 2
    ceiling = eeg_noise_ceiling(responses, draws=10)
    np.testing.assert_allclose(ceiling.lower, strength / (strength + 1 / 4), atol=0.03)
    np.testing.assert_allclose(ceiling.upper, np.sqrt((strength + 1 / 8) / (strength + 1 / 4)), atol=0.03)
    np.testing.assert_allclose(
        eeg_accuracy(signal, responses, draws=10), np.sqrt(strength / (strength + 1 / 4)), atol=0.03
    )


def test_ragged_path_agrees_with_the_shared_one_up_to_chance():
    _, responses = _responses(5, stimuli=400)
    shared = eeg_noise_ceiling(responses)
    responses[0, -1] = np.nan
    ragged = eeg_noise_ceiling(responses)
    np.testing.assert_allclose(ragged.lower, shared.lower, atol=0.04)
    np.testing.assert_allclose(ragged.upper, shared.upper, atol=0.02)


def test_stimuli_seen_once_are_left_out_of_the_bounds():
    signal, responses = _responses(6, stimuli=40)
    responses[:5, 1:] = np.nan
    kept = eeg_noise_ceiling(responses[5:], draws=200)
    ceiling = eeg_noise_ceiling(responses, draws=200)
    np.testing.assert_allclose(ceiling.lower, kept.lower, atol=0.05)
    # their only repetition may be anything
    responses[:5, 0] = 1e6
    np.testing.assert_allclose(eeg_noise_ceiling(responses, draws=200).lower, ceiling.lower, rtol=1e-6)
    assert eeg_accuracy(signal, responses).shape == (2, 3)


def test_tiles_and_units_without_time_give_the_same_numbers():
    signal, responses = _responses(7)
    whole = eeg_noise_ceiling(responses)
    tiled = eeg_noise_ceiling(responses, tile_bytes=1000)
    flat = eeg_noise_ceiling(responses.reshape(60, 8, 6))
    np.testing.assert_allclose(tiled.lower, whole.lower, rtol=1e-12)
    np.testing.assert_allclose(flat.upper.reshape(2, 3), whole.upper, rtol=1e-12)
    np.testing.assert_allclose(
        eeg_accuracy(signal.reshape(60, 6), responses.reshape(60, 8, 6)).reshape(2, 3),
        eeg_accuracy(signal, responses, tile_bytes=1000),
        rtol=1e-12,
    )


def test_upper_bound_is_labelled_optimistic():
    ceiling = eeg_noise_ceiling(_responses(8)[1])
    assert "optimistic" in ceiling.labels["upper"]
    assert "optimistic" not in ceiling.labels["lower"]


def test_flat_channels_are_nan_with_one_warning():
    signal, responses = _responses(9)
    responses[:, :, 1] = 0.1
    with pytest.warns(UndefinedScoreWarning, match="noise ceiling is NaN for 3 of 6 units") as record:
        ceiling = eeg_noise_ceiling(responses)
    assert len(record) == 1
    assert record[0].filename == __file__
    np.testing.assert_array_equal(np.isnan(ceiling.lower), [[False] * 3, [True] * 3])
    signal[:, 0] = 0.1
    with pytest.warns(UndefinedScoreWarning, match="accuracy is NaN for 6 of 6 units") as record:
        assert np.isnan(eeg_accuracy(signal, responses)).all()
    assert len(record) == 1


def test_predictions_of_another_shape_are_refused():
    signal, responses = _responses(10)
    with pytest.raises(InputValueError, match=r"\(60, 2, 2\).*\(60, 8, 2, 3\)"):
        eeg_accuracy(signal[:, :, :2], responses)
    signal[3, 1, 2] = np.nan
    with pytest.raises(InputValueError, match="stimulus 3, channel 1, time 2"):
        eeg_accuracy(signal, responses)
    with pytest.raises(InputValueError, match="draws"):
        eeg_noise_ceiling(responses, draws=0)
