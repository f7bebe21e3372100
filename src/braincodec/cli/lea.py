"""``braincodec lea-god`` and ``braincodec lea-bold5000``: LEA's published inference, one function for both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from braincodec.cli.options import AsJson, Overwrite, ShowProgress, parse_batch_size, parse_names, parse_settings_of
from braincodec.cli.output import note, say, say_json, say_table

if TYPE_CHECKING:
    from braincodec.published_lea import InferenceResult

PREFIX = "lea-"
HELP = (
    "LEA's published inference on {}: decode and encode its test stimuli, judge both directions, draw and report. "
    "Networks come from published checkpoints; what is not given is trained on the subject's training stimuli. "
    "An interrupted run goes on when it is started again."
)
# the public code's steps, some of which let the test set take part
PUBLISHED: dict[str, Any] = {
    "preprocessing": "published", "rescale": "transductive", "alpha": 500.0, "intercept": False,
}  # fmt: skip


def lea_inference(
    context: typer.Context,
    root: Annotated[Path, typer.Option("--root", help="Folder where the data set lies.")],
    subject: Annotated[str, typer.Option("--subject", help="1 to 5 of god; CSI1 to CSI4 of bold5000.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for everything that is made.")],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Folder of a trained model; else it is made of what follows.")
    ] = None,
    autoencoder: Annotated[
        Path | None, typer.Option("--autoencoder", help="Published checkpoint of the subject's fMRI autoencoder.")
    ] = None,
    maskgit: Annotated[
        Path | None, typer.Option("--maskgit", help="Published checkpoint of the token generator.")
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option("--tokenizer", help="That of the image tokenizer, where --maskgit does not hold it.")
    ] = None,
    config: Annotated[
        list[Path] | None,
        typer.Option("--config", "-c", help="A published YAML file of LEA; repeat for the others."),
    ] = None,
    image_embedding: Annotated[
        str | None,
        typer.Option(
            "--image-embedding",
            help="Network that embeds images; default: the published one of open_clip. Offline: efficientnet_lite:0.",
        ),
    ] = None,
    size: Annotated[str, typer.Option("--size", help="Of networks that are trained: small or published.")] = "small",
    preprocessing: Annotated[
        str | None, typer.Option("--preprocessing", help="Scale of patterns: training, or published (see --published).")
    ] = None,
    rescale: Annotated[
        str | None,
        typer.Option("--rescale", help="Of predicted latents: training, none, or transductive (the test set's own)."),
    ] = None,
    alpha: Annotated[
        float | None, typer.Option("--alpha", help="Of the ridge; published: 500. Default: by cross-validation.")
    ] = None,
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="All steps of the public code: --preprocessing published --rescale transductive --alpha 500 and no "
            "intercept. Test stimuli take part in them; the report says so.",
        ),
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting of the model, name=value: autoencoder.epochs=30; repeat."),
    ] = None,
    samples: Annotated[int, typer.Option("--samples", help="Images decoded of each response.", min=1)] = 5,
    metrics: Annotated[str | None, typer.Option("--metrics", help="Names, a,b; default: all of both.")] = None,
    draws: Annotated[int, typer.Option("--draws", help="Bootstrap samples of the stimuli.", min=0)] = 1000,
    permutations: Annotated[int, typer.Option("--permutations", help="For p values.", min=0)] = 1000,
    leakage: Annotated[
        str, typer.Option("--leakage", help="Look for test images among those of training: hash, features or off.")
    ] = "hash",
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same result.", min=0)] = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    dtype: Annotated[
        str, typer.Option("--dtype", help="float32 keeps images the same; bfloat16 is faster, less exact.")
    ] = "float32",
    batch_size: Annotated[str, typer.Option("--batch-size", help="Images embedded at a time, or auto.")] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
    overwrite: Overwrite = False,
    progress: ShowProgress = None,
    as_json: AsJson = False,
) -> None:
    """LEA's published inference; see `HELP`."""
    given: dict[str, Any] = {
        "model": model,
        "autoencoder": autoencoder,
        "maskgit": maskgit,
        "tokenizer": tokenizer,
        "configs": config or None,
        "image_embedding": image_embedding,
        "preprocessing": preprocessing,
        "rescale": rescale,
        "alpha": alpha,
        "metrics": parse_names(metrics),
        "settings": parse_settings_of(settings or []) or None,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if model is None:
        given["size"] = size
    given = (PUBLISHED | given) if published else given
    given |= {"samples": samples, "draws": draws, "permutations": permutations, "leakage": leakage}
    given |= {"seed": seed, "dtype": dtype}
    named = (str(context.info_name).removeprefix(PREFIX), root, subject, output)
    if dry_run:
        from braincodec.published_lea.run import plan_lea_inference

        for line in plan_lea_inference(*named, **given).lines():  # type: ignore[arg-type]
            say(line)
        return
    from braincodec.published_lea import lea_inference as run

    result = run(
        *named,  # type: ignore[arg-type]
        device=device,
        batch_size=parse_batch_size(batch_size),
        overwrite=overwrite,
        progress=progress,
        say=note,
        **given,
    )
    _say_result(result, as_json)


def _say_result(result: InferenceResult, as_json: bool) -> None:
    from braincodec.evaluation.scores.export import headline
    from braincodec.evaluation.scores.table import readable_table

    scores = result.scores
    if as_json:
        say_json({"path": result.path, "plan": dict(result.plan.rows), "scores": scores.table.to_dict("records"),
                  "warnings": scores.about["warnings"]})  # fmt: skip
        return
    table = readable_table(scores.table[scores.table["roi"] == "all"]).drop(columns=["subject", "roi"])
    words = ("direction", "metric", "floor of")
    columns = [name if name in words else f"{name}>" for name in table.columns]
    say_table(columns, table.values.tolist(), title=headline(scores))
    for warning in scores.about["warnings"]:
        note(f"warning: {warning}")
    for name, path in (
        ("images", result.path / "images"),
        ("sheet", result.sheet),
        ("responses", result.responses),
        ("scores", f"{result.path / 'scores.csv'}; regions too"),
        ("figures", result.path / "figures" if result.figures else "none"),
        ("report", result.report),
        ("model", result.model),
    ):
        say(f"{name:<10} {path}")
