"""``braincodec report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from braincodec.cli.options import Overwrite
from braincodec.cli.output import say, size


def report(
    scores: Annotated[
        list[Path],
        typer.Argument(
            help="Folders that 'braincodec evaluate -o' wrote; two of the same stimuli are also compared.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file.")] = Path("report.html"),
    title: Annotated[str | None, typer.Option("--title", help="Default: what was scored on what.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Scores as one HTML file. Tables, figures, a cortex to turn, and what every number means; needs no network."""
    from braincodec.atomic import refuse_existing

    refuse_existing(output, overwrite=overwrite)
    from braincodec.errors import InputValueError
    from braincodec.evaluation.scores import Scores
    from braincodec.report import build_report

    models = [Scores.load(folder) for folder in scores]
    comparison, not_compared = None, ""
    if len(models) == 2:
        try:
            comparison = models[0].compare(models[1])
        except InputValueError as error:
            not_compared = str(error)
    page = build_report(models, output, title=title, comparison=comparison, overwrite=overwrite)
    shown = "1 model" if len(models) == 1 else f"{len(models)} models"
    say(f"{page}: report of {shown}, {size(page.stat().st_size)}")
    if not_compared:
        say(f"the two were not compared: {not_compared}")
