"""Settings that come with the package: each is understood, and published ones say what was published."""

from __future__ import annotations

import inspect

import pytest

from braincodec.datasets import DATASETS
from braincodec.errors import MissingFileError, UnknownNameError
from braincodec.training import TrainConfig, shipped_configs, shipped_text
from braincodec.training.config import trainable_kinds
from braincodec.training.shipped import load_settings

NAMES = list(shipped_configs())
# FORMATS of the published models: regions of the receptive-field network, and layers of the vision transformer
NED_ROIS = [
    "V1", "V2", "V3", "hV4", "EBA", "FBA-2", "OFA", "FFA-1", "FFA-2", "PPA", "RSC", "OPA", "OWFA", "VWFA-1", "VWFA-2",
    "mfs-words", "early", "midventral", "midlateral", "midparietal", "parietal", "lateral", "ventral",
]  # fmt: skip
VIT_LAYERS = [f"encoder.layers.encoder_layer_{number}.add_1" for number in range(12)]


def config(name: str) -> TrainConfig:
    return TrainConfig.parse(load_settings(name))


@pytest.mark.parametrize("name", NAMES)
def test_each_is_understood(name):
    given = load_settings(name)
    parsed = config(name)
    assert parsed.kind in trainable_kinds()
    # an option of the data set with a typo would only be found where its files lie
    options = inspect.signature(DATASETS.get(parsed.dataset.name)).parameters
    assert set(parsed.dataset.options) <= set(options), name
    assert parsed.output is None, "the result goes where the caller says"
    assert (parsed.dataset.root is None) == (name != "own_template")
    assert given["model"]["kind"] == parsed.kind


@pytest.mark.parametrize("name", NAMES)
def test_each_begins_with_what_it_is_for_and_how_to_run_it(name):
    assert len(shipped_configs()[name]) > 20
    assert "braincodec train --config" in shipped_text(name)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("simulated")])
def test_simulated_ones_say_so(name):
    assert "nothing in it was measured" in shipped_configs()[name]


def test_published_receptive_field_network():
    ned = config("ned_fmri_nsd_fwrf")
    assert ned.name == "fmri-nsd-fwrf"
    assert (list(ned.regions or ()), ned.one_model_a_roi, ned.subject) == (NED_ROIS, True, ("all",))
    assert ned.dataset.options["betas"] == "betas_fithrf_GLMdenoise_RR"
    assert ned.dataset.options["resolution"] == "func1pt8mm"
    model = ned.settings
    assert model["prefilter"] == "alexnet"
    assert (model["epochs"], model["learning_rate"], model["batch_size"], model["dropout"]) == (75, 1e-3, 128, 0.5)
    assert (model["sparsity"], model["alternating"], model["repetitions"]) == (0.1, True, "single")


@pytest.mark.parametrize(
    ("name", "model_id", "repetitions"),
    [
        ("ned_eeg_things_eeg2_vit_b_32", "eeg-things_eeg_2-vit_b_32", "separate"),
        ("berg_fmri_nsd_fsaverage_vit_b_32", "fmri-nsd_fsaverage-vit_b_32", "average"),
    ],
)
def test_published_vision_transformers(name, model_id, repetitions):
    vit = config(name)
    assert vit.name == model_id
    model = vit.settings
    assert model["backbone"] == "torchvision:vit_b_32@IMAGENET1K_V1"
    assert (model["layers"], model["pooling"]) == (VIT_LAYERS, "flatten")
    # central square to 224 pixels in training, standardised, 250 components, ordinary least squares
    assert (model["image_size"], model["components"], model["standardise"]) == (224, 250, True)
    assert (model["readout"], model["repetitions"]) == ("least_squares", repetitions)


def test_published_eeg_has_63_channels_from_raw_files():
    options = config("ned_eeg_things_eeg2_vit_b_32").dataset.options
    assert options == {"version": "raw", "preparation": "ned"}
    assert config("berg_fmri_nsd_fsaverage_vit_b_32").dataset.options["space"] == "fsaverage"


def test_ours_take_nothing_from_test_trials():
    for name in ("god", "bold5000"):
        assert config(name).dataset.options["preprocessing"] == "training"
        lea = config(f"lea_{name}")
        assert lea.dataset.options["preprocessing"] == "none"
        assert lea.settings["preprocessing"] == lea.settings["rescale"] == "training"
    assert config("nsd_receptive_fields").dataset.options["standardise"] == "training"


def test_names_that_are_none_are_answered_with_those_that_are():
    with pytest.raises(UnknownNameError, match="did you mean 'macaque_v4'"):
        load_settings("macaque_v5")
    with pytest.raises(MissingFileError, match="macaque_v4"):
        load_settings("folder/none.yaml")
    assert load_settings("macaque_v4.yaml") == load_settings("macaque_v4")
    with pytest.raises(UnknownNameError):
        shipped_text("../pyproject")


def test_a_file_of_the_same_name_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "macaque_v4.yaml").write_text("seed: 3")
    assert load_settings("macaque_v4.yaml") == {"seed": 3}
