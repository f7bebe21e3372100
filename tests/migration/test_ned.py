"""For users of NED, NEST and BERG: both sides of the page run and agree, and every published name is on it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from braincodec.compat import BERG, NED, NEST, BergModel

from ..legacy.layouts import write_eeg, write_fwrf, write_images, write_responses

PAGE = (Path(__file__).parents[2] / "docs" / "migration" / "ned.md").read_text(encoding="utf-8")
BLOCKS = re.compile(r"```python\n(.*?)```", re.DOTALL)
CODE = re.compile(r"`([^`]+)`")
# as the published packages define them
NED_ENCODE = ("images", "modality", "train_dataset", "model", "subject", "roi", "return_metadata", "device")
COMMON = {
    "which_modalities": (),
    "which_train_datasets": ("modality",),
    "which_models": ("modality", "train_dataset"),
    "which_subjects": ("modality", "train_dataset"),
    "which_rois": ("train_dataset",),
    "get_metadata": ("modality", "train_dataset", "model", "subject", "roi"),
}
MODEL = ("modality", "train_dataset", "model", "subject", "roi")
LOADED = ("modality", "train_dataset", "model", "imageset", "subject", "roi", "return_metadata")
TWO_STEPS = ("encoding_model", "images", "return_metadata", "device")
PUBLISHED: dict[type, dict[str, tuple[str, ...]]] = {
    NED: COMMON
    | {
        "__init__": ("ned_dir",),
        "get_encoding_model": (*MODEL, "device", "trained"),
        "load_synthetic_neural_responses": LOADED,
    },
    NEST: COMMON
    | {
        "__init__": ("nest_dir",),
        "get_encoding_model": (*MODEL, "device"),
        "encode": TWO_STEPS,
        "load_insilico_neural_responses": LOADED,
    },
    BERG: {
        "__init__": ("berg_dir",),
        "list_models": (),
        "get_model_catalog": ("print_format",),
        "describe": ("model_id",),
        "get_encoding_model": ("model_id", "device", "selection", "subject"),
        "encode": ("model", "stimulus", "return_metadata", "show_progress"),
        "get_model_metadata": ("model_id", "subject", "roi"),
    },
    BergModel: {"generate_response": ("stimulus", "show_progress"), "get_metadata": ()},
}
# what the classes share among themselves
INSIDE = {"run"}


def words() -> set[str]:
    """All words of code on the page."""
    blocks = BLOCKS.findall(PAGE)
    code = "\n".join([*blocks, *CODE.findall(BLOCKS.sub("", PAGE))])
    return set(re.findall(r"\w+", code))


def rows_of(section: str) -> Iterator[list[str]]:
    """Cells of the tables in a section, without heads."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith(("| ---", "| what you wrote", "| `selection` |")):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


@pytest.mark.parametrize("kind", PUBLISHED, ids=lambda kind: kind.__name__)
def test_published_functions_and_arguments_are_accepted_and_on_the_page(kind: type) -> None:
    on_page = words()
    for name, arguments in PUBLISHED[kind].items():
        signature = inspect.signature(getattr(kind, name))
        assert set(arguments) <= set(signature.parameters), name
        assert set(arguments) <= on_page and (name == "__init__" or name in on_page), name
    one_step = inspect.signature(NED._encode_once)
    assert tuple(one_step.parameters)[1:] == NED_ENCODE and set(NED_ENCODE) <= on_page


@pytest.mark.parametrize("kind", PUBLISHED, ids=lambda kind: kind.__name__)
def test_every_public_name_and_argument_of_our_class_is_on_the_page(kind: type) -> None:
    on_page = words()
    for name, member in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_") and name not in INSIDE:
            given = set(inspect.signature(member).parameters) - {"self", "args", "kwargs"}
            assert {name, *given} <= on_page, f"{kind.__name__}.{name}: {sorted({name, *given} - on_page)}"


def test_every_argument_has_a_row() -> None:
    named = {name for row in rows_of("Every argument") for name in CODE.findall(row[0])}
    assert named >= {*NED_ENCODE, *TWO_STEPS, *LOADED, "ned_dir", "nest_dir", "berg_dir", "trained"}


def test_every_score_of_the_metadata_has_a_row() -> None:
    from braincodec.legacy.keys import SENSOR_SCORES, VOLUME_SCORES

    rows = {row[0]: row[1] for row in rows_of("What was in the metadata")}
    for theirs, ours in (VOLUME_SCORES | SENSOR_SCORES).items():
        told = [right for left, right in rows.items() if f"{theirs}`" in left]
        assert told and (ours in told[0] or theirs == ours), theirs


@pytest.mark.slow
@pytest.mark.usefixtures("seeded_vit")
def test_both_sides_run_and_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nibabel")
    write_fwrf(tmp_path / "neural_encoding_dataset", 1, "V1", (4,))
    root = tmp_path / "neural_encoding_dataset"
    write_eeg(root)
    write_responses(root)
    write_images(root, "things")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in BLOCKS.findall(PAGE):
        exec(compile(block, "ned.md", "exec"), names)
    ran = 0
    for section in ("Every function", "BERG"):
        for row in rows_of(section):
            for code in (code for cell in row for code in CODE.findall(cell)):
                if "(" in code and "..." not in code and "vector" not in code and not code.startswith("braincodec "):
                    assert eval(code, names) is not None, code
                    ran += 1
    assert ran > 35
    assert (tmp_path / "first.nii.gz").is_file() and (tmp_path / "v1.zarr").is_dir()


def test_names_that_take_the_place_of_tutorials_and_scripts_exist() -> None:
    import braincodec as bc
    from braincodec.cli.app import app
    from braincodec.training.shipped import shipped_configs

    text = PAGE.split("## What tutorials")[1].split("## Differences")[0]
    for place in set(re.findall(r"`bc\.([\w.]+)[`(]", text)):
        found: Any = bc
        for name in place.split("."):
            found = getattr(found, name)
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    commands |= {str(group.typer_instance.info.name) for group in app.registered_groups if group.typer_instance}
    assert set(re.findall(r"`braincodec (\w+)", PAGE)) <= commands
    assert {"ned_fmri_nsd_fwrf", "ned_eeg_things_eeg2_vit_b_32"} <= set(shipped_configs())
