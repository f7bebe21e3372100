"""The README's Python runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_python_blocks_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("nibabel", "nilearn", "skimage", "efficientnet_lite_pytorch"):
        pytest.importorskip(package)
    from PIL import Image

    from braincodec import simulate

    simulate.write_demo_store(tmp_path / "demo-output" / "store", calibration=16)
    photographs = tmp_path / "demo-output" / "photographs"
    photographs.mkdir()
    for name, image in list(simulate.square_photographs().items())[:2]:
        Image.fromarray(image).save(photographs / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(blocks) >= 2
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert names["responses"].sizes["stimulus"] == 2  # type: ignore[attr-defined]
    assert (tmp_path / "responses.zarr").is_dir()


def test_every_linked_file_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / target).exists(), target
