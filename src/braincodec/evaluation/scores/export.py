"""Scores as JSON and as a LaTeX table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.atomic import atomic_path
from braincodec.evaluation.scores.table import number, plain, records

if TYPE_CHECKING:
    from braincodec.evaluation.scores.scores import Scores

FORMAT, FORMAT_VERSION = "braincodec-scores", 1
LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def to_dict(scores: Scores) -> dict[str, Any]:
    """The table and what is known about it, as JSON can hold it."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "about": plain(scores.about),
        "table": records(scores.table),
    }
    if scores.generalisation is not None:
        content["generalisation"] = records(scores.generalisation)
    return content


def headline(scores: Scores) -> str:
    """One line: what was scored, against what.

    Examples
    --------
    >>> from braincodec.evaluation.scores.scores import Scores
    >>> from braincodec.evaluation.scores.table import make_table
    >>> headline(Scores(make_table([]), about={"name": "ridge", "dataset": {"name": "digit69"}}))
    'ridge on digit69, encoding'
    """
    about = scores.about
    parts = [scores.name + (f" on {about['dataset']['name']}" if about.get("dataset", {}).get("name") else "")]
    parts.append(" and ".join(scores.directions))
    part = about.get("split", {}).get("part", "test")
    if part != "test":
        parts.append(f"on the {part} stimuli, not the test stimuli")
    if about.get("rescale") == "transductive":
        parts.append("rescaled with the test set's own mean and deviation (transductive)")
    if about.get("simulated"):
        parts.append("simulated data")
    return ", ".join(parts)


def to_latex(scores: Scores) -> str:
    """A table with the rules of booktabs; the caption says what it shows."""
    table = scores.table
    columns = {
        "Subject": table["subject"],
        "Direction": table["direction"],
        "Region": table["roi"],
        "Metric": table["metric"].str.replace("_", " "),
        "Stimuli": table["n_stimuli"].map("{:d}".format),
        "Units": table["n_units"].map("{:d}".format),
        "Value": table["value"].map(number),
        "Interval": [f"[{number(a)}, {number(b)}]" for a, b in zip(table.low, table.high, strict=True)],
        "Floor": table["floor"].map(number),
        "Ceiling": table["ceiling"].map(number),
        "Normalised": table["normalised"].map(number),
        "$p$": table["p_value"].map(number),
    }
    if not table["n_units"].any():
        del columns["Units"]
    words = 4
    if table["direction"].nunique() < 2:
        del columns["Direction"]
        words = 3
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape_latex(_caption(scores))}}}",
        rf"\begin{{tabular}}{{{'l' * words}{'r' * (len(columns) - words)}}}",
        r"\toprule",
        " & ".join(columns) + r" \\",
        r"\midrule",
        *(" & ".join(escape_latex(str(cell)) for cell in row) + r" \\" for row in zip(*columns.values(), strict=True)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _caption(scores: Scores) -> str:
    levels = sorted({float(level) for level in scores.table["level"].dropna()})
    interval = (
        f" Intervals of {' / '.join(f'{100 * level:g}' for level in levels)} %, bootstrap over stimuli."
        if levels
        else ""
    )
    return f"{headline(scores)}.{interval}"


def escape_latex(text: str) -> str:
    r"""Text in which nothing is a LaTeX command, on one line.

    Examples
    --------
    >>> print(escape_latex("V1_& 5 %"))
    V1\_\& 5 \%
    """
    return "".join(LATEX.get(character, character) for character in " ".join(text.split()))


def written(text: str, path: str | Path | None, overwrite: bool) -> str:
    """The text, after writing it to `path` where one is given."""
    if path is not None:
        with atomic_path(path, overwrite=overwrite) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return text
