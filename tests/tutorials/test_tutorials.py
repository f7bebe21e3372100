"""Tutorials run from the first cell to the last, and their notebooks are the same cells."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

import braincodec

jupytext = pytest.importorskip("jupytext", reason="tutorials are read with jupytext (extra docs)")

ROOT = Path(__file__).resolve().parents[2]
SECONDS_A_CELL = 300
INSTALLS = '%pip install -q "braincodec[demo] @ git+https://github.com/braincodec/braincodec"'


def _load_pairing() -> Any:
    spec = importlib.util.spec_from_file_location("pair_notebooks", ROOT / "docs" / "pair_notebooks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pairing = _load_pairing()
PAGES = pairing.tutorials()
every_tutorial = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def _code(page: Path) -> list[str]:
    return [cell.source for cell in pairing.read(page).cells if cell.cell_type == "code"]


@pytest.mark.slow
@every_tutorial
def test_runs_without_a_warning_and_writes_only_below_its_folder(page: Path, tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    notebook = pairing.read(page)
    client = nbclient.NotebookClient(
        notebook, timeout=SECONDS_A_CELL, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()  # raises with the cell and its traceback when one fails

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    complaints = [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    assert complaints == []
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert pictures, "no figure is shown"
    assert [path.name for path in tmp_path.iterdir()] == ["tutorial-output"]
    assert [path.name for path in (tmp_path / "tutorial-output").iterdir()] == [page.stem]


@every_tutorial
def test_notebook_is_what_the_text_says(page: Path) -> None:
    notebook = ROOT / "notebooks" / f"{page.stem}.ipynb"
    assert notebook.is_file() and notebook.read_text("utf-8") == pairing.notebook_text(page), (
        "run: python docs/pair_notebooks.py"
    )


def test_every_notebook_has_its_text() -> None:
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == {page.stem for page in PAGES}


@every_tutorial
def test_opens_on_colab_and_installs_there_first(page: Path) -> None:
    text, first = page.read_text("utf-8"), _code(page)[0]
    links = re.findall(r"https://colab\.research\.google\.com/github/braincodec/braincodec/blob/main/(\S+?)\)", text)
    assert links == [f"notebooks/{page.stem}.ipynb"]
    assert 'if "google.colab" in sys.modules' in first and INSTALLS in first


@every_tutorial
def test_only_public_names_are_used(page: Path) -> None:
    from IPython.core.inputtransformer2 import TransformerManager

    tree = ast.parse("\n".join(TransformerManager().transform_cell(source) for source in _code(page)))
    hidden, modules = [], []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            hidden.append(node.attr)
        elif isinstance(node, ast.Import):
            modules += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module or ".")
            hidden += [name.name for name in node.names if name.name.startswith("_")]
    assert hidden == []
    public = {"braincodec", *(f"braincodec.{name}" for name in dir(braincodec))}
    assert [name for name in modules if name.split(".")[0] == "braincodec" and name not in public] == []


@every_tutorial
def test_index_links_the_page_and_its_notebook(page: Path) -> None:
    index = (page.parent / "index.md").read_text("utf-8")
    assert f"]({page.name})" in index and f"/notebooks/{page.stem}.ipynb)" in index
