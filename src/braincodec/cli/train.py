"""``braincodec train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from braincodec.cli.options import AsJson, Overwrite, ShowProgress, parse_batch_size
from braincodec.cli.output import note, program, say, say_json, say_table, size
from braincodec.errors import InputValueError

if TYPE_CHECKING:
    from braincodec.training import TrainResult
    from braincodec.training.plan import TrainPlan

MOST_MODELS_SHOWN = 60


def train(
    config: Annotated[
        str | None,
        typer.Option("--config", "-c", help="File of settings (YAML or JSON), or the name of one that comes along."),
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Such as nsd, own or simulated.")] = None,
    root: Annotated[Path | None, typer.Option("--root", help="Folder where the data set lies.")] = None,
    dataset_option: Annotated[
        list[str] | None, typer.Option("--dataset-option", help="name=value of the data set's own; may be repeated.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="1, or several: 1,2, or all; a model for each.")
    ] = None,
    roi: Annotated[
        str | None, typer.Option("--roi", help="Units of these regions, V1,V2; each: a model for every region.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Kind: linear, gaussian_fwrf, fwrf, lea.")] = None,
    backbone: Annotated[str | None, typer.Option("--backbone", help="Network, such as timm:resnet50.")] = None,
    layers: Annotated[str | None, typer.Option("--layers", help="Names or wild-cards: blocks.3,blocks.6.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting, name=value: model.folds=3, split.fractions=[.7,.1,.2]; repeat."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Same seed, same model.", min=0)] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for model, scores and report.")] = None,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", help="Keep features and checkpoints here, for other runs too.")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")] = None,
    batch_size: Annotated[str | None, typer.Option("--batch-size", help="Images at a time, or auto.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, how large and how long; write nothing.")
    ] = False,
    show_configs: Annotated[bool, typer.Option("--list", help="List the settings that come along.")] = False,
    show: Annotated[
        str | None, typer.Option("--show", help="Print one of these, to start your own: --show own_template > my.yaml.")
    ] = None,
    overwrite: Overwrite = False,
    allow_import: Annotated[
        bool, typer.Option("--allow-import", help="Let a file of settings name a network by module:attribute.")
    ] = False,
    progress: ShowProgress = None,
    as_json: AsJson = False,
) -> None:
    """Train, score and save a model of a data set. An interrupted run goes on when the command is given again."""
    if show_configs or show is not None:
        _show_configs(show, as_json)
        return
    if config is None and dataset is None:
        raise InputValueError(
            "say what to train on: --dataset NAME (with --root FOLDER) and --model KIND, or --config FILE; "
            "'braincodec train --list' shows the settings that come along"
        )
    overrides: dict[str, Any] = {
        "dataset.name": dataset,
        "dataset.root": root,
        "subject": subject,
        "roi": roi,
        "model.kind": model,
        "model.backbone": backbone,
        "model.layers": None if layers is None else [name.strip() for name in layers.split(",") if name.strip()],
        "seed": seed,
        "output": output,
        "workspace": workspace,
        "device": device,
        "batch_size": None if batch_size is None else parse_batch_size(batch_size),
    }
    overrides = {name: value for name, value in overrides.items() if value is not None} | _pairs(
        dataset_option or [], settings or []
    )
    if dry_run:
        from braincodec.training.plan import plan

        _say_plan(plan(config or {}, allow_import=allow_import, **overrides), as_json)
        return
    from braincodec.training.run import resolve
    from braincodec.training.run import train as run

    resolved = resolve(config or {}, overrides, allow_import=allow_import)
    if resolved.output is None:
        raise InputValueError("name the folder for the result: -o OUT (or output in the settings)")
    result = run(resolved, overwrite=overwrite, progress=progress, say=note)
    _say_result(result, as_json)


def _pairs(options: list[str], settings: list[str]) -> dict[str, Any]:
    """What ``--dataset-option`` and ``--set`` say, by the dotted names of settings."""
    from braincodec.training.overrides import parse_override

    found: dict[str, Any] = {}
    for prefix, texts in (("dataset.options.", options), ("", settings)):
        for text in texts:
            name, value = parse_override(text)
            found[f"{prefix}{name}"] = value
    return found


def _show_configs(name: str | None, as_json: bool) -> None:
    from braincodec.training.shipped import shipped_configs, shipped_text

    if name is not None:
        say(shipped_text(name).rstrip())
        return
    known = shipped_configs()
    if as_json:
        say_json(known)
        return
    say_table(["settings", "for"], known.items())
    say("use one      braincodec train --config NAME --root FOLDER -o OUT")
    say("change one   braincodec train --show NAME > mine.yaml; braincodec train --config mine.yaml -o OUT")


def _say_plan(plan: TrainPlan, as_json: bool) -> None:
    if as_json:
        say_json({**vars(plan), "config": plan.config.to_dict(), "models": [vars(model) for model in plan.models]})
        return
    columns = ["model", "train>", "validation>", "test>", "outputs>", "judged on"]
    rows = [
        (model.name, *(f"{model.stimuli[part]:,}" for part in ("train", "validation", "test")), f"{model.outputs:,}",
         model.judged_on or "nothing")
        for model in plan.models[:MOST_MODELS_SHOWN]
    ]  # fmt: skip
    title = f"{plan.config.kind} on {plan.config.dataset.name}: {len(plan.models)} model(s); nothing was written"
    say_table(columns, rows, title=title)
    if len(plan.models) > MOST_MODELS_SHOWN:
        say(f"and {len(plan.models) - MOST_MODELS_SHOWN} more")
    if plan.features is not None:
        say(f"features      {plan.features:,} of a stimulus, {size(plan.feature_bytes)} for a subject while training")
        say(
            f"extraction    about {_duration(plan.seconds or 0)} a subject, by a probe of a few images; the fit follows"
        )
    say(f"free disk     {size(plan.free_bytes)}")
    for problem in plan.problems:
        note(f"warning: {problem}")


def _duration(seconds: float) -> str:
    """Seconds in words.

    Examples
    --------
    >>> _duration(20), _duration(400), _duration(9000)
    ('20 s', '7 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _say_result(result: TrainResult, as_json: bool) -> None:
    from braincodec.training.result import score_line

    if as_json:
        models = [
            {"subject": model.piece.subject, "rois": model.piece.rois, "path": str(model.path)}
            for model in result.models
        ]
        scores = result.table.to_dict("records")
        say_json({"path": str(result.path), "models": models, "scores": scores, "warnings": result.warnings})
        return
    for warning in result.warnings:
        note(f"warning: {warning}")
    for model in result.models[:MOST_MODELS_SHOWN]:
        words = "not judged: no stimuli are held out" if model.scores is None else score_line(model.scores)
        say(f"{f'{model.piece}: ' if len(result.models) > 1 else 'accuracy      '}{words}")
    if len(result.models) > MOST_MODELS_SHOWN:
        say(f"and {len(result.models) - MOST_MODELS_SHOWN} more, in {result.path}/scores.csv")
    for line in next_steps(result):
        say(line)


def next_steps(result: TrainResult) -> list[str]:
    """Lines that say where everything is and what to type next."""
    from braincodec.training.checks import directions
    from braincodec.training.folder import CURVES

    first, out = result.models[0], result.path
    assert out is not None and first.path is not None
    one = len(result.models) == 1
    model = first.path.relative_to(out).parts[0]
    lines = [f"model         {first.path if one else f'{out}/{model}/ ({len(result.models)} models)'}"]
    if first.scores is not None:
        lines.append(f"scores        {out}/scores.csv, and one folder a model in {out}/scores/")
    if result.report is not None:
        lines.append(f"report        {result.report}")
    if (out / CURVES).is_dir():
        lines.append(f"learning      {out / CURVES}/")
    lines += [f"settings      {out}/train.yaml", ""]
    choice = f" --subject {first.piece.subject}" + (f" --roi {first.piece.roi}" if first.piece.roi and not one else "")
    simulated = " (the subject is simulated: nothing here was measured)" if _simulated(result) else ""
    decodes, name = "decoding" in directions(result.config.kind), program()
    return [
        *lines,
        f"Next{simulated}:",
        f"  {name} encode my-pictures/ --store {out} --model {model}{choice} -o mine.zarr",
        *([f"  {name} decode my-responses.npy --model {out}{choice} -o decoded"] if decodes else []),
        f"  {name} evaluate {out}",
        "in Python:",
        f'  bc.Encoder.load("{first.path if not one else out}").encode("my-pictures")',
    ]


def _simulated(result: TrainResult) -> bool:
    scores = result.models[0].scores
    return bool(scores is not None and scores.about.get("simulated")) or result.config.dataset.name == "simulated"
