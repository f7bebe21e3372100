"""Pages, and what tests ask of them: their Python runs as it stands, the commands that they name exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
# a block that cannot run says so in its first line: ```python skip
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^```shell\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"`braincodec ([a-z][a-z0-9-]*)")


def read_page(name: str) -> str:
    """Text of a page, by its path in the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def all_pages() -> list[str]:
    """README and every page of the site that is written by hand."""
    pages = sorted(DOCS.rglob("*.md"))
    return ["README.md", *(path.relative_to(ROOT).as_posix() for path in pages if "_build" not in path.parts)]


def run_python_of(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the Python blocks of a page in order, in a folder; gives the names that they leave."""
    monkeypatch.chdir(folder)
    blocks = PYTHON.findall(read_page(name))
    assert blocks, f"{name} has no Python to run"
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{name}, block {number}", "exec"), names)
    return names


def write_demo_output(folder: Path) -> None:
    """What `braincodec demo` leaves that pages use, small: a store, and two photographs."""
    for package in ("nibabel", "nilearn", "skimage", "efficientnet_lite_pytorch"):
        pytest.importorskip(package)
    from PIL import Image

    from braincodec import simulate

    simulate.write_demo_store(folder / "demo-output" / "store", calibration=16)
    photographs = folder / "demo-output" / "photographs"
    photographs.mkdir()
    for name, image in list(simulate.square_photographs().items())[:2]:
        Image.fromarray(image).save(photographs / f"{name}.png")


def known_commands() -> dict[str, set[str]]:
    """Options of every command, by its full name, such as `responses list`."""
    from typer.main import get_command

    from braincodec.cli.app import app

    found: dict[str, set[str]] = {}

    def look(prefix: str, group: Any) -> None:
        for name, command in group.commands.items():
            full = f"{prefix} {name}".strip()
            found[full] = {"--help", "--debug"}
            found[full] |= {option for item in command.params for option in (*item.opts, *item.secondary_opts)}
            if hasattr(command, "commands"):
                look(full, command)

    look("", get_command(app))
    return found


def commands_of(name: str) -> Iterator[tuple[str, list[str]]]:
    """The lines of a page that call the program: the words after it, and the line."""
    for block in SHELL.findall(read_page(name)):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("braincodec "):
                yield line, shlex.split(line, comments=True)[1:]
