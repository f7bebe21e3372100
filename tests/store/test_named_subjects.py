"""Stores whose subjects have names."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec import open_store
from braincodec.compat import NED
from braincodec.errors import InputTypeError, UnknownNameError
from braincodec.legacy.convert import artefact_place
from braincodec.store.summary import score_table

from ..small_models import fwrf, gabor_linear, images

SUBJECTS = (2, "210224", "sub-01", "monkey A")
IMAGES = images(3)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("named")
    for number, subject in enumerate(SUBJECTS):
        about = {"model": "spikes-own-linear", "modality": "spikes", "dataset": "own", "subject": subject}
        gabor_linear(4 + number, **about).save(root / artefact_place("spikes-own-linear", subject))
        about |= {"model": "spikes-own-fwrf", "roi": "V4"}
        fwrf(2, rois={"V4": np.ones(2, bool)}, first=2 * number, **about).save(
            root / artefact_place("spikes-own-fwrf", subject, "V4")
        )
    place = root / "generated_responses" / "spikes-own-linear" / "stimuli-test"
    gabor_linear(4).encode_to(place / "subject-monkey=20A.zarr", IMAGES, device="cpu")
    gabor_linear(4).encode_to(place / "subject-sub-01_roi-V4.zarr", IMAGES, device="cpu")
    return root


@pytest.fixture
def store(root):
    return open_store(root)


def test_subjects_are_listed_numbers_first(store):
    assert store.models().subjects.tolist() == [[2, 210224, "monkey A", "sub-01"]] * 2


@pytest.mark.parametrize(("number", "subject"), list(enumerate(SUBJECTS)))
def test_each_is_found_by_its_name(store, number, subject):
    encoder = store.encoder("spikes-own-linear", subject)
    assert encoder.description.subject == subject
    assert encoder.response_shape == (4 + number,)


def test_number_and_its_text_find_the_same(store):
    assert (
        store.encoder("spikes-own-linear", 210224).identity() == store.encoder("spikes-own-linear", "210224").identity()
    )


def test_several_are_joined_and_told_apart(store):
    joint = store.encoder("spikes-own-linear", ["sub-01", 2])
    assert joint.units["subject"].values.tolist() == ["sub-01"] * 6 + ["2"] * 4
    responses = joint.encode(IMAGES, device="cpu")
    alone = store.encoder("spikes-own-linear", 2).encode(IMAGES, device="cpu")
    np.testing.assert_array_equal(responses.bc.select(subject=2).values, alone.values)
    np.testing.assert_array_equal(responses.bc.select(subject=["2"]).values, alone.values)
    assert store.encoder("spikes-own-linear", "all").response_shape == (4 + 5 + 6 + 7,)


def test_numbers_alone_stay_numbers(store):
    joint = store.encoder("spikes-own-linear", [2, "210224"])
    assert joint.units["subject"].values.tolist() == [2] * 4 + [210224] * 5


def test_unknown_name_is_answered_with_the_known_ones(store):
    with pytest.raises(UnknownNameError, match="did you mean 'sub-01'"):
        store.encoder("spikes-own-linear", "sub-10")
    with pytest.raises(InputTypeError, match="whole number or a name"):
        store.encoder("spikes-own-linear", 1.5)


def test_region_of_a_named_subject(store):
    assert store.encoder("spikes-own-fwrf", "monkey A", "V4").description.roi == "V4"
    assert {row["subject"] for row in score_table(store, "spikes-own-fwrf", "monkey A")} == {"monkey A"}


def test_generated_responses_of_named_subjects(store):
    table = store.response_sets()
    assert sorted(zip(table.subject, table.roi, strict=True)) == [("monkey A", ""), ("sub-01", "V4")]
    assert store.responses("spikes-own-linear", stimuli="test", subject="monkey A").shape == (3, 4)
    assert store.responses("spikes-own-linear", stimuli="test", subject="sub-01", roi="V4").shape == (3, 4)


def test_published_interface_takes_names_where_the_store_has_them(store):
    ned = NED(store)
    assert ned.which_subjects("spikes", "own") == [2, 210224, "monkey A", "sub-01"]
    array = IMAGES.transpose(0, 3, 1, 2)
    responses = ned.encode(array, "spikes", "own", "linear", "sub-01", return_metadata=False)
    assert responses.shape == (3, 6)
    with pytest.raises(InputTypeError, match="int or str"):
        ned.encode(array, "spikes", "own", "linear", 1.5)
