"""What pages say of the code is what the code says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from braincodec.legacy.families import FAMILIES
from braincodec.legacy.labels import LABELS_OF, OWN_LABELS

from ..documents import DOCS, read_page


@pytest.fixture
def from_code(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The extension that makes parts of pages."""
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    import from_code

    yield from_code
    for name in [name for name in sys.modules if name.partition(".")[0] == "from_code"]:
        del sys.modules[name]


def test_what_pages_keep_of_the_code_is_current(from_code: Any) -> None:
    pages = from_code.pages_with_parts(DOCS)
    assert {"command_line.md", "datasets.md", "metrics.md", "models.md"} <= {page.name for page in pages}
    # in a process of its own: tests register kinds that no page should name
    done = subprocess.run(
        [sys.executable, str(DOCS / "fill_pages.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run python docs/fill_pages.py: {done.stdout}{done.stderr}"


def test_no_page_is_empty_for_readers_of_its_file(from_code: Any) -> None:
    for page in from_code.pages_with_parts(DOCS):
        for place in from_code.PLACE.finditer(page.read_text(encoding="utf-8")):
            assert place["content"].strip(), f"{page.name}: keep {place['name']}, or say where else it is"


def test_every_part_is_on_some_page(from_code: Any) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in from_code.pages_with_parts(DOCS))
    assert set(from_code.PLACE.findall(text)[0]) and set(re.findall(r"from the code: (\w+) -->", text)) == set(
        from_code.PARTS
    )


def test_parts_name_every_model_data_set_metric_and_command(from_code: Any) -> None:
    from braincodec.datasets import DATASETS
    from braincodec.evaluation import METRICS, QUANTITIES
    from braincodec.features import BACKBONES
    from braincodec.image_generators import IMAGE_GENERATORS
    from braincodec.models import MODELS

    from ..documents import known_commands

    made = {name: part() for name, part in from_code.PARTS.items()}
    assert all(f"`{name}`" in made["published_models"] for name in FAMILIES)
    assert all(f"### {name}\n" in made["dataset_sections"] for name in DATASETS)
    metrics = made["encoding_metrics"] + made["decoding_metrics"]
    assert all(f"(definition-{name})=" in metrics for name in METRICS)
    assert all(f"(definition-{name})=" in made["quantities"] for name in QUANTITIES)
    assert all(f"`{name}:" in made["backbones"] for name in BACKBONES if name != "module")
    assert all(f"| `{name}` |" in made["image_generators"] for name in IMAGE_GENERATORS)
    assert all(f"| `{name}` |" in made["model_kinds"] for name in MODELS)
    groups = {name for name in known_commands() if f"{name} list" in known_commands()}
    assert all(f"## {name}\n" in made["commands"] for name in set(known_commands()) - groups)


def test_keys_of_labels_on_generated_responses_are_those_that_are_written() -> None:
    page = read_page("docs/guides/generated_responses.md")
    assert all(f"`{key} {{" in page for key in (*LABELS_OF.values(), OWN_LABELS))


def test_extras_on_getting_started_are_those_that_can_be_installed() -> None:
    import tomllib

    extras = tomllib.loads(read_page("pyproject.toml"))["project"]["optional-dependencies"]
    named = re.findall(r"^\| `(\w+)` \|", read_page("docs/getting_started.md"), re.MULTILINE)
    assert set(extras) - set(named) == {"photographs", "test", "docs", "dev"} and set(named) <= set(extras)
