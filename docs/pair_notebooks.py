"""Writes `notebooks/NAME.ipynb` from `docs/tutorials/NAME.md`: the same cells, without outputs, for Colab and Jupyter.

`python docs/pair_notebooks.py` writes those that changed; `--check` only names them, and fails when there are any.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS, NOTEBOOKS = ROOT / "docs" / "tutorials", ROOT / "notebooks"
PAGES = "https://github.com/braincodec/braincodec/blob/main/docs"
# [text](other.md) or [text](../guides/page.md#part), but no address
RELATIVE_LINK = re.compile(r"\]\((?!\w+:|#|/)([^)\s]+?\.md)(#[^)\s]*)?\)")


def tutorials() -> list[Path]:
    """Text notebooks: the pages that say which kernel runs them."""
    return [path for path in sorted(TUTORIALS.glob("*.md")) if read(path).metadata.get("kernelspec")]


def read(path: Path) -> Any:
    """A text notebook as nbformat's object."""
    import jupytext

    return jupytext.read(path)


def notebook_text(path: Path) -> str:
    """The notebook of a tutorial, as the file is written.

    Equal texts give equal bytes: cells are numbered, not named at random, and links to other pages become addresses.
    """
    import nbformat

    notebook = read(path)
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": dict(notebook.metadata["kernelspec"]), "language_info": {"name": "python"}}
    )
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        if cell.cell_type == "markdown":
            cell.source = RELATIVE_LINK.sub(lambda link: f"]({_address(path, link[1])}{link[2] or ''})", cell.source)
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def _address(page: Path, link: str) -> str:
    """Where a page lies for somebody who has only the notebook."""
    target = (page.parent / link).resolve()
    return f"{PAGES}/{target.relative_to(ROOT / 'docs').as_posix()}"


def main() -> int:
    """Write what changed, or with `--check` say what would change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a notebook is not its text's")
    only_check = parser.parse_args().check
    pages = tutorials()
    wanted = {NOTEBOOKS / f"{page.stem}.ipynb": notebook_text(page) for page in pages}
    changed = [path for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text]
    left_over = [path for path in NOTEBOOKS.glob("*.ipynb") if path not in wanted]
    if not only_check:
        NOTEBOOKS.mkdir(exist_ok=True)
        for path in changed:
            path.write_text(wanted[path], encoding="utf-8")
        for path in left_over:
            path.unlink()
    for path in (*changed, *left_over):
        sys.stdout.write(f"{'differs' if only_check else 'written'}: {path.relative_to(ROOT)}\n")
    return int(only_check and bool(changed or left_over))


if __name__ == "__main__":
    raise SystemExit(main())
