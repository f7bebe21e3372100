"""Data sets are opened by name, and a wrong call says what the right one is."""

from __future__ import annotations

import subprocess
import sys

import pytest

import braincodec
from braincodec.datasets import DATASETS, Dataset, load_dataset
from braincodec.errors import InputValueError, UnknownNameError


def test_every_registered_data_set_declares_where_it_comes_from():
    assert {"digit69", "macaque_v4", "simulated"} <= set(DATASETS.names())
    for name in ("digit69", "macaque_v4", "simulated"):
        kind = DATASETS.get(name)
        assert issubclass(kind, Dataset)
        assert kind.name == name
        assert all((kind.modality, kind.species, kind.licence, kind.citation, kind.how_to_get, kind.split_origin))


def test_public_name_opens_a_data_set():
    assert braincodec.load_dataset("simulated", subjects=3).subjects() == ["1", "2", "3"]


def test_unknown_data_sets_and_options_are_named_with_the_choices(tmp_path):
    with pytest.raises(UnknownNameError, match="unknown data set 'macaque'; did you mean 'macaque_v4'"):
        load_dataset("macaque", tmp_path)
    with pytest.raises(UnknownNameError, match=r"unknown option 'sed' of the data set 'macaque_v4'.*'seed'"):
        load_dataset("macaque_v4", tmp_path, sed=1)


def test_root_is_asked_for_where_it_is_needed_and_refused_where_not(tmp_path):
    with pytest.raises(InputValueError, match=r"'digit69' is read from files: give root=.*github"):
        load_dataset("digit69")
    with pytest.raises(InputValueError, match="'simulated' has no files, so it takes no root"):
        load_dataset("simulated", tmp_path)


def test_data_sets_of_others_are_opened_with_or_without_files(monkeypatch, tmp_path):
    class Others(Dataset):
        modality, species, licence, citation, expected = "fmri", "human", "CC0", "nobody", {}

        def __init__(self, root=tmp_path, **options):
            self.given = (root, options)

        def subjects(self):
            return []

        def subject(self, name):
            raise NotImplementedError

    monkeypatch.setitem(DATASETS._objects, "others", Others)
    assert load_dataset("others").given == (tmp_path, {})
    assert load_dataset("others", "elsewhere", version=2).given == ("elsewhere", {"version": 2})
    Others.name = "others"
    assert load_dataset("others").verify() == []
    assert "subjects    none" in load_dataset("others").info()


def test_importing_data_sets_is_light():
    code = "import sys, braincodec.datasets as d; d.DATASETS.names(); print(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert not loaded & {"torch", "scipy", "PIL", "braincodec.simulate", "braincodec.datasets.macaque_v4"}
