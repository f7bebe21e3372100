"""Noise-normalised accuracy: squared correlations as shares of ceilings."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec.errors import InputValueError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding.noise_normalised import NoiseNormalisedAccuracy, noise_normalised_accuracy


def test_the_true_signal_reaches_one_and_noise_in_the_target_alone_does_not_lower_it() -> None:
    random = np.random.default_rng(0)
    signal = random.normal(size=(20_000, 5))
    ceilings = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    measured = signal + random.normal(size=signal.shape) * np.sqrt(1 / ceilings - 1)
    found = NoiseNormalisedAccuracy(ceilings).update(signal, measured).compute()
    np.testing.assert_allclose(found, 1, atol=0.08)


def test_it_is_the_squared_correlation_over_the_ceiling() -> None:
    random = np.random.default_rng(0)
    prediction, response = random.normal(size=(2, 50, 4))
    response[:, :2] += prediction[:, :2]
    r = [np.corrcoef(prediction[:, unit], response[:, unit])[0, 1] for unit in range(4)]
    expected = np.clip(r, 0, None) ** 2 / 0.4
    np.testing.assert_allclose(noise_normalised_accuracy(r, np.full(4, 0.4)), expected)
    metric = NoiseNormalisedAccuracy(np.full(4, 0.4)).update(prediction[:20], response[:20])
    metric.merge(NoiseNormalisedAccuracy(np.full(4, 0.4)).update(prediction[20:], response[20:]))
    np.testing.assert_allclose(metric.compute(), expected)


def test_units_without_a_ceiling_are_left_out_and_counted() -> None:
    with pytest.warns(UndefinedScoreWarning, match="NaN for 4 of 5 units") as caught:
        found = noise_normalised_accuracy([0.5, 0.5, 0.5, np.nan, 0.5], [0.0, -0.2, np.nan, 0.5, 0.5])
    assert len(caught) == 1
    np.testing.assert_array_equal(np.isnan(found), [True, True, True, True, False])
    with pytest.warns(UndefinedScoreWarning, match="NaN for 1 of 2 units") as caught:
        NoiseNormalisedAccuracy([0.5, 0.5]).update([[1.0, 1.0], [1.0, 2.0]], [[1.0, 1.0], [2.0, 2.0]]).compute()
    assert len(caught) == 1


def test_shares_above_one_are_clipped_only_on_request() -> None:
    assert noise_normalised_accuracy([0.9], [0.5]) == pytest.approx(1.62)
    assert noise_normalised_accuracy([0.9], [0.5], clip=True) == 1


def test_a_ceiling_in_percent_and_a_missing_one_are_refused() -> None:
    with pytest.raises(InputValueError, match="noise_ceiling of unit 1 is 35"):
        noise_normalised_accuracy([0.1, 0.2], [0.5, 35])
    with pytest.raises(InputValueError, match=r"correlation of unit 0 is 1\.2"):
        noise_normalised_accuracy([1.2], [0.5])
    with pytest.raises(InputValueError, match="2 correlations and 1 noise ceilings"):
        noise_normalised_accuracy([0.1, 0.2], [0.5])
    with pytest.raises(InputValueError, match="give noise_ceiling"):
        NoiseNormalisedAccuracy().update([[1.0], [2.0]], [[1.0], [2.0]]).compute()
