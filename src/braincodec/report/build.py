"""Scores to a page: collect what is shown, fill the template, write one file."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec import __version__
from braincodec.atomic import atomic_path, refuse_existing
from braincodec.errors import BraincodecError, InputTypeError, InputValueError
from braincodec.report import figures, provenance
from braincodec.report.cortex import CortexViews, cortex_views, on_cortex
from braincodec.report.gallery import Gallery, gallery
from braincodec.report.generalisation import generalisation_table
from braincodec.report.glossary import Glossary
from braincodec.report.model_card import card_html
from braincodec.report.policy import content_security_policy, script_hash
from braincodec.report.tables import ShownTable, comparison_table, plain_table, score_tables
from braincodec.report.verdict import cautions, leakage_in_words, remarks, tiles, verdict

if TYPE_CHECKING:
    import jinja2

    from braincodec.evaluation.scores import Comparison, Scores

TEMPLATES = "templates"
TITLES = {"encoding": "Encoding: from images to responses", "decoding": "Decoding: from responses to images"}
# of longer reports the first table is open, the others behind their titles
MOST_ROWS_UNFOLDED = 60
# scores of vertices that are shown on the cortex to turn: the first of these that there is
ON_CORTEX = ("correlation", "noise_normalised_accuracy", "r2_correlation", "r2_determination")


@dataclass(frozen=True)
class Block:
    """The tables of one direction."""

    key: str
    title: str
    tables: list[ShownTable]


@dataclass
class Part:
    """Everything that the page shows of one set of scores; `views` are those of each direction alone."""

    key: str
    scores: Scores
    views: list[Scores]
    blocks: list[Block]
    pictures: list[figures.Picture]
    left_out: list[figures.LeftOut]
    cortex: CortexViews | None
    gallery: Gallery | None
    leaking: list[ShownTable]
    generalisation: ShownTable | None

    @property
    def is_long(self) -> bool:
        """Whether the tables of scores together are more than one reads through."""
        return sum(len(table.rows) for block in self.blocks for table in block.tables) > MOST_ROWS_UNFOLDED


def build_report(
    scores: Scores | Sequence[Scores],
    path: str | Path,
    *,
    title: str | None = None,
    comparison: Comparison | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the report: one HTML file that needs no network, no other file and no script to be read.

    Parameters
    ----------
    scores : Scores, or a sequence of Scores
        Of several models each has its own part.
    path : str or Path
        Usually ends in ``.html``; appears whole or not at all.
    title : str, optional
        Default: what was scored on what.
    comparison : Comparison, optional
        Default: that of the two models when two are given and they can be paired.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    Path

    Raises
    ------
    InputTypeError, InputValueError
        When `scores` are none.
    OutputError
        When the file exists, or cannot be written.

    Notes
    -----
    Figures need matplotlib, the cortex nilearn: where they are absent the report is made all the same, and says what
    was left out and how to install it.

    Examples
    --------
    >>> import tempfile
    >>> from braincodec.evaluation.scores import Scores, make_table
    >>> row = {"subject": "1", "roi": "V1", "metric": "correlation", "summary": "median over units", "value": 0.4}
    >>> page = build_report(Scores(make_table([row])), Path(tempfile.mkdtemp()) / "report.html")
    >>> "Content-Security-Policy" in page.read_text(encoding="utf-8")
    True
    """
    path = Path(path)
    given = _checked(scores)
    refuse_existing(path, overwrite=overwrite)
    page = render(given, title=title, comparison=comparison)
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _checked(scores: Scores | Sequence[Scores]) -> list[Scores]:
    from braincodec.evaluation.scores import Scores

    given = [scores] if isinstance(scores, Scores) else list(scores)
    if not given:
        raise InputValueError("a report needs scores, got an empty list")
    for item in given:
        if not isinstance(item, Scores):
            raise InputTypeError(f"a report is made of Scores, not of a {type(item).__name__}")
    return given


def render(scores: Sequence[Scores], *, title: str | None = None, comparison: Comparison | None = None) -> str:
    """The page as text; parameters as of `build_report`."""
    glossary = Glossary()
    not_compared = ""
    if comparison is None and len(scores) == 2:
        try:
            comparison = scores[0].compare(scores[1])
        except InputValueError as error:
            not_compared = str(error)
    parts = [_part(f"model-{place}", item, glossary) for place, item in enumerate(scores, 1)]
    compared = figures.comparison_plans(scores) if comparison is not None else []
    drawn = [figures.draw(plan) for plan in compared]
    views = {part.key: part.cortex for part in parts if part.cortex is not None}
    scripts = ["sort.js", *(["cortex.js"] if views else [])]
    sources = {name: _source(name) for name in scripts}
    hashes = {script_hash(source) for source in sources.values()}
    hashes |= {item for view in views.values() for item in view.script_hashes}
    context: dict[str, Any] = {
        "title": title or _title(scores),
        "simulated": [item.name for item in scores if item.about.get("simulated")],
        "parts": parts,
        "comparison": comparison_table(comparison, glossary) if comparison is not None else None,
        "comparison_pictures": [item for item in drawn if isinstance(item, figures.Picture)],
        "comparison_left_out": [item for item in drawn if isinstance(item, figures.LeftOut)],
        "not_compared": not_compared,
        "glossary": glossary,
        "style": _source("style.css"),
        "scripts": list(sources.values()),
        "cortex": _cortex_data(views),
        "policy": content_security_policy(hashes, compiles_shaders=bool(views)),
        "version": __version__,
        "verdict": verdict,
        "cautions": cautions,
        "remarks": remarks,
        "tiles": tiles,
        "leakage_in_words": leakage_in_words,
        "provenance": provenance,
        "card_html": card_html,
    }
    return _environment().get_template("report.html").render(context)


def _title(scores: Sequence[Scores]) -> str:
    names = " and ".join(dict.fromkeys(item.name for item in scores))
    datasets = " and ".join(dict.fromkeys(item.about.get("dataset", {}).get("name", "") for item in scores))
    return f"{names} on {datasets}" if datasets else names


def _part(key: str, scores: Scores, glossary: Glossary) -> Part:
    views = [scores.of_direction(direction) for direction in scores.directions]
    blocks = [
        Block(f"{view.direction}-" if len(views) > 1 else "", TITLES.get(view.direction, ""), tables)
        for view in views
        if (tables := score_tables(view.table, glossary))
    ]
    drawn = [figures.draw(plan) for view in views for plan in figures.plans(view)]
    left_out = [item for item in drawn if isinstance(item, figures.LeftOut)]
    cortex = None
    variable = next((name for name in ON_CORTEX if name in scores.units), "")
    if variable and on_cortex(scores.units):
        try:
            cortex = cortex_views(scores.units, variable, glossary.title(variable))
        except BraincodecError as error:
            left_out.append(figures.LeftOut("Cortex to turn", str(error)))
    table = scores.generalisation
    return Part(
        key,
        scores,
        views,
        blocks,
        [item for item in drawn if isinstance(item, figures.Picture)],
        left_out,
        cortex,
        gallery(views[-1]),
        _leaking(scores, glossary),
        generalisation_table(table, glossary) if table is not None and len(table) else None,
    )


def _leaking(scores: Scores, glossary: Glossary) -> list[ShownTable]:
    """Pairs of stimuli that the leakage check found, a table for each subject that has any."""
    import pandas as pd

    tables = []
    for subject, pairs in provenance.leaking_pairs(scores):
        title = f"Stimuli on both sides of the split{f', subject {subject}' if subject else ''}"
        tables.append(plain_table(pd.DataFrame(pairs), title, glossary))
    return tables


def _cortex_data(views: dict[str, CortexViews]) -> dict[str, Any] | None:
    """What the page's script puts together: text that views share, and each view's own."""
    if not views:
        return None
    shared = {key: text for view in views.values() for key, text in view.shared.items()}
    pages = {
        f"{part}/{subject}/{hemisphere}": cut
        for part, view in views.items()
        for (subject, hemisphere), cut in view.pages.items()
    }
    return {"shared": shared, "pages": pages}


def _source(name: str) -> str:
    """A file of the templates, as it stands in the page."""
    text = resources.files("braincodec.report").joinpath(TEMPLATES, name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
