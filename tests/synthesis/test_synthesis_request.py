"""What a synthesis is asked for: names, wild cards, regions, and what is refused before anything is loaded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import InputTypeError, InputValueError, MissingFileError, UnknownNameError
from braincodec.stimuli import StimulusSet
from braincodec.synthesis.planning.licences import licence_notes, permits_redistribution
from braincodec.synthesis.planning.named_stimuli import check_name, name_of_path, open_stimuli
from braincodec.synthesis.planning.request import choose_models, choose_targets, make_request, where_models_are

STIMULI = StimulusSet.open(np.zeros((10, 8, 8, 3), np.uint8))


def ask(models, names="all", **settings):
    return make_request(models, names, STIMULI, "pictures", **settings)


def asked(models, names="all", **settings):
    return choose_targets(models, ask(models, names, **settings))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("all", ["eeg-small", "fmri-fwrf", "fmri-gaussian", "fmri-lea", "fmri-linear"]),
        ("fmri-l*", ["fmri-lea", "fmri-linear"]),
        ("fmri-linear, eeg-*", ["eeg-small", "fmri-linear"]),
        (["fmri-linear", "fmri-lin*"], ["fmri-linear"]),
    ],
)
def test_models_are_named_listed_or_matched(models, names, expected):
    assert [entry.id for entry in choose_models(models, names)] == expected


@pytest.mark.parametrize("name", ["fmri-liner", "meg-*", ""])
def test_an_unknown_model_is_answered_with_those_that_are_there(models, name):
    with pytest.raises(UnknownNameError, match="available: eeg-small, fmri-fwrf"):
        choose_models(models, name)


@pytest.mark.parametrize("names", [7, [7], None])
def test_models_are_text(models, names):
    with pytest.raises(InputTypeError, match="models are identifiers"):
        choose_models(models, names)


def test_all_regions_are_arrays_of_their_own_only_where_they_have_models_of_their_own(models):
    found = [(one.model, one.subject, one.roi) for one in asked(models, ["fmri-fwrf", "fmri-linear"]).targets]
    assert found == [("fmri-fwrf", 1, "V1"), ("fmri-fwrf", 1, "V2"), ("fmri-linear", 1, None)]


def test_named_regions_are_arrays_of_their_own_in_every_kind_of_model(models):
    found = asked(models, "fmri-gaussian", rois=["V2", "V1", "V2"])
    assert [one.place("pictures").rpartition("/")[2] for one in found.targets] == [
        "subject-01_roi-V2.zarr",
        "subject-01_roi-V1.zarr",
    ]


def test_a_subject_without_the_region_is_named_with_its_regions(models):
    with pytest.raises(UnknownNameError, match=r"'V9' of fmri-fwrf subject 1.*available: V1, V2; .*--skip-missing"):
        asked(models, "fmri-fwrf", rois=["V1", "V9"])


def test_a_model_without_the_subject_is_named_with_its_subjects(models):
    with pytest.raises(UnknownNameError, match=r"unknown subject 2 of fmri-\w+ .*available: 1; .*--skip-missing"):
        asked(models, subjects=[1, 2])


def test_regions_of_a_model_without_any_are_refused(models):
    with pytest.raises(InputValueError, match=r"eeg-small subject 1 has no regions.*take all rois"):
        asked(models, "eeg-small", rois="V1")


def test_what_is_missing_is_left_out_when_asked_and_said(models):
    found = asked(models, ["eeg-small", "fmri-fwrf"], subjects=[1, 2], rois=["V1"], skip_missing=True)
    assert [(one.model, one.subject, one.roi) for one in found.targets] == [("fmri-fwrf", 1, "V1")]
    assert found.left_out == (
        "eeg-small subject 1 has no V1",
        "eeg-small subject 2 has no V1",
        "fmri-fwrf has no subject 2",
    )


def test_nothing_left_is_an_error(models):
    with pytest.raises(InputValueError, match="nothing is left to synthesize: fmri-fwrf subject 1 has no V9"):
        asked(models, "fmri-fwrf", rois="V9", skip_missing=True)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dtype": "float8"}, "unknown dtype 'float8'"),
        ({"stored_dtype": "float64"}, "unknown stored_dtype 'float64'.*float32, float16"),
        ({"layout": "quick"}, "unknown layout 'quick'.*default, fast"),
        ({"on_bad": "skip"}, "unknown on_bad 'skip'.*mark, raise"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"device": "cuda:1"}, "each worker takes a GPU of its own"),
        ({"tile": 0}, "tile is 0; expected 1 or more"),
        ({"threads": -1}, "threads is -1"),
        ({"tile": 16, "block": 24}, "a block of 24 stimuli is not made of whole tiles of 16: take a block of 32"),
        ({"rois": []}, "rois must be a name"),
        ({"subjects": []}, "no subject is asked for"),
    ],
)
def test_settings_that_do_not_fit_are_named(models, settings, words):
    with pytest.raises(
        InputValueError if "must" not in words and "asked" not in words else InputTypeError, match=words
    ):
        ask(models, **settings)


def test_workers_elsewhere_may_have_devices_that_this_machine_lacks(models):
    assert ask(models, device="cuda", is_local=False).device == "cuda"
    assert ask(models, device="auto", is_local=False).device == "cpu"


def test_equal_arguments_in_other_words_give_equal_requests(models):
    first = ask(models, "fmri-linear,fmri-fwrf", subjects="1", rois=["V1"])
    assert first == ask(models, ["fmri-fwrf", "fmri-lin*"], subjects=[1, "01"], rois="V1")
    assert first.hash() != ask(models, "fmri-linear,fmri-fwrf", subjects="1", rois=["V2"]).hash()


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "x" * 101, "nsd.zarr", "ends.", "é"])
def test_names_that_are_no_folder_are_refused(name):
    with pytest.raises(InputValueError, match="cannot be that of a stimulus set"):
        check_name(name)


@settings(deadline=None)
@given(st.text(min_size=1, max_size=50))
def test_every_path_gives_a_name_that_is_taken(text):
    check_name(name_of_path(f"/{text}".replace("\0", "")))


def test_images_in_memory_need_a_name():
    with pytest.raises(InputValueError, match="--name"):
        open_stimuli(STIMULI, None)
    assert open_stimuli(STIMULI, "mine")[1:] == ("mine", None)


def test_no_images_are_refused(tmp_path):
    with pytest.raises(InputValueError, match="there are no stimuli"):
        open_stimuli(STIMULI[:0], "none")
    with pytest.raises(MissingFileError):
        open_stimuli(tmp_path / "nowhere", None)


def test_models_of_a_folder_are_found_from_any_folder(models):
    address, options = where_models_are(models)
    assert address.startswith("/") and options == {}


@pytest.mark.parametrize(
    ("licence", "permitted"),
    [
        ("CC-BY-4.0", True),
        ("cc0", True),
        ("BSD-3-Clause AND Apache-2.0", True),
        ("(MIT OR GPL-3.0)", True),
        ("CC-BY-NC-SA-4.0", True),
        ("CC-BY-ND-4.0", False),
        ("CC-BY-4.0 AND NSD terms of use", False),
        ("all rights reserved", False),
        ("", False),
    ],
)
def test_licences_that_permit_redistribution_are_known(licence, permitted):
    assert permits_redistribution(licence) is permitted


def test_a_model_without_a_licence_is_remarked_upon(models):
    (words,) = licence_notes(choose_models(models, "fmri-fwrf"))
    assert words.startswith("fmri-fwrf: no licence states redistribution")
