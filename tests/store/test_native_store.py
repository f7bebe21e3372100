"""A folder of artefacts and generated responses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from braincodec import JointEncoder, open_store
from braincodec.errors import (
    DamagedFileError,
    InputTypeError,
    InputValueError,
    MissingFileError,
    UnknownNameError,
)
from braincodec.store.native_store import NativeStore

from ..small_models import fwrf, gabor_linear, images

IMAGES = images(4)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """One model for each region of two subjects, one for all units of two subjects, and generated responses."""
    root = tmp_path_factory.mktemp("store")
    for subject in (1, 2):
        for number, roi in enumerate(("V1", "FFA-1")[: 3 - subject]):
            member = np.ones(3, bool)
            encoder = fwrf(3, model="split", roi=roi, subject=subject, rois={roi: member}, first=2 * number)
            encoder.save(root / "split" / f"subject-{subject:02d}" / f"roi-{roi}")
        gabor_linear(6, model="whole", subject=subject, licence="mit").save(root / "whole" / f"subject-{subject:02d}")
    place = root / "generated_responses" / "whole" / "stimuli-test"
    gabor_linear(6, model="whole").encode_to(place / "subject-01.zarr", IMAGES, device="cpu")
    gabor_linear(6, model="whole").select(unit=[0, 2, 4]).encode_to(
        place / "subject-02_roi-V1.zarr", IMAGES, device="cpu"
    )
    (root / "notes.txt").write_text("not a model")
    (root / "whole" / "subject-x").mkdir()
    (root / ".abc-whole").mkdir()
    return root


@pytest.fixture
def store(root):
    return open_store(root)


def test_models_are_listed_with_subjects_and_regions(store):
    assert isinstance(store, NativeStore)
    table = store.models().set_index("id")
    assert table.index.tolist() == ["split", "whole"]
    assert table.subjects.tolist() == [[1, 2], [1, 2]]
    assert table.rois.tolist() == [["FFA-1", "V1"], ["V1", "FFA-1"]]
    assert table.kind.tolist() == ["fwrf", "linear"]
    assert table.licence.tolist() == ["", "mit"]
    assert store.entry("split").rois_of_subject == {1: ("FFA-1", "V1"), 2: ("V1",)}


def test_one_region_or_several_or_all(store):
    one = store.encoder("split", subject=1, roi="V1")
    assert not isinstance(one, JointEncoder)
    both = store.encoder("split", subject=1, roi=["V1", "FFA-1"])
    assert both.units.model_roi.values.tolist() == ["V1"] * 3 + ["FFA-1"] * 3
    assert store.encoder("split", roi="all").response_shape == store.encoder("split").response_shape == (6,)
    assert store.encoder("split", roi=np.array(["V1"])).response_shape == (3,)
    assert store.encoder("split", subject="all", roi="V1").units.subject.values.tolist() == [1] * 3 + [2] * 3


def test_regions_of_a_model_of_all_units_select_its_units(store):
    whole = store.encoder("whole", subject=2).encode(IMAGES, device="cpu")
    assert whole.shape == (4, 6)
    v1 = store.encoder("whole", subject=2, roi="V1").encode(IMAGES, device="cpu")
    assert np.allclose(v1.values, whole.values[:, ::2], atol=1e-6)
    union = store.encoder("whole", subject=2, roi=["V1", "FFA-1"])
    assert union.response_shape == (5,)  # each unit once


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": "spilt"}, UnknownNameError, "did you mean 'split'"),
        ({"model": "split", "roi": "FAA-1"}, UnknownNameError, "did you mean 'FFA-1'"),
        ({"model": "split", "subject": 2, "roi": "FFA-1"}, UnknownNameError, "available: V1"),
        ({"model": "split", "subject": 3}, UnknownNameError, "unknown subject 3 of split in .*available: 1, 2"),
        ({"model": "whole", "roi": "V9"}, UnknownNameError, "unknown roi 'V9'"),
        ({"model": "split", "subject": "one"}, UnknownNameError, "unknown subject 'one' of split in .*available: 1, 2"),
        ({"model": "split", "subject": 1.0}, InputTypeError, "whole number"),
        ({"model": "split", "subject": True}, InputTypeError, "whole number"),
        ({"model": "split", "subject": []}, InputTypeError, "whole number"),
        ({"model": "split", "roi": 1}, InputTypeError, "a name, a list of names or 'all', got 1"),
        ({"model": "split", "roi": []}, InputTypeError, "a name, a list of names or 'all'"),
    ],
)
def test_wrong_arguments_name_the_choices(store, arguments, error, message):
    with pytest.raises(error, match=message):
        store.encoder(**arguments)


def test_generated_responses_are_listed_and_read_lazily(store):
    table = store.response_sets()
    assert table.values.tolist() == [["whole", "test", 1, ""], ["whole", "test", 2, "V1"]]
    responses = store.responses("whole", stimuli="test", subject=1)
    assert responses.shape == (4, 6)
    assert not responses.variable._in_memory
    assert np.allclose(responses.values, store.encoder("whole").encode(IMAGES, device="cpu").values, atol=1e-6)
    assert store.responses("whole", stimuli="test", subject=1, roi="FFA-1").shape == (4, 4)
    assert store.responses("whole", stimuli="test", subject=2, roi="V1").shape == (4, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": "whole", "stimuli": "tset"}, UnknownNameError, "did you mean 'test'"),
        ({"model": "split", "stimuli": "test"}, UnknownNameError, "available: none"),
        ({"model": "whole", "stimuli": "test", "subject": 2}, MissingFileError, r"subject-02\.zarr; here are"),
        ({"model": "whole", "stimuli": "test", "subject": 7, "roi": "V1"}, MissingFileError, "subject 7, roi V1"),
    ],
)
def test_absent_responses_are_named(store, arguments, error, message):
    with pytest.raises(error, match=message):
        store.responses(**arguments)


def test_metadata_has_the_published_keys(store):
    metadata = store.metadata("split", subject=1, roi="V1")
    assert metadata["fmri"]["roi_mask_volume"].sum() == 3
    assert metadata["fmri"]["ncsnr"].shape == (3,)
    assert store.metadata("whole", subject=1)["fmri"]["roi_mask_volume"].sum() == 6


def test_a_damaged_settings_file_is_named(tmp_path):
    path = gabor_linear(model="whole").save(tmp_path / "whole" / "subject-01")
    for content in ("{", "[]", json.dumps({"description": 1}), json.dumps({"kind": "linear"})):
        (path / "config.json").write_text(content)
        with pytest.raises(DamagedFileError, match=r"config\.json is no artefact's config"):
            open_store(tmp_path)


def test_what_is_no_store_is_refused_with_what_was_expected(tmp_path):
    with pytest.raises(MissingFileError, match="store folder not found"):
        open_store(tmp_path / "absent")
    with pytest.raises(MissingFileError, match="there is nothing at this place"):
        open_store(tmp_path)
    (tmp_path / "pictures").mkdir()
    with pytest.raises(InputValueError, match=r"is no store: expected encoding_models/.*it holds pictures"):
        open_store(tmp_path)
    (tmp_path / "pictures" / "fmri-test" / "subject-01").mkdir(parents=True)
    with pytest.raises(InputValueError, match=r"it holds pictures; did you mean .*pictures\?"):
        open_store(tmp_path)
    with pytest.raises(InputTypeError, match="opened by its path or address, got int"):
        open_store(3)
    with pytest.raises(InputValueError, match=r"options \['anon'\] are for remote addresses"):
        open_store(tmp_path, anon=True)
    artefact = gabor_linear().save(tmp_path / "model")
    with pytest.raises(InputValueError, match=r"is one artefact; read it with braincodec\.Encoder\.load"):
        open_store(artefact)


def test_a_path_may_be_written_as_a_file_address(root):
    assert open_store(f"file://{root}").models().id.tolist() == ["split", "whole"]
    assert "split" in repr(open_store(str(root)))
