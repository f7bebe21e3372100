"""Tables in the documents say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from braincodec.legacy.families import FAMILIES

MODELS = (Path(__file__).parents[1] / "docs" / "models.md").read_text(encoding="utf-8")
REGIONS = MODELS.split("## Regions")[1].split("## What happens")[0]


@pytest.mark.parametrize("name", FAMILIES.names())
def test_table_of_regions_and_subjects_is_what_the_code_accepts(name: str) -> None:
    family = FAMILIES.get(name)
    rows = [line.split("|")[1:-1] for line in REGIONS.splitlines() if line.startswith(f"| `{name}`")]
    assert len(rows) == 1
    _, rois, subjects = (cell.strip() for cell in rows[0])
    expected = " ".join(family.published_rois) or "none: all channels, or some by name"
    assert rois == expected
    assert subjects == " ".join(str(subject) for subject in family.published_subjects)
