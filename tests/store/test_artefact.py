"""One trained model on disk: whole, checked, and never code."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from braincodec import Encoder, read_artefact
from braincodec.artefact import CHECKSUMS, FILES
from braincodec.errors import InputValueError, OutputError
from braincodec.models.fwrf import FwRF
from braincodec.models.linear import LinearEncoder
from braincodec.responses import build_units

from ..small_models import describe, eeg, fwrf, gabor_linear, images, linear, tiny_backbone

IMAGES = images(3)
EVERY_FILE = (*FILES, CHECKSUMS)


@pytest.fixture
def saved(tmp_path):
    """The artefact folder of a small model."""
    return gabor_linear().save(tmp_path / "fmri-test" / "subject-01")


@pytest.mark.parametrize(
    "make",
    [lambda: fwrf(3, parts=2), lambda: fwrf(3, mean="image"), gabor_linear, lambda: gabor_linear(subject=7, seed=3)],
    ids=["two parts", "mean image", "linear", "described"],
)
def test_round_trip_is_exact_to_the_last_bit(make, tmp_path):
    encoder = make()
    back = Encoder.load(encoder.save(tmp_path / "model"))
    assert type(back) is type(encoder)
    assert back.config == encoder.config
    assert back.tensors().keys() == encoder.tensors().keys()
    for name, tensor in encoder.tensors().items():
        assert back.tensors()[name].dtype == tensor.dtype
        assert torch.equal(back.tensors()[name], tensor), name
    assert np.allclose(back.encode(IMAGES, device="cpu").values, encoder.encode(IMAGES, device="cpu").values, atol=1e-5)
    assert back.description.model_copy(update={"accuracy": None}) == encoder.description
    assert sorted(item.name for item in (tmp_path / "model").iterdir()) == sorted(EVERY_FILE)


def test_units_come_back_with_the_same_types_values_and_attributes(tmp_path):
    encoder = fwrf(4, rois={"V1": np.array([1, 1, 0, 0], bool), "FFA-1": np.array([0, 1, 1, 0], bool)})
    encoder.units = build_units(
        vertex=[1, 2, 3, 4],
        hemisphere=["left", "left", "right", "right"],
        rois={"V1": np.array([1, 1, 0, 0], bool), "FFA-1": np.array([0, 1, 1, 0], bool)},
        model_roi=["V1", "V1", "é", ""],
        scores={"ncsnr": np.array([0.5, np.nan, np.inf, 0], np.float32), "accuracy_r2": np.array([1e-300, 1, 2, 3])},
        space="fsaverage",
        simulated=True,
        affine=np.arange(16.0),
    )
    back = Encoder.load(encoder.save(tmp_path / "model")).units
    for name, variable in encoder.units.variables.items():
        assert back[name].dims == variable.dims
        assert back[name].dtype == variable.dtype, name
        assert np.array_equal(back[name].values, variable.values, equal_nan=variable.dtype.kind == "f"), name
    assert back.roi_membership.dtype == bool
    assert back.hemisphere.dtype.kind == back.roi.dtype.kind == "U"
    assert set(back.coords) == set(encoder.units.coords)
    assert back.attrs == encoder.units.attrs
    assert {type(value) for value in back.attrs.values()} <= {str, int, float, list}


def test_times_stay_seconds(tmp_path):
    encoder = eeg()
    encoder.units["time"].attrs["units"] = "seconds"  # which xarray would read as a duration
    back = Encoder.load(encoder.save(tmp_path / "eeg"), backbone=tiny_backbone())
    assert back.units.time.dtype == float
    assert np.array_equal(back.units.time.values, encoder.units.time.values)
    assert back.units.channel.values.tolist() == ["Oz", "O1", "Pz"]


def test_an_artefact_of_an_artefact_is_the_same(tmp_path):
    first = gabor_linear().save(tmp_path / "first")
    second = Encoder.load(first).save(tmp_path / "second")
    for name in ("config.json", "model.safetensors", "README.md"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_the_networks_own_weights_travel_and_count(tmp_path):
    encoder = gabor_linear()
    module = encoder.extractor.backbone.module
    for name, buffer in module.named_buffers():
        if name.endswith("even"):
            buffer.mul_(3)
    wanted = encoder.encode(IMAGES, device="cpu").values
    back = Encoder.load(encoder.save(tmp_path / "model"))
    assert np.allclose(back.encode(IMAGES, device="cpu").values, wanted, atol=1e-5)
    assert not np.allclose(gabor_linear().encode(IMAGES, device="cpu").values, wanted)
    selected = back.select(unit=[1])
    assert np.allclose(selected.encode(IMAGES, device="cpu").values, wanted[:, [1]], atol=1e-6)


def test_a_network_of_ones_own_is_given_when_loading_and_gets_the_stored_weights(tmp_path):
    encoder = linear()
    wanted = encoder.encode(IMAGES, device="cpu").values
    path = encoder.save(tmp_path / "model")
    with pytest.raises(InputValueError, match="'tiny' has no scheme"):
        Encoder.load(path).encode(IMAGES, device="cpu")
    other = tiny_backbone(seed=9)
    weight = other.module.first.weight.clone()
    back = Encoder.load(path, backbone=other)
    assert np.allclose(back.encode(IMAGES, device="cpu").values, wanted, atol=1e-5)
    assert torch.equal(other.module.first.weight, weight)  # the given one stays as it was


def test_after_a_run_in_bfloat16_the_exact_weights_are_saved(tmp_path):
    encoder = gabor_linear()
    before = {name: tensor.clone() for name, tensor in encoder.tensors().items()}
    encoder.encode(IMAGES, device="cpu", dtype="bfloat16")
    back = Encoder.load(encoder.save(tmp_path / "model"))
    assert all(torch.equal(back.tensors()[name], tensor) for name, tensor in before.items())


def test_views_of_one_tensor_are_saved_each_by_itself(tmp_path):
    encoder = fwrf(3, parts=2)
    both = torch.randn(6)
    encoder._tensors["part-1.b"], encoder._tensors["part-2.b"] = both[:3], both[3:]
    encoder._tensors["part-2.mu"] = encoder._tensors["part-1.mu"]
    back = Encoder.load(encoder.save(tmp_path / "model"))
    assert torch.equal(torch.cat([back.tensors()["part-1.b"], back.tensors()["part-2.b"]]), both)
    assert torch.equal(back.tensors()["part-2.mu"], encoder._tensors["part-1.mu"])


@pytest.mark.parametrize("when", ["dump_to_store", "model_card", "sha256_of"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, ValueError])
def test_interrupted_writing_leaves_nothing(tmp_path, monkeypatch, when, error):
    def stop(*args, **kwargs):
        raise error("stop")

    if when == "dump_to_store":
        monkeypatch.setattr("xarray.Dataset.dump_to_store", stop)
    else:
        monkeypatch.setattr(f"braincodec.artefact.{when}", stop)
    with pytest.raises((error, OutputError)):
        gabor_linear().save(tmp_path / "model" / "subject-01")
    assert not list(tmp_path.iterdir())


def test_existing_artefact_is_kept_unless_overwriting_is_asked_for(saved):
    before = (saved / CHECKSUMS).read_text()
    with pytest.raises(OutputError, match="exists"):
        gabor_linear(3).save(saved)
    assert (saved / CHECKSUMS).read_text() == before
    gabor_linear(3).save(saved, overwrite=True)
    assert Encoder.load(saved).response_shape == (3,)
    assert [item.name for item in saved.parent.iterdir()] == [saved.name]


def test_other_files_are_not_replaced_by_an_artefact(tmp_path):
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(OutputError, match=r"no earlier artefact \(there is no config.json in it\)"):
        gabor_linear().save(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "dear"


@pytest.mark.parametrize("free", [0, 4096, 16_000, 60_000, 2 * 2**20])
@pytest.mark.parametrize("make", [gabor_linear, lambda: fwrf(40)], ids=["small", "large"])
def test_full_disk_is_an_output_error_and_leaves_nothing(small_disk, make, free):
    status = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(b"\0" * (status.f_bavail * status.f_frsize - free))
    if make is gabor_linear and free > 60_000:
        make().save(small_disk / "model")
        return
    with pytest.raises(OutputError, match=r"cannot write .*model: .*MB free on that disk"):
        make().save(small_disk / "model")
    assert [item.name for item in small_disk.iterdir()] == ["ballast"]


def test_accuracy_is_the_median_of_the_best_score(tmp_path):
    encoder = fwrf(4)
    encoder.units["accuracy_correlation"] = ("unit", np.array([0.1, 0.3, np.nan, 0.2]))
    assert read_artefact(encoder.save(tmp_path / "a")).config.description.accuracy == pytest.approx(0.2)
    assert len(repr(read_artefact(tmp_path / "a"))) < 300  # and no tensor in it
    encoder.units["accuracy_noise_normalised"] = ("unit", np.array([0.5, 0.7, 0.6, np.nan]))
    assert read_artefact(encoder.save(tmp_path / "b")).config.description.accuracy == pytest.approx(0.6)
    stated = fwrf(4, accuracy=0.9)
    assert read_artefact(stated.save(tmp_path / "c")).config.description.accuracy == 0.9
    encoder.units = encoder.units.drop_vars(["accuracy_correlation", "accuracy_noise_normalised"])
    assert read_artefact(encoder.save(tmp_path / "d")).config.description.accuracy is None


def test_the_parts_can_be_read_without_making_an_encoder(saved):
    artefact = read_artefact(saved)
    assert artefact.config.kind == "linear"
    assert artefact.config.rois == ("V1", "FFA-1")
    assert artefact.card.startswith("---\n")
    assert isinstance(artefact.encoder(), LinearEncoder)
    assert not isinstance(artefact.encoder(), FwRF)
    assert artefact.encoder().description.model == describe().model
