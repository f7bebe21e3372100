"""Units get their places, regions and further facts from a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from braincodec.datasets import load_dataset
from braincodec.datasets.facts import is_simulated
from braincodec.errors import InputTypeError, InputValueError
from braincodec.responses import build_units

from .studies import UNITS


def units_of(study, table, **options):
    return load_dataset("own", study, units=table, **options).subject("01").units


def test_voxels_regions_and_other_columns(study):
    table = pd.DataFrame(
        {
            "i": [0, 1, 2, 3], "j": [0] * 4, "k": [5] * 4, "roi": ["V1", "V1;V2", None, "V2"],
            "roi_face": ["0", "1", "true", "no"], "ncsnr": [0.1, 0.2, None, 0.4], "label": ["a", "b", "c", None],
        }
    )  # fmt: skip
    table.to_csv(study / "units.csv", index=False)
    units = units_of(study, None)
    assert units["i"].values.tolist() == [0, 1, 2, 3]
    assert units["roi"].values.tolist() == ["V1", "V2", "face"]
    assert units["roi_membership"].values.tolist() == [
        [True, False, False],
        [True, True, True],
        [False, False, True],
        [False, True, False],
    ]
    np.testing.assert_allclose(units["ncsnr"].values, [0.1, 0.2, np.nan, 0.4])
    assert units["label"].values.tolist() == ["a", "b", "c", ""]


def test_vertices_with_their_hemisphere(study):
    units = units_of(study, pd.DataFrame({"vertex": ["7", "9", "7", "8"], "hemisphere": ["lh", "Left", "R", "rh"]}))
    assert units["vertex"].values.tolist() == [7, 9, 7, 8]
    assert units["hemisphere"].values.tolist() == ["left", "left", "right", "right"]


def test_vertices_of_a_named_surface_can_be_drawn_on_the_cortex(study):
    table = pd.DataFrame({"vertex": [7, 9, 7, 8], "hemisphere": ["left", "left", "right", "right"]})
    recording = load_dataset("own", study, units=table, space="fsaverage5").subject("01")
    assert recording.units.attrs["space"] == recording.responses.attrs["space"] == "fsaverage5"
    assert "surface     fsaverage5" in load_dataset("own", study, units=table, space="fsaverage5").info()
    with pytest.raises(InputValueError, match=r"space 'fsaverage5' needs units with the columns vertex and hemisphere"):
        units_of(study, pd.DataFrame({"ncsnr": [0.5] * UNITS}), space="fsaverage5")
    with pytest.raises(InputValueError, match="space"):
        units_of(study, table, space="native")


def test_subjects_that_never_existed_are_called_simulated(study):
    assert is_simulated(load_dataset("own", study, simulated=True).subject("01"))
    assert not is_simulated(load_dataset("own", study).subject("01"))


def test_tables_may_differ_by_subject(study):
    for who, value in (("01", 1), ("02", 2)):
        pd.DataFrame({"ncsnr": [value] * UNITS}).to_csv(study / f"units_{who}.tsv", sep="\t", index=False)
    data = load_dataset("own", study, units="units_{subject}.tsv")
    assert data.subject("02").units["ncsnr"].values.tolist() == [2] * UNITS


def test_units_may_be_a_dataset(study):
    given = build_units(vertex=np.arange(UNITS), hemisphere="left", space="fsaverage")
    assert units_of(study, given).attrs["space"] == "fsaverage"
    with pytest.raises(InputValueError, match="units have 2 along unit, responses 4"):
        units_of(study, given.isel(unit=slice(2)))


def test_regions_as_one_value_a_unit(study):
    units = units_of(study, None, rois={"V4": np.array([1, 0, 0, 1])})
    assert units["roi_membership"].values[:, 0].tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"ncsnr": [1, 2]}, "2 rows, but the responses have 4 units"),
        ({"i": [1] * 4, "j": [1] * 4}, "has the columns i, j of i, j, k"),
        ({"vertex": [1] * 4}, "hemisphere"),
        ({"vertex": [1, 2, 3, 0.5], "hemisphere": ["left"] * 4}, "whole numbers"),
        ({"vertex": [1] * 4, "hemisphere": ["left", "top", "left", "left"]}, "left or right, not 'top'"),
        ({"roi_V1": [0, 1, 2, 1]}, "must be 0 or 1, not '2'"),
    ],
)
def test_wrong_tables_are_refused(study, table, words):
    with pytest.raises(InputValueError, match=words):
        units_of(study, pd.DataFrame(table))


def test_other_things_are_no_units(study):
    with pytest.raises(InputTypeError, match="not list"):
        units_of(study, [1, 2])
