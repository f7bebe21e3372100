"""``braincodec demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from braincodec.cli.options import ShowProgress
from braincodec.cli.output import note, program, say, say_table


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for what the demo makes.")] = Path(
        "demo-output"
    ),
    progress: ShowProgress = None,
) -> None:
    """Photographs to brain maps, a model trained and judged, and images decoded from responses. All simulated."""
    from braincodec.demo import next_steps, run_demo
    from braincodec.demo_training import HONEST

    result = run_demo(output, progress=progress, say=note)
    rois = list(next(iter(result.mean_responses.values())))
    rows = [(name, *(f"{row[roi]:+.2f}" for roi in rois)) for name, row in result.mean_responses.items()]
    title = "mean predicted response of each simulated area (z-score)"
    say_table(["photograph", *(f"{roi}>" for roi in rois)], rows, title=title)
    rates = ", ".join(f"{modality} {rate:.1f}" for modality, rate in result.images_per_second.items())
    say(f"images per second: {rates}\n")
    if result.trained is not None:
        columns = ["area", "correlation>", "95 % interval>", "ceiling>", "of the explainable variance>"]
        stimuli = int(result.trained.scores.table["n_stimuli"].max())
        title = f"a model trained on the simulated subject: accuracy on {stimuli} test stimuli, median over units"
        say_table(columns, result.trained.rows(), title=title)
        say(f"{HONEST}.\n")
    if result.decoded is not None:
        columns = ["direction", "measure", "value>", "95 % interval>", "trivial predictor>"]
        stimuli = int(result.decoded.scores.table["n_stimuli"].max())
        title = f"LEA, a model of both directions, fitted to the simulated subject: {stimuli} test stimuli"
        say_table(columns, result.decoded.rows(), title=title)
        say(f"{result.decoded.honest}.\n")
    for line in next_steps(result, program()):
        say(line)
    if result.decoded is not None:
        say(f"\ndecoded images beside the seen ones: {result.decoded.figure}")
