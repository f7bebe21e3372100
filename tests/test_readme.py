"""The README's Python runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .documents import ROOT, read_page, run_python_of, write_demo_output


@pytest.mark.slow
def test_python_blocks_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_demo_output(tmp_path)
    names = run_python_of("README.md", tmp_path, monkeypatch)
    assert set(names["responses"].bc.rois) >= {"V1", "V2"} and names["responses"].sizes["stimulus"] == 2
    assert len(names["images"]) == names["fmri"].sizes["stimulus"]


def test_every_linked_file_exists() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", read_page("README.md")):
        assert (ROOT / target).exists(), target
