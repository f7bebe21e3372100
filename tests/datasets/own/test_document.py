"""The page on one's own recordings says what works."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from braincodec.datasets.own.formats import READERS
from braincodec.datasets.own.table import ROLES

from ...documents import read_page, run_python_of
from .studies import image_names, numbered, trial_table, write_images

NAME = "docs/guides/own_data.md"
PAGE = read_page(NAME)


def test_python_blocks_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "my-study" / "images")
    split = ["train" if number % 3 else "test" for number in range(12)]
    trial_table(list(range(12)), subject="01", split=split).to_csv(tmp_path / "my-study" / "trials.csv", index=False)
    (tmp_path / "my-study" / "responses").mkdir()
    values = numbered(12) + np.random.default_rng(0).standard_normal((12, 4))
    np.save(tmp_path / "my-study" / "responses" / "sub-01.npy", values)
    names = run_python_of(NAME, tmp_path, monkeypatch)
    assert names["scores"].about["dataset"]["name"] == "own"
    assert names["data"].licence == "CC-BY-4.0"
    assert image_names()[0] + ".png" in names["recording"].responses["stimulus"].values


def test_tables_name_every_role_and_format() -> None:
    roles = PAGE.split("## The table")[1].split("Other names")[0]
    assert {role for role in ROLES if f"`{role}`" in roles} == set(ROLES)
    formats = PAGE.split("## Formats")[1].split("## Units")[0]
    assert {s for s in READERS if f"`{s}`" in formats} >= set(READERS) - {".fif.gz", ".hdf5"}
