"""``braincodec lea-pretrain``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from braincodec.cli.options import ALL, Overwrite, ShowProgress, parse_names, parse_settings_of
from braincodec.cli.output import note, say
from braincodec.errors import InputValueError
from braincodec.staged_folder import PARTIAL

if TYPE_CHECKING:
    from braincodec.datasets import Recording


def lea_pretrain(
    dataset: Annotated[
        list[str], typer.Option("--dataset", "-d", help="Such as god; repeat for several, each with its --root.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the trunk and the embeddings.")],
    root: Annotated[
        list[Path] | None, typer.Option("--root", help="Folder where the data set lies; in the order of --dataset.")
    ] = None,
    dataset_option: Annotated[
        list[str] | None, typer.Option("--dataset-option", help="name=value, of all data sets; may be repeated.")
    ] = None,
    subject: Annotated[str, typer.Option("--subject", help="1, or several: 1,2, or all.")] = ALL,
    roi: Annotated[str, typer.Option("--roi", help="Regions, V1,V2, or all.")] = ALL,
    start: Annotated[
        Path | None, typer.Option("--start", help="Trunk or published checkpoint that training goes on from.")
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", help="small or published; default: that of --start, else small.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any other setting, name=value: epochs=50, hidden=0.75; repeat.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same trunk.", min=0)] = 0,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", help="Keep checkpoints here; default: beside the output.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    overwrite: Overwrite = False,
    progress: ShowProgress = None,
) -> None:
    """Pre-train LEA's fMRI autoencoder: one trunk for many subjects. An interrupted run goes on when given again."""
    from braincodec.atomic import refuse_existing, remove
    from braincodec.models.lea.fmri_autoencoder import FMRIAutoencoderSettings
    from braincodec.models.lea.fmri_autoencoder.pretraining import pretrain_fmri_autoencoder

    refuse_existing(output, overwrite=overwrite)
    given: dict[str, Any] = {"seed": seed, **({} if size is None else {"size": size})}
    parsed = FMRIAutoencoderSettings.parse(given | parse_settings_of(settings or []))
    recordings = _recordings(dataset, root or [], dataset_option or [], subject)
    for one in recordings:
        note(f"{one.dataset}, subject {one.subject}: {len(one.split.train):,} training stimuli, "
             f"{one.units.sizes['unit']:,} units")  # fmt: skip
    place = workspace or output.with_name(f"{output.name}{PARTIAL}")
    started = time.monotonic()
    path = pretrain_fmri_autoencoder(
        recordings,
        output=output,
        settings=parsed,
        rois=parse_names(roi),
        start=start,
        workspace=place,
        device=device,
        overwrite=overwrite,
        progress=progress,
    )
    if workspace is None:
        remove(place)
    say(f"{path}: a trunk of {len(recordings)} recording{'s' if len(recordings) > 1 else ''}, "
        f"{time.monotonic() - started:,.0f} s")  # fmt: skip
    use = f"--model lea --set model.pretrained={path}"
    say("Next:")
    say(f"  braincodec train --dataset {dataset[0]} --root DIR --subject {recordings[0].subject} {use} -o OUT")


def _recordings(names: list[str], roots: list[Path], options: list[str], subject: str) -> list[Recording]:
    from braincodec.datasets import load_dataset
    from braincodec.training.data import chosen_subjects

    if len(roots) not in (0, len(names)):
        raise InputValueError(f"{len(names)} data sets need as many --root, in their order; got {len(roots)}")
    asked = parse_names(subject)
    if asked is not None and len(names) > 1:
        raise InputValueError("--subject chooses among the subjects of one data set; of several, all are taken")
    found = []
    for number, name in enumerate(names):
        opened = load_dataset(name, roots[number] if roots else None, **parse_settings_of(options))
        found += [opened.subject(one) for one in chosen_subjects(opened, (ALL,) if asked is None else asked)]
    return found
