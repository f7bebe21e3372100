"""Training of Gaussian receptive fields."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import braincodec as bc
from braincodec.datasets import Recording
from braincodec.errors import InputTypeError, InputValueError
from braincodec.features import FeatureExtractor, get_backbone
from braincodec.models.gaussian_fwrf import GaussianFwRF, checkpoint, fit, gaussian_windows, maps, search
from braincodec.readouts import ReadoutWarning, ridge_cv

LAYERS = ["scales.2", "scales.3"]
FEW = {"sizes": 3, "smallest_size": 0.4, "largest_size": 1.6, "most_centres": 5, "alphas": (1e-3, 1e-1)}


def untrained(**changes) -> GaussianFwRF:
    return GaussianFwRF("gabor:bank", LAYERS, **FEW | {"layer_choice": "best", "refinements": 1} | changes)


def changed(recording: Recording, values: np.ndarray) -> Recording:
    return dataclasses.replace(recording, responses=recording.responses.copy(data=values))


@pytest.fixture(scope="module")
def recording(make_recording) -> Recording:
    return make_recording()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def model(recording, workspace) -> GaussianFwRF:
    return untrained().fit(recording, workspace=workspace)


def pooled(model: GaussianFwRF, unit: int, images: np.ndarray) -> tuple[str, np.ndarray]:
    """The layer that a unit reads, and its channels averaged under the unit's window, in double precision."""
    layer = next(name for name in model.layers if unit in model.tensors()[f"{name}.units"])
    with torch.inference_mode():
        output = get_backbone("gabor:bank").module(model.preprocessing(images))[int(layer[-1])].double()
    field = model.tensors()["receptive_field"][unit : unit + 1].double()
    window = gaussian_windows(field, *output.shape[2:], model.config.visual_angle)
    return layer, (output.flatten(2) @ window[0]).numpy()


def test_weights_are_those_of_ridge_regression_on_what_the_field_pools(model, recording):
    stimuli, responses = recording.part("train")
    images, targets = np.stack(list(stimuli)), responses.mean("repetition").values
    for unit in (0, 7):
        layer, features = pooled(model, unit, images)
        scale = features.std(0)
        for alpha in FEW["alphas"]:
            expected = ridge_cv(features / scale, targets[:, [unit]], [alpha * len(images)], dtype="float64")
            tensors = model.tensors()
            row = tensors[f"{layer}.units"].tolist().index(unit)
            found = tensors[f"{layer}.weight"][row].numpy() * scale
            error = np.abs(found - expected.weights[:, 0]).max() / np.abs(expected.weights).max()
            if error < 1e-4:
                break
        assert error < 1e-4
        prediction = features / scale @ expected.weights[:, 0] + expected.intercept[0]
        encoded = model.encode(images).values[:, unit]
        np.testing.assert_allclose(encoded, prediction, atol=2e-5 * prediction.std())


def test_each_unit_reads_the_layer_that_made_it(model):
    for number, layer in enumerate(LAYERS):
        assert model.tensors()[f"{layer}.units"].tolist() == list(range(number, 20, 2))


def test_what_is_saved_answers_as_before(model, recording, tmp_path):
    images = recording.part("test")[0]
    again = bc.Encoder.load(model.save(tmp_path / "model"))
    np.testing.assert_allclose(again.encode(images).values, model.encode(images).values, atol=1e-5)
    assert again.description.training["split"] == recording.split.to_dict()
    assert again.units["receptive_field_x"].attrs["units"] == "degrees of visual angle"


def test_accuracy_stays_under_the_noise_ceiling(model, recording):
    scores = bc.evaluate(model, recording, metrics="correlation", draws=200, permutations=0, progress=False)
    row = scores.table.iloc[0]
    assert row["value"] > 0.5
    assert row["low"] <= row["ceiling"]


def test_refinement_lowers_the_cross_validated_error_and_never_raises_it(model, recording, workspace):
    coarse = untrained(refinements=0).fit(recording, workspace=workspace)
    better = model.units["training_r2"].values - coarse.units["training_r2"].values
    assert better.min() > -1e-6
    assert np.median(better) > 0


def test_features_are_not_computed_again(recording, workspace, model, monkeypatch):
    stream = FeatureExtractor.stream

    def only_look(extractor: FeatureExtractor, images: torch.Tensor, consume: object) -> None:
        assert len(images) == 1, "the network ran again"
        stream(extractor, images, consume)

    monkeypatch.setattr(FeatureExtractor, "stream", only_look)
    again = untrained().fit(recording, workspace=workspace)
    assert again.identity() == model.identity()


def test_an_interrupted_search_goes_on_where_it_stopped(recording, model, tmp_path, monkeypatch):
    losses, calls = search.Search.losses, []

    def count(self: search.Search, *given: torch.Tensor) -> object:
        calls.append(1)
        if len(calls) == 60:
            raise KeyboardInterrupt
        return losses(self, *given)

    monkeypatch.setattr(search.Search, "losses", count)
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    with pytest.raises(KeyboardInterrupt):
        untrained().fit(recording, workspace=tmp_path)
    again = untrained().fit(recording, workspace=tmp_path)
    tried = again.description.training["search"]["fields"] * len(LAYERS)
    assert len(calls) < tried + 10  # those that were under way are tried again
    np.testing.assert_array_equal(again.units["receptive_field_x"], model.units["receptive_field_x"])


def test_small_blocks_of_units_fields_and_maps_on_disk_give_the_same(model, recording, workspace, monkeypatch):
    monkeypatch.setattr(fit, "RESPONSE_BYTES", 7 * 4 * 160)
    monkeypatch.setattr(search, "POOLED_BYTES", 20 * 4 * 160 * 10)
    monkeypatch.setattr(maps, "SHARE_HELD", 0.0)
    again = untrained().fit(recording, workspace=workspace)
    for name in ("x", "y", "size"):
        expected = model.units[f"receptive_field_{name}"].values
        np.testing.assert_allclose(again.units[f"receptive_field_{name}"].values, expected, atol=0.05)


def test_all_layers_may_be_read_together(recording, workspace):
    model = untrained(layer_choice="concatenate", refinements=0).fit(recording, workspace=workspace)
    assert all(len(model.tensors()[f"{layer}.units"]) == 20 for layer in LAYERS)
    assert float(model.units["training_r2"].median()) > 0.5


def test_more_channels_than_stimuli_are_fitted_through_their_kernel(make_recording):
    recording = make_recording(units=4, train=16, test=4)
    model = untrained(layer_choice="concatenate", folds=2).fit(recording)
    assert np.isfinite(model.encode(recording.part("test")[0]).values).all()


def test_units_without_data_stay_nan_and_units_without_variance_keep_their_mean(recording, workspace):
    values = recording.responses.values.copy()
    values[:, :, 3], values[:, :, 5] = np.nan, 4.0
    with pytest.warns(ReadoutWarning, match="1 of 20 units are NaN for every stimulus and stay NaN; 1 of 20 units do"):
        model = untrained(refinements=0).fit(changed(recording, values), workspace=workspace)
    predicted = model.encode(recording.part("test")[0]).values
    assert np.isnan(predicted).all(0).tolist() == [unit == 3 for unit in range(20)]
    np.testing.assert_allclose(predicted[:, 5], 4.0)
    assert np.isnan(model.units["receptive_field_x"].values[[3, 5]]).all()


def test_nothing_to_fit_is_refused(recording, workspace, monkeypatch):
    before_any_work(monkeypatch)
    with pytest.raises(InputValueError, match="none of 20 units can be fitted: 20 are NaN, 0 do not vary"):
        untrained().fit(changed(recording, np.full(recording.responses.shape, np.nan)), workspace=workspace)


def test_responses_that_are_missing_here_and_there_are_refused(recording, monkeypatch):
    before_any_work(monkeypatch)
    values = recording.responses.values.copy()
    values[2, :, 1] = np.nan
    with pytest.raises(InputValueError, match="1 units have responses that are NaN or infinite for some stimuli"):
        untrained().fit(changed(recording, values))


def test_several_recordings_give_one_model_whose_parts_are_those_of_each(make_recording, model, recording, workspace):
    other = make_recording(units=6, seed=1, subject="2")
    both = untrained().fit([recording, other], workspace=workspace)
    images = other.part("test")[0]
    np.testing.assert_allclose(both.of_subject("1").encode(images).values, model.encode(images).values, atol=1e-4)
    assert both.of_subject("2").units.sizes["unit"] == 6


def before_any_work(monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("work began")

    monkeypatch.setattr(fit, "extract", refuse)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folds": 500}, "folds is 500; expected 2 or more, and at most the number of stimuli: 160"),
        ({"extent": 20.0}, "extent 20 reaches beyond the image, which is 8 degrees wide"),
        ({"largest_size": 9.0}, "largest_size 9 reaches beyond the image"),
        ({"nonlinearities": ["none"]}, "nonlinearities has 1 entries for 2 layers"),
        ({"layers": "scales.7"}, "unknown layer 'scales.7'"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_long_work(recording, monkeypatch, changes, message):
    before_any_work(monkeypatch)
    with pytest.raises(InputValueError, match=message):
        GaussianFwRF(**{"backbone": "gabor:bank", "layers": LAYERS} | FEW | changes).fit(recording)


def test_a_layer_that_gives_no_maps_is_refused(recording, monkeypatch):
    from torch import nn

    before_any_work(monkeypatch)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    backbone = bc.features.Backbone("tiny", network, get_backbone("gabor:bank").preprocessing)
    with pytest.raises(InputValueError, match=r"'2' gives .* receptive fields need maps"):
        GaussianFwRF(backbone, ["0", "2"]).fit(recording)
    with pytest.raises(InputValueError, match="'1' gives maps of one position"):
        GaussianFwRF(backbone, ["1"]).fit(recording)


def test_the_visual_angle_comes_from_the_recording_or_is_asked_for(recording, monkeypatch):
    with pytest.warns(ReadoutWarning, match="visual_angle is 20 degrees, and the recording states 8"):
        fit.make_plan(untrained(visual_angle=20.0).recipe, None, bc.models.training_data.training_data(recording))
    silent = dataclasses.replace(recording, units=recording.units.assign_attrs(visual_angle=8.0))
    del silent.units.attrs["visual_angle"]
    before_any_work(monkeypatch)
    with pytest.raises(InputValueError, match="visual_angle, the width of the image in degrees, is needed"):
        untrained().fit(silent)


def test_one_training_stimulus_is_refused(make_recording):
    with pytest.raises(InputValueError, match="has 1 training stimulus"):
        untrained().fit(make_recording(units=2, train=1, test=3))


def test_time_courses_have_no_receptive_fields():
    data = bc.load_dataset("simulated", modality="eeg", n=10, backbone="gabor:bank", calibration=8)
    with pytest.raises(InputValueError, match="receptive fields belong to units"):
        untrained(visual_angle=8.0).fit(data)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer": "a"}, "did you mean 'layers'"),
        ({"smallest_size": 2.0, "largest_size": 1.0}, "smallest_size 2 is above largest_size 1"),
        ({"alphas": [0.0]}, "alphas must be positive"),
        ({"visual_angle": -1}, "visual_angle"),
    ],
)
def test_settings_are_checked_at_once(settings, message):
    with pytest.raises((InputValueError, InputTypeError), match=message):
        GaussianFwRF("gabor:bank", LAYERS, **settings)
