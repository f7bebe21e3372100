"""Parts of pages that are made from the code, so that they cannot say anything else.

A page says where: between `<!-- from the code: NAME -->` and `<!-- end -->`. The site always shows what the code says
when it is built. What a page has between the two is for readers of the file itself, on a code host for instance:
`python docs/fill_pages.py` writes it, except where a page keeps nothing, or one line that begins with `ON_THE_SITE`
and says where else to look.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from from_code.backbones import backbones
from from_code.commands import command_table, commands
from from_code.datasets import dataset_sections, dataset_table
from from_code.kinds import image_generators, model_kinds
from from_code.metrics import decoding_metrics, encoding_metrics, metric_table, quantities
from from_code.models import published_models, published_regions
from from_code.settings import shipped_settings
from from_code.suffixes import artefact_files, response_suffixes

PARTS: dict[str, Callable[[], str]] = {
    part.__name__: part
    for part in (
        artefact_files,
        backbones,
        command_table,
        commands,
        dataset_sections,
        dataset_table,
        decoding_metrics,
        encoding_metrics,
        image_generators,
        metric_table,
        model_kinds,
        published_models,
        published_regions,
        quantities,
        response_suffixes,
        shipped_settings,
    )
}
ON_THE_SITE = "*On the site"
PLACE = re.compile(r"<!-- from the code: (?P<name>\w+) -->\n(?P<content>.*?)<!-- end -->\n", re.DOTALL)


def filled(text: str, *, marks: bool, only_kept: bool = False) -> str:
    """A page with its parts made anew.

    Parameters
    ----------
    text : str
    marks : bool
        Keep the comments around them.
    only_kept : bool
        Leave places alone that are empty or say `ON_THE_SITE`.

    Raises
    ------
    KeyError
        When no part has the name.
    """

    def made(place: re.Match[str]) -> str:
        kept = place["content"].strip()
        if only_kept and (not kept or kept.startswith(ON_THE_SITE)):
            return place[0]
        content = f"\n{PARTS[place['name']]().strip()}\n\n"
        return f"<!-- from the code: {place['name']} -->\n{content}<!-- end -->\n" if marks else content

    return PLACE.sub(made, text)


def pages_with_parts(docs: Path) -> list[Path]:
    """Pages that have places for parts."""
    pages = (path for path in docs.rglob("*.md") if "_build" not in path.parts)
    return sorted(path for path in pages if PLACE.search(path.read_text(encoding="utf-8")))


def fill(app: Sphinx, docname: str, source: list[str]) -> None:
    """Make the parts of a page when it is read."""
    source[0] = filled(source[0], marks=False)


def read_again(app: Sphinx, *_: Any) -> list[str]:
    """Pages with parts are read each time: the code may say something else by now."""
    return [app.env.path2doc(path) or "" for path in pages_with_parts(Path(app.srcdir))]


def setup(app: Sphinx) -> dict[str, Any]:
    """Fill pages as they are read."""
    app.connect("source-read", fill)
    app.connect("env-get-outdated", read_again)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
