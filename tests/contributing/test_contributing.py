"""The worked examples: files are taken from the pages and installed, and everything that a page runs is run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import DOCS, install, read_page, run

EXAMPLES = ("model", "dataset", "metric")


def test_every_entry_point_leads_to_a_file_of_a_page(tmp_path: Path) -> None:
    root = install(tmp_path, *EXAMPLES)
    points = re.findall(r'"(mylab\.\w+):(\w+)"', (root / "pyproject.toml").read_text(encoding="utf-8"))
    assert len(points) == len(EXAMPLES)
    for module, name in points:
        text = (root / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        assert f"\nclass {name}(" in text


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_page_shows_one_file_with_its_tests_and_runs_them(name: str) -> None:
    page = read_page(name)
    tests = [place for place in page.files if place.startswith("tests/")]
    assert len(tests) == 1
    assert any(f"pytest -q {tests[0]}" in text for kind, text in page.steps if kind == "shell")


def test_names_are_found_in_a_process_that_imports_nothing_of_the_package(tmp_path: Path) -> None:
    run("index", install(tmp_path, *EXAMPLES))


@pytest.mark.slow
def test_page_on_a_metric_runs(tmp_path: Path) -> None:
    shown = run("metric", install(tmp_path, "metric"))
    assert "concordance: Concordance correlation" in shown and "5 passed" in shown
    assert "Concordance correlation" in (tmp_path / "report.html").read_text(encoding="utf-8")
    doctest = [sys.executable, "-m", "doctest", "-o", "NORMALIZE_WHITESPACE", "mylab/concordance.py"]
    subprocess.run(doctest, cwd=tmp_path, check=True)


@pytest.mark.slow
def test_page_on_a_model_runs(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    shown = run("model", install(tmp_path, "model"))
    assert "fmri-simulated-neighbours" in shown and "5 passed" in shown
    assert (tmp_path / "my-neighbours" / "report.html").is_file()
    assert '"kind": "neighbours"' in (tmp_path / "neighbours-sub-01" / "config.json").read_text(encoding="utf-8")


@pytest.mark.slow
def test_page_on_a_data_set_runs(tmp_path: Path) -> None:
    shown = run("dataset", install(tmp_path, "dataset"))
    assert "a: 12 units, 60 stimuli, up to 4 repetitions" in shown and "4 passed" in shown
    assert (tmp_path / "v4-model" / "train.yaml").is_file()


def test_table_of_rooms_names_every_group_of_entry_points() -> None:
    source = Path(__file__).parents[2] / "src" / "braincodec"
    declared = set()
    for file in source.rglob("*.py"):
        declared |= set(re.findall(r'entry_point_group="(braincodec\.\w+)"', file.read_text(encoding="utf-8")))
    named = set(re.findall(r"`(braincodec\.\w+)`", (DOCS / "index.md").read_text(encoding="utf-8")))
    assert declared and named == declared
