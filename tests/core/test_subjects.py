"""Subjects are whole numbers or names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braincodec.errors import InputTypeError, InputValueError
from braincodec.models import ModelDescription
from braincodec.subjects import check_subject_name, plain_subject, sorted_subjects, subject_folder, subject_of_folder

NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=30).filter(lambda t: t != "all")


@given(NAMES)
def test_folder_tells_its_subject_and_is_safe_in_paths_and_addresses(name):
    folder = subject_folder(name)
    assert subject_of_folder(folder) == plain_subject(name)
    assert folder.isascii() and not set(folder) & set('/\\?#%:*"<>| ') and "_roi-" not in folder


@given(st.integers(0, 10**9))
def test_number_and_its_text_are_one_subject(number):
    assert subject_folder(number) == subject_folder(str(number)) == f"subject-{number:02d}"
    assert subject_of_folder(subject_folder(number)) == number == plain_subject(np.int64(number))


@given(st.lists(NAMES, unique=True))
def test_different_names_have_different_folders(names):
    assert len({subject_folder(name) for name in names}) == len({plain_subject(name) for name in names})


def test_arabic_and_superscript_digits_are_names():
    assert plain_subject("٣") == "٣" and plain_subject("²") == "²"


@pytest.mark.parametrize("name", ["", " ", " a", "all", "a\nb", "x" * 101, -1])
def test_what_names_nobody_is_refused(name):
    with pytest.raises(InputValueError):
        check_subject_name(name)


@pytest.mark.parametrize("value", [True, None, 1.0, [1]])
def test_other_types_are_refused(value):
    with pytest.raises(InputTypeError, match="number or a name"):
        plain_subject(value)


@pytest.mark.parametrize("name", ["subject-", "subject-=FF", "roi-V1", "sub-01"])
def test_other_folders_belong_to_nobody(name):
    assert subject_of_folder(name) is None


def test_numbers_come_before_names():
    assert sorted_subjects(["sub-02", 10, "A", 9]) == [9, 10, "A", "sub-02"]


@pytest.mark.parametrize("subject", [3, "210224", "sub-01", "monkey-A"])
def test_description_keeps_the_subject_as_it_was_given(subject):
    about = ModelDescription(model="m", modality="spikes", dataset="d", subject=subject)
    assert about.subject == subject
    assert ModelDescription.parse(about.model_dump(mode="json")) == about


def test_description_refuses_a_name_that_stands_for_all():
    with pytest.raises(InputValueError, match="every subject"):
        ModelDescription.parse({"model": "m", "modality": "spikes", "dataset": "d", "subject": "all"})
