"""Training the network through the public face."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

import braincodec as bc
from braincodec.errors import InputTypeError, InputValueError, MissingFileError, NotTrainedError, UnknownNameError
from braincodec.models.fwrf import start as starts
from braincodec.models.fwrf.division import held_out_rows, regions_of, with_validation
from braincodec.models.fwrf.initial import prefilter_weights
from braincodec.models.fwrf.start import Start
from braincodec.models.training_data import examples_of, training_data
from braincodec.responses import build_responses, build_sensor_units

from ...small_models import fwrf
from .learnable import pictures, recipe, recording

QUICK = {"epochs": 1, "batch_size": 8, "alternating": False, "prefilter": "random"}
NEW = pictures(2, seed=9)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A model of four units: one without responses, one without variance."""
    data = recording(units=4, test=6, repetitions=2)
    data.responses.values[:, :, 2] = np.nan
    data.responses.values[:, :, 3] = 1.5
    with (
        pytest.warns(UserWarning, match="1 units have no response"),
        pytest.warns(UserWarning, match="1 units respond alike"),
    ):
        return bc.FwRF(**QUICK).fit(data, workspace=tmp_path_factory.mktemp("work"), device="cpu"), data


def test_a_trained_model_predicts_and_units_without_responses_stay_nan(fitted):
    model, _ = fitted
    found = model.encode(NEW, device="cpu").values
    assert np.isnan(found[:, 2]).all()
    assert np.isfinite(found[:, [0, 1, 3]]).all()


def test_the_curve_is_recorded_and_survives_saving(fitted, tmp_path):
    model, _ = fitted
    (entry,) = model.description.training["curve"]
    assert entry["epoch"] == model.description.training["best_epoch"] == 1
    assert set(entry) == {"epoch", "loss", "validation_loss", "validation_correlation"}
    again = bc.Encoder.load(model.save(tmp_path / "model"))
    assert list(again.description.training["curve"]) == [entry]
    assert again.description.training["prefilter"] == "random"
    assert "1 epoch, best validation correlation" in (tmp_path / "model" / "README.md").read_text()
    assert again.identity() == model.identity()


def test_held_out_accuracy_is_not_above_the_ceiling(fitted):
    model, data = fitted
    table = bc.evaluate(model, data, metrics=["correlation"]).table
    rows = table[table["ceiling"].notna()]
    assert len(rows)
    assert (rows["low"] <= rows["ceiling"]).all()


@pytest.mark.slow
def test_responses_to_new_images_are_predicted_below_the_ceiling():
    data = recording(train=64, validation=20, test=30, units=6, repetitions=3, noise=0.5)
    settings = {"epochs": 8, "batch_size": 8, "learning_rate": 3e-3, "dropout": 0.1, "sparsity": 0.01, "seed": 1}
    model = bc.FwRF(**settings, repetitions="average", prefilter="random").fit(data, device="cpu")
    table = bc.evaluate(model, data, metrics=["correlation"]).table
    whole = table[table["roi"] == "all"].iloc[0]
    assert whole["value"] > 0.4
    assert whole["p_value"] < 0.01
    assert whole["low"] <= whole["ceiling"]


KILLED = """
    import os, signal, sys
    import torch
    torch.set_num_threads(1)
    sys.path.insert(0, sys.argv[1])
    from learnable import recording
    import braincodec as bc
    from braincodec.models.fwrf import training
    from braincodec.models.gradient_training.checkpoints import Checkpoints

    training.SECONDS_BETWEEN_SAVES = 0.0
    calls, save = [], Checkpoints.save

    def kill(*given):
        calls.append(1)
        if len(calls) == int(sys.argv[3]):
            if sys.argv[4] == "writing":  # the weights are on the disk, the state that names them is not
                import braincodec.atomic as atomic
                atomic.write_json = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
            else:
                save(*given)
                os.kill(os.getpid(), signal.SIGKILL)
        return save(*given)

    Checkpoints.save = kill
    settings = {"epochs": 2, "batch_size": 2, "shift": 2, "prefilter": "random"}
    bc.FwRF(**settings).fit(recording(train=4), workspace=sys.argv[2], device="cpu")
"""


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def unstopped(workspace):
    settings = {"epochs": 2, "batch_size": 2, "shift": 2, "prefilter": "random"}
    return bc.FwRF(**settings).fit(recording(train=4), workspace=workspace, device="cpu")


@pytest.mark.parametrize("when", ["between steps", "writing"])
@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_weights(when, tmp_path, one_thread):
    stop = int(np.random.default_rng().integers(2, 4))  # of three checkpoints before the last
    script = [sys.executable, "-c", textwrap.dedent(KILLED), str(Path(__file__).parent), str(tmp_path / "cut")]
    killed = subprocess.run([*script, str(stop), when], capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    assert list((tmp_path / "cut").glob("fwrf-*/state.json"))
    again, whole = unstopped(tmp_path / "cut"), unstopped(tmp_path / "whole")
    assert again.identity() == whole.identity(), f"killed at checkpoint {stop}"


def test_subjects_share_one_trunk_and_are_told_apart(tmp_path):
    data = [recording(train=4, units=2, seed=1, subject="1"), recording(train=4, units=3, seed=2, subject="2")]
    model = bc.FwRF(**QUICK).fit(data, device="cpu")
    assert model.config.parts == 1
    assert model.units["subject"].values.tolist() == [1, 1, 2, 2, 2]
    assert set(model.description.training["curve"][0]["subjects"]) == {"1", "2"}
    whole = model.encode(NEW, device="cpu").values
    for subject, columns in (("1", slice(0, 2)), ("2", slice(2, 5))):
        own = model.of_subject(subject).encode(NEW, device="cpu").values
        np.testing.assert_allclose(own, whole[:, columns], atol=1e-6)


def test_each_region_has_a_network_of_its_own():
    data = recording(train=4, units=5)
    model = bc.FwRF(**QUICK, rois=["V2"]).fit(data, device="cpu")
    assert model.config.parts == 2
    assert model.units["model_roi"].values.tolist() == ["V2", "V2", "other", "other", "other"]
    assert [entry["roi"] for entry in model.description.training["curve"]] == ["V2", "other"]
    assert model.units["i"].values.tolist() == data.units["i"].values[[3, 4, 0, 1, 2]].tolist()
    first, second = model.networks()
    assert not torch.equal(first["enc.conv3.weight"], second["enc.conv3.weight"])


def test_a_subject_may_lack_units_in_a_region():
    data = [recording(train=4, units=2, seed=1, subject="1"), recording(train=4, units=1, seed=2, subject="2")]
    model = bc.FwRF(**QUICK, rois=["V2"]).fit(data, device="cpu")
    assert model.units["model_roi"].values.tolist() == ["V2", "other", "other"]
    assert model.units["subject"].values.tolist() == [1, 1, 2]
    assert "subjects" not in model.description.training["curve"][0]
    assert np.isfinite(model.of_subject("2").encode(NEW, device="cpu").values).all()


def test_regions_are_checked_and_units_belong_to_the_first_that_has_them():
    data = training_data(recording(units=4))
    assert [region.columns[0].tolist() for region in regions_of(data, ["V1", "V2"])] == [[0, 1], [2, 3]]
    with pytest.raises(UnknownNameError, match="V3"):
        regions_of(data, ["V3"])
    data[0].units["roi_membership"].values[:] = True
    with pytest.raises(InputValueError, match="no unit is left for V2"):
        regions_of(data, ["V1", "V2"])
    with pytest.raises(InputValueError, match="twice"):
        bc.FwRF(rois=["V1", "V1"])


def test_training_goes_on_from_a_trained_model(tmp_path):
    begin = fwrf(3)
    path = begin.save(tmp_path / "begin")
    data = recording(train=4, units=3)
    kwargs = QUICK | {"learning_rate": 1e-12, "momentum": 1e-12, "dropout": 0.0}
    model = bc.FwRF(**kwargs, start=path).fit(dataclasses.replace(data, units=begin.units), device="cpu")
    assert model.description.training["start"] == {"model": begin.identity(), "readouts": "continued"}
    for name, tensor in begin.tensors().items():
        torch.testing.assert_close(model.tensors()[name], tensor, rtol=1e-5, atol=1e-5)


def test_readouts_start_anew_for_other_units():
    begin, data = fwrf(4), training_data(recording(units=3))
    found = Start(begin, data, regions_of(data, ()))
    assert not found.same_units
    assert found.readouts(0) is None
    assert torch.equal(found.trunk(0)["enc.conv3.weight"], begin.networks()[0]["enc.conv3.weight"])
    with pytest.raises(InputValueError, match="one network; fmri-test has 2"):
        Start(fwrf(2, parts=2), data, regions_of(data, ()))
    moved = begin.units.assign(i=begin.units["i"] + 1)
    assert starts.same_units(begin.units, begin.units)
    assert not starts.same_units(begin.units, moved)


def test_an_untrained_model_says_so_and_settings_are_checked_at_once():
    with pytest.raises(NotTrainedError):
        bc.FwRF().encode(pictures(1))
    with pytest.raises(InputValueError, match="learning_rate"):
        bc.FwRF(learning_rate=-1)
    with pytest.raises(TypeError):
        bc.FwRF(epoch=3)
    with pytest.raises(InputTypeError, match="start must be a FwRF"):
        bc.FwRF(start=3)


def test_data_that_cannot_train_are_refused_before_any_work(tmp_path):
    def refused(data, match, **settings):
        with pytest.raises(InputValueError, match=match):
            bc.FwRF(**QUICK | settings).fit(data, workspace=tmp_path / "work", device="cpu")
        assert not (tmp_path / "work").exists()

    refused(recording(train=1), "1 training stimulus")
    refused(recording(validation=1), "1 validation stimulus")
    refused(recording(train=4, validation=0), "1 are left")
    refused(recording(), "float16", precision="float16")
    refused(recording(), "V9", rois=["V9"])
    refused(recording(), "prefilter", prefilter="resnet")
    refused(recording(), "not found", prefilter="no/such/alexnet.pth")
    data = recording()
    eeg = build_sensor_units(["Oz"], [0.0, 0.1])
    values = build_responses(np.zeros((11, 1, 2), np.float32), data.responses["stimulus"].values, eeg)
    refused(dataclasses.replace(data, units=eeg, responses=values), "predicts units.*channel, time")


def test_part_of_the_training_stimuli_chooses_the_epoch_where_no_others_do():
    data = recording(train=40, validation=0, test=5)
    found = with_validation(examples_of(data, "train"), recipe())
    train, held_out = found.train.stimuli.ids.tolist(), found.validation.stimuli.ids.tolist()
    assert len(held_out) == 4
    assert found.held_out == held_out
    assert sorted(train + held_out) == sorted(data.split.train)
    assert found.train.responses["stimulus"].values.tolist() == train


def test_held_out_groups_stay_together():
    groups = np.repeat(np.arange(10), 3)
    rows = held_out_rows(30, 4, groups, seed=0)
    assert len(rows) == 6
    assert all(np.isin(np.flatnonzero(groups == group), rows).all() for group in groups[rows])


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


def test_the_prefilter_starts_from_alexnet_where_its_weights_are(hub):
    assert prefilter_weights("auto") == ({}, "random")
    state = {"features.0.weight": torch.rand(64, 3, 11, 11), "features.0.bias": torch.rand(64)}
    state |= {"features.3.weight": torch.rand(192, 64, 5, 5), "features.3.bias": torch.rand(192)}
    torch.save(state, hub / "alexnet-owt-7be5be79.pth")
    for asked in ("auto", "alexnet", str(hub / "alexnet-owt-7be5be79.pth")):
        weights, origin = prefilter_weights(asked)
        assert origin.startswith("AlexNet")
        assert torch.equal(weights["pre.conv2.0.weight"], state["features.3.weight"])
    assert prefilter_weights("random") == ({}, "random")
    torch.save({"features.0.weight": torch.rand(3)}, hub / "other.pth")
    with pytest.raises(InputValueError, match="no weights of AlexNet"):
        prefilter_weights(str(hub / "other.pth"))


def test_absent_alexnet_weights_say_how_to_get_them(hub, monkeypatch):
    def absent(name):
        raise MissingFileError("https://example.org/alexnet.pth", "weights")

    monkeypatch.setattr("braincodec.features.get_backbone", absent)
    with pytest.raises(MissingFileError, match=r"prefilter='path/to/alexnet.pth'"):
        prefilter_weights("alexnet")
