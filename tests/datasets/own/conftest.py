"""A study in the usual layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from .studies import IMAGES, numbered, trial_table, write_images


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Twelve images; two subjects, each image once, every third a second time; the table says the split."""
    root = tmp_path / "my-study"
    write_images(root / "images")
    order = [*range(IMAGES), *range(0, IMAGES, 3)]
    split = ["test" if number % 4 == 3 else "train" for number in order]
    tables = [
        trial_table(order, subject=who, session=["1"] * IMAGES + ["2"] * 4, split=split, run=range(len(order)))
        for who in ("01", "02")
    ]
    table = pd.concat(tables, ignore_index=True)
    table["category"] = ["even" if int(name[-2:]) % 2 == 0 else "odd" for name in table["stimulus"]]
    table.to_csv(root / "trials.csv", index=False)
    (root / "responses").mkdir()
    for place, who in enumerate(("01", "02")):
        np.save(root / "responses" / f"sub-{who}.npy", numbered(len(order), start=100 * place))
    return root
