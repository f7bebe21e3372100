"""On simulated subjects: better than chance, not better than the ceiling, and nothing where there is nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import braincodec as bc
from braincodec.responses import build_responses

pytestmark = pytest.mark.filterwarnings("ignore::braincodec.readouts.ReadoutWarning")
QUICK = {"metrics": ["correlation"], "draws": 100, "permutations": 50, "leakage": "off"}
SETTINGS = {"backbone": "gabor:bank", "layers": "scales.*", "image_size": 64}


@pytest.fixture(scope="module")
def cortex():
    """Every eighth unit of a simulated cortex."""
    whole = bc.load_dataset("simulated", n=120, backbone="gabor:bank", calibration=16).subject("1")
    chosen = {"unit": slice(None, None, 8)}
    return dataclasses.replace(whole, responses=whole.responses.isel(chosen), units=whole.units.isel(chosen))


@pytest.fixture(scope="module")
def cap():
    """Two electrodes of a simulated cap with little noise, while categories are told apart."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("braincodec.simulate.eeg.NOISE", 1.5)
        data = bc.load_dataset("simulated", modality="eeg", n=120, repetitions=4, backbone="gabor:bank", calibration=16)
        whole = data.subject("1")
    chosen = {"channel": ["P7", "PO7"], "time": slice(0.155, 0.225)}
    return dataclasses.replace(whole, responses=whole.responses.sel(chosen), units=whole.units.sel(chosen))


def shuffled(recording):
    """The same recording with responses of other stimuli; half of them test."""
    values = recording.responses
    order = np.random.default_rng(0).permutation(values.sizes["stimulus"])
    ids = values["stimulus"].values
    others = build_responses(values.values[order], ids, recording.units)
    split = bc.Split(train=ids[::2], test=ids[1::2])
    return dataclasses.replace(recording, responses=others, split=split)


def row_of(recording, **settings):
    model = bc.LinearEncoder(**(SETTINGS | settings)).fit(recording, device="cpu")
    table = bc.evaluate(model, recording, **QUICK).table
    return table[(table["roi"] == "all") & (table["metric"] == "correlation")].iloc[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"pooling": "spatial_mean"},
        pytest.param({"components": 20, "readout": "least_squares"}, marks=pytest.mark.slow),
        pytest.param({"pooling": "spatial_mean", "readout": "best_layer"}, marks=pytest.mark.slow),
        {"layers": "scales.[23]", "readout": "fields"},
    ],
    ids=["ridge", "least squares", "best layer", "fields"],
)
def test_held_out_accuracy_lies_between_chance_and_ceiling(cortex, settings):
    row = row_of(cortex, **settings)
    assert row.value > 0.3 and row.low > 0
    assert row.low <= row.ceiling  # what the truth itself would reach


@pytest.mark.slow
def test_accuracy_for_sensors_lies_between_chance_and_ceiling(cap):
    row = row_of(cap, components=20)
    assert row.low > 0
    assert row.low <= row.ceiling
    row = row_of(cap, components=20, readout="least_squares", repetitions="separate")
    assert row.low > 0 and row.low <= row.ceiling


@pytest.mark.parametrize("measured", ["cortex", pytest.param("cap", marks=pytest.mark.slow)])
def test_shuffled_responses_teach_nothing(request, measured):
    row = row_of(shuffled(request.getfixturevalue(measured)), pooling="spatial_mean")
    assert row.low < 0 < row.high and abs(row.value) < 0.2
