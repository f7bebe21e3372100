"""Pages whose blocks are run as a reader would: files are written, commands typed, Python entered, in order."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "contributing"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# the first line of a block that is a file
FILE = re.compile(r"# (\S+/\S+|pyproject)\.(py|toml)\n")
MINUTES = 15

# runs in a process of its own: Python blocks share names, shell blocks stop at the first line that fails
DRIVER = """
import json, subprocess, sys
names = {}
for kind, text in json.load(sys.stdin):
    if kind == "python":
        exec(compile(text, "<page>", "exec"), names)
    else:
        subprocess.run(["bash", "-euo", "pipefail", "-c", text], check=True)
"""


@dataclass(frozen=True)
class Page:
    """One page: the files that it shows, and what it runs, in order.

    Attributes
    ----------
    files : dict of str to str
        By their place in the package.
    steps : list of (kind, text)
        Kind is "python" or "shell".
    """

    files: dict[str, str]
    steps: list[tuple[str, str]]


def read_page(name: str) -> Page:
    """Blocks of ``docs/contributing/<name>.md``; a block that begins with a comment naming a file is that file."""
    files, steps = {}, []
    for kind, text in BLOCK.findall((DOCS / f"{name}.md").read_text(encoding="utf-8")):
        named = FILE.match(text)
        if named:
            files[f"{named[1]}.{named[2]}"] = text[named.end() :]
        elif kind in ("python", "shell"):
            steps.append((kind, text))
    return Page(files, steps)


def install(folder: Path, *names: str) -> Path:
    """Write the files of pages below `folder`, and what an installer would write for their entry points."""
    for name in ("index", *names):
        for place, text in read_page(name).files.items():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_text(text, encoding="utf-8")
    (folder / "mylab").mkdir(exist_ok=True)
    (folder / "mylab" / "__init__.py").touch()
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = folder / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8"
    )
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {address}" for name, address in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def run(name: str, folder: Path) -> str:
    """Everything that a page runs, in a fresh process; what was printed."""
    scripts = Path(sys.executable).parent  # where `braincodec` and `pytest` are
    environment = os.environ | {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "COLUMNS": "200",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=json.dumps(read_page(name).steps),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60 * MINUTES,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
