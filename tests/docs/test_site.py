"""The built site: no warning, every page reached, every link right, nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from ..documents import DOCS, read_page
from .pages_built import Built, is_external, target_of

# pages that Sphinx makes itself
MADE = {"genindex.html", "search.html", "py-modindex.html", "404.html"}

pytestmark = pytest.mark.slow


class Site(NamedTuple):
    """Where the site was built, and what was said while it was."""

    folder: Path
    warnings: str


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The whole site, tutorials not run."""
    for package in ("sphinx", "myst_nb", "numpydoc", "pydata_sphinx_theme", "sphinx_design"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--quiet"]
    command += ["-D", "nb_execution_mode=off", "-d", str(folder / "trees"), str(DOCS), str(folder / "html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Site(folder / "html", done.stderr)


@pytest.fixture
def site(build: Site) -> Path:
    """The folder of the built site."""
    return build.folder


@pytest.fixture(scope="module")
def pages(build: Site) -> dict[str, Built]:
    """Every built page by its path in the site."""
    built = (path for path in build.folder.rglob("*.html") if "_static" not in path.parts)
    return {path.relative_to(build.folder).as_posix(): Built(path) for path in built}


def test_nothing_is_warned_of(build: Site) -> None:
    assert not build.warnings


def test_every_page_is_reached_from_the_first(pages: dict[str, Built]) -> None:
    reached, waiting = set(), ["index.html"]
    while waiting:
        page = waiting.pop()
        if page in pages and page not in reached:
            reached.add(page)
            waiting += [target_of(page, link)[0] for link in pages[page].links if not is_external(link)]
    assert set(pages) - reached <= MADE


def test_every_internal_link_and_anchor_is_there(pages: dict[str, Built], site: Path) -> None:
    wrong = []
    for name, page in pages.items():
        for link in page.links | page.fetched:
            if is_external(link):
                continue
            file, anchor = target_of(name, link)
            if not (site / (file or "index.html")).is_file():
                wrong.append(f"{name}: {link} is no file")
            elif anchor and file in pages and anchor not in pages[file].ids:
                wrong.append(f"{name}: {link} has no such anchor")
    assert not wrong, "\n".join(wrong)


def test_external_links_are_well_formed(pages: dict[str, Built]) -> None:
    external = {link for page in pages.values() for link in page.links if is_external(link)}
    assert external
    for link in external:
        parts = urlsplit(link)
        assert parts.scheme in ("http", "https") and re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?", parts.netloc), link


def test_nothing_is_fetched_from_another_host(pages: dict[str, Built], site: Path) -> None:
    remote = {f"{name}: {at}" for name, page in pages.items() for at in page.fetched if is_external(at)}
    remote = {line for line in remote if not line.partition(": ")[2].startswith("data:")}
    for style in site.rglob("*.css"):
        for at in re.findall(
            r"(?:url\(|@import\s+)[\"']?(https?:[^\"')]+|//[^\"')]+)", style.read_text(encoding="utf-8")
        ):
            remote.add(f"{style.relative_to(site)}: {at}")
    assert not remote


def test_every_image_has_words(pages: dict[str, Built]) -> None:
    assert {name: page.images_without_words for name, page in pages.items() if page.images_without_words} == {}


def test_pages_that_the_readme_links_to_are_in_the_site(pages: dict[str, Built]) -> None:
    linked = set(re.findall(r"\]\(docs/([^)#]+)\.md", read_page("README.md")))
    assert linked
    assert {f"{name}.html" for name in linked} <= set(pages)


def test_search_finds_words_of_pages(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert "own_data" in index and "ridge_cv" in index
