"""What each layer adds to a prediction, and how much of the responses it explains."""

from __future__ import annotations

import numpy as np
import pytest

import braincodec as bc
from braincodec.errors import InputValueError, NotTrainedError
from braincodec.readouts import banded_ridge_cv

from ...small_models import eeg, tiny_backbone
from .tiny_recordings import LAYERS, features, sensors, training, voxels

pytestmark = pytest.mark.filterwarnings("ignore::braincodec.readouts.ReadoutWarning")


def model_of(recording, **settings):
    return bc.LinearEncoder(tiny_backbone(), LAYERS, **settings).fit(recording, device="cpu")


@pytest.mark.parametrize("units", [3, 60])
@pytest.mark.parametrize("settings", [{}, {"components": 4}, {"readout": "banded", "draws": 5}])
def test_contributions_add_up_to_the_prediction(units, settings):
    recording = voxels(units)
    model, new = model_of(recording, **settings), recording.part("test")[0]
    parts = model.contributions(new, device="cpu", batch_size=4)
    assert parts.dims == ("layer", "stimulus", "unit") and parts["layer"].values.tolist() == list(LAYERS)
    total = parts.sum("layer") + parts["intercept"]
    np.testing.assert_allclose(total, model.encode(new, device="cpu"), atol=1e-4)


def test_contributions_to_repetitions_with_components_of_their_own_add_up():
    model, new = eeg(reductions=4), voxels(2).part("test")[0]
    parts = model.contributions(new, device="cpu")
    assert parts.dims == ("layer", "stimulus", "repetition", "channel", "time")
    np.testing.assert_allclose(parts.sum("layer") + parts["intercept"], model.encode(new, device="cpu"), atol=1e-4)


@pytest.mark.parametrize("units", [3, 60])
def test_variance_partition_is_that_of_the_fitted_spaces(units):
    recording = voxels(units)
    shown, responses = training(recording)
    centred = {name: values - values.mean(0, dtype=np.float64) for name, values in features(shown).items()}
    factors = {name: (len(values) / (values**2).sum()) ** 0.5 for name, values in centred.items()}
    fit = banded_ridge_cv(
        {name: factors[name] * values for name, values in centred.items()}, responses, [10.0], draws=5, device="cpu"
    )
    test = np.stack(list(recording.part("test")[0]))
    means = {name: values.mean(0, dtype=np.float64) for name, values in features(shown).items()}
    scaled = {name: factors[name] * (values - means[name]) for name, values in features(test).items()}
    expected = fit.variance_partition(scaled, recording.part("test")[1].values)
    found = model_of(recording, readout="banded", alphas=[10.0], draws=5).variance_partition(recording, device="cpu")
    assert found.dims == ("layer", "unit")
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_variance_partition_of_sensors_has_their_dims():
    recording = sensors()
    found = model_of(recording, components=4).variance_partition(recording, "train", device="cpu")
    assert found.dims == ("layer", "channel", "time") and found.sum("layer").max() > 0.1
    with pytest.raises(InputValueError, match="one for each repetition"):
        model_of(recording, components=4, repetitions="separate").variance_partition(recording)


def test_variance_of_other_units_is_not_divided():
    with pytest.raises(InputValueError, match=r"predicts \(3,\) outputs, the recording has \(4,\)"):
        model_of(voxels(3)).variance_partition(voxels(4))
    with pytest.raises(NotTrainedError):
        bc.LinearEncoder(tiny_backbone(), LAYERS).contributions(np.zeros((1, 8, 8, 3), np.uint8))


def test_contributions_that_do_not_fit_are_refused(monkeypatch):
    model = model_of(voxels(3))
    monkeypatch.setattr("braincodec.models.linear.contributions.free_main_memory", lambda: 100)
    with pytest.raises(InputValueError, match="do not fit into memory"):
        model.contributions(voxels(3).part("test")[0])
