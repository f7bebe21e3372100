"""Training the network through the public face."""

from __future__ import annotations

import numpy as np
import pytest

import braincodec as bc
from braincodec.errors import InputValueError, NotTrainedError

from .learnable import pictures, recording

QUICK = {"epochs": 1, "batch_size": 8, "alternating": False, "prefilter": "random"}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    with pytest.warns(UserWarning, match="1 units have no response"):
        data = _with_nan_unit(recording(units=4))
        return bc.FwRF(**QUICK).fit(data, workspace=tmp_path_factory.mktemp("work"), device="cpu"), data


def _with_nan_unit(data):
    data.responses.values[:, 2] = np.nan
    return data


def test_a_trained_model_predicts_and_units_without_responses_stay_nan(fitted):
    model, _ = fitted
    found = model.encode(pictures(2, seed=9), device="cpu").values
    assert np.isnan(found[:, 2]).all()
    assert np.isfinite(found[:, [0, 1, 3]]).all()


def test_the_curve_is_recorded_and_survives_saving(fitted, tmp_path):
    model, _ = fitted
    (entry,) = model.description.training["curve"]
    assert entry["epoch"] == 1
    assert set(entry) == {"epoch", "loss", "validation_loss", "validation_correlation"}
    again = bc.Encoder.load(model.save(tmp_path / "model"))
    assert list(again.description.training["curve"]) == [entry]
    assert again.description.training["prefilter"] == "random"


def test_an_untrained_model_says_so():
    with pytest.raises(NotTrainedError):
        bc.FwRF().encode(pictures(1))


def test_settings_are_checked_at_once():
    with pytest.raises(InputValueError, match="learning_rate"):
        bc.FwRF(learning_rate=-1)
    with pytest.raises(TypeError):
        bc.FwRF(epoch=3)
