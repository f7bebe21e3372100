"""``braincodec demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from braincodec.cli.options import ShowProgress
from braincodec.cli.output import note, say, say_table


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for what the demo makes.")] = Path(
        "demo-output"
    ),
    progress: ShowProgress = None,
) -> None:
    """Photographs to brain maps, with nothing but this package. The subject is simulated."""
    from braincodec.demo import next_steps, run_demo

    result = run_demo(output, progress=progress, say=note)
    rois = list(next(iter(result.mean_responses.values())))
    rows = [(name, *(f"{row[roi]:+.2f}" for roi in rois)) for name, row in result.mean_responses.items()]
    title = "mean predicted response of each simulated area (z-score)"
    say_table(["photograph", *(f"{roi}>" for roi in rois)], rows, title=title)
    rates = ", ".join(f"{modality} {rate:.1f}" for modality, rate in result.images_per_second.items())
    say(f"images per second: {rates}\n")
    for line in next_steps(result):
        say(line)
