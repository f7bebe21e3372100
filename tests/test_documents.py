"""Tables in the documents say what the code says, and their Python runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from braincodec.legacy.families import FAMILIES

DOCS = Path(__file__).parents[1] / "docs"
MODELS = (DOCS / "models.md").read_text(encoding="utf-8")
DECODING = (DOCS / "decoding.md").read_text(encoding="utf-8")
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


def test_python_on_decoding_runs_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", DECODING, re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, "decoding.md", "exec"), names)
    assert set(names["scores"].table["direction"]) == {"encoding", "decoding"}  # type: ignore[attr-defined]
    assert (tmp_path / "decoded" / "hits.csv").is_file()
    assert names["translated"].sizes["tokens"] == 256  # type: ignore[attr-defined]


def test_commands_on_decoding_exist() -> None:
    from braincodec.cli.app import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    named = set(re.findall(r"^braincodec ([a-z0-9-]+)", DECODING, re.MULTILINE))
    assert named <= known and {"decode", "train", "lea-god", "lea-bold5000", "lea-pretrain"} <= named
