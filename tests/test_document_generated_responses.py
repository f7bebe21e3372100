"""The page on generated responses: its Python runs as it stands, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from braincodec.legacy.labels import LABELS_OF, OWN_LABELS

PAGE = (Path(__file__).parents[1] / "docs" / "generated_responses.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_python_on_generated_responses_runs_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("skimage", "efficientnet_lite_pytorch"):
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
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, "generated_responses.md", "exec"), names)
    assert names["responses"].shape == (2, 4, 63, 91)  # type: ignore[attr-defined]
    assert len(names["store"].stimulus_set("photographs")) == 2  # type: ignore[attr-defined]
    (one,) = names["bc"].open_store("generated_again").response_sets().to_dict("records")  # type: ignore[attr-defined]
    assert one["stimuli"] == "photographs"


def test_commands_on_generated_responses_exist() -> None:
    from braincodec.cli.app import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    known |= {str(group.typer_instance.info.name) for group in app.registered_groups if group.typer_instance}
    named = set(re.findall(r"^braincodec ([a-z0-9-]+)", PAGE, re.MULTILINE))
    assert named == {"synthesize", "verify", "responses"}
    assert named <= known


def test_keys_of_labels_on_generated_responses_are_those_that_are_written() -> None:
    for key in (*LABELS_OF.values(), OWN_LABELS):
        assert f"`{key} {{" in PAGE
