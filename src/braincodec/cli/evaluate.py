"""``braincodec evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from braincodec.cli.options import (
    ALL,
    STORE_VARIABLE,
    Anonymous,
    Overwrite,
    ShowProgress,
    open_given_store,
    parse_names,
)
from braincodec.cli.output import note, say, say_json, say_table
from braincodec.errors import InputValueError, MissingFileError, UnknownNameError
from braincodec.subjects import named_subject

if TYPE_CHECKING:
    from braincodec.datasets import Dataset, Recording
    from braincodec.evaluation.scores import Scores
    from braincodec.training.stored import StoredModel


def evaluate(
    predictions: Annotated[
        list[str] | None,
        typer.Argument(
            help="File or folder of predictions, or of a model; one for all subjects, or one for each. "
            "Left out for a model of a store. What 'braincodec train' made knows its own data set.",
            show_default=False,
        ),
    ] = None,
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Such as digit69; an unknown name lists them.")] = "",
    root: Annotated[Path | None, typer.Option("--root", help="Folder where the data set lies.")] = None,
    dataset_option: Annotated[
        list[str] | None, typer.Option("--dataset-option", help="name=value of the data set's own; may be repeated.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="1, or several: 1,2, or all; may be left out where there is one.")
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", "-s", envvar=STORE_VARIABLE, help="Store that --model is in.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Identifier of a model in a store.")] = None,
    direction: Annotated[
        str, typer.Option("--direction", help="Of a model that does both: encoding, decoding, or auto for both.")
    ] = "auto",
    samples: Annotated[
        int, typer.Option("--samples", help="Images decoded from each response; scores are means over them.", min=1)
    ] = 1,
    part: Annotated[str, typer.Option("--part", help="Of the split: test, validation or train.")] = "test",
    metrics: Annotated[
        str | None, typer.Option("--metrics", help="Names, a,b; 'braincodec metrics' lists them.")
    ] = None,
    roi: Annotated[str, typer.Option("--roi", help="Regions, V1,V2, or all.")] = ALL,
    noise_ceiling: Annotated[str, typer.Option("--noise-ceiling", help="How it is estimated, or auto.")] = "auto",
    draws: Annotated[int, typer.Option("--draws", help="Bootstrap samples of the stimuli.", min=0)] = 1000,
    permutations: Annotated[int, typer.Option("--permutations", help="For p values.", min=0)] = 1000,
    level: Annotated[float, typer.Option("--level", help="Of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same numbers.")] = 0,
    leakage: Annotated[
        str, typer.Option("--leakage", help="Look for test images among those of training: hash, features or off.")
    ] = "hash",
    rescale: Annotated[
        str | None,
        typer.Option(
            "--rescale", help="transductive: with the test set's own statistics; not comparable, and said so."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What the predictions are called.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the scores, for 'braincodec report'.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="File for the report.")] = None,
    latex: Annotated[Path | None, typer.Option("--latex", help="File for the table in LaTeX.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json-file", help="File for the scores as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
    overwrite: Overwrite = False,
    progress: ShowProgress = None,
    anonymous: Anonymous = False,
) -> None:
    """Score predictions or a model. Against a data set, with ceilings, intervals, floors and a leakage check."""
    from braincodec.atomic import refuse_existing, refuse_other_folder
    from braincodec.evaluation.scores.storage import SCORES

    trained = [] if dataset or model else _trained(predictions or [], subject, roi)
    if not dataset and not trained:
        _refuse_absent(predictions or [])
        raise InputValueError(f"name the data set with --dataset; {_known_datasets()}")
    for file in (output, html, latex, json_file):
        if file is not None:
            refuse_existing(file, overwrite=overwrite)
    if output is not None:
        refuse_other_folder(output, SCORES, "scores")
    if trained:
        given, recordings, rois = _own_data(trained, root, dataset_option, roi)
    else:
        given, recordings = _given_data(dataset, root, dataset_option, subject, predictions, model, store, anonymous)
        rois = parse_names(roi)
    from braincodec.evaluation import evaluate as score

    scores = score(
        given,
        recordings if len(recordings) > 1 else recordings[0],
        part=cast(Any, part),
        direction=cast(Any, direction),
        samples=samples,
        metrics=parse_names(metrics),
        rois=rois,
        noise_ceiling=noise_ceiling,
        draws=draws,
        permutations=permutations,
        level=level,
        seed=seed,
        leakage=cast(Any, leakage),
        rescale=cast(Any, rescale),
        progress=progress,
        name=name or model,
    )
    _write(scores, output, html, latex, json_file, overwrite)
    _say_scores(scores, as_json)


def _given_data(
    dataset: str,
    root: Path | None,
    dataset_option: list[str] | None,
    subject: str | None,
    predictions: list[str] | None,
    model: str | None,
    store: str | None,
    anonymous: bool,
) -> tuple[Any, list[Recording]]:
    """What is scored, and against which recordings of the data set that was named."""
    from braincodec.datasets.loading import load_dataset

    opened = load_dataset(dataset, root, **dict(_option(text) for text in dataset_option or ()))
    names = _subjects(opened, subject)
    given = _given(predictions or [], model, store, anonymous, names)
    return given, [opened.subject(item) for item in names]


def _trained(predictions: list[str], subject: str | None, roi: str) -> list[StoredModel]:
    """Trained models that know their own data, where the one path given is their folder."""
    if len(predictions) != 1 or not Path(predictions[0]).is_dir():
        return []
    from braincodec.artefact import artefact_folders

    if not artefact_folders(predictions[0]):
        return []
    from braincodec.training.stored import stored_models

    found = stored_models(predictions[0], parse_names(subject), parse_names(roi))
    return found if all(model.dataset for model in found) else []


def _own_data(
    models: list[StoredModel], root: Path | None, dataset_option: list[str] | None, roi: str
) -> tuple[Any, list[Recording], list[str] | None]:
    """Each model, and the recording that it was trained on, with its own units and split; and regions to show."""
    from braincodec.artefact import read_encoder

    if dataset_option:
        raise InputValueError("--dataset-option goes with --dataset; a trained model knows its own")
    of_one = [model.description.roi for model in models if model.description.roi]
    subjects = [str(model.description.subject) for model in models]
    if len(set(subjects)) < len(subjects):
        raise InputValueError(
            f"there are {len(models)} models, one a region: choose one with --roi: {', '.join(dict.fromkeys(of_one))}"
        )
    opened = models[0].open_dataset(root)
    recordings = [model.recording(opened) for model in models]
    encoders = [read_encoder(model.path) for model in models]
    # a model of one region was chosen by it; in others regions are rows of the table
    return encoders if len(encoders) > 1 else encoders[0], recordings, of_one[:1] if of_one else parse_names(roi)


def _refuse_absent(predictions: list[str]) -> None:
    for given in predictions:
        if "://" not in given and not Path(given).exists():
            raise MissingFileError(given, "predictions or model")


def _known_datasets() -> str:
    from braincodec.datasets import DATASETS

    return f"there are {', '.join(DATASETS.names())}"


def _option(text: str) -> tuple[str, Any]:
    """A name and its value: a number, true, false or a list where it reads as one in JSON, else the text itself.

    Examples
    --------
    >>> _option("seed=1"), _option("session=a b")
    (('seed', 1), ('session', 'a b'))
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputValueError(f"--dataset-option takes name=value, got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _subjects(dataset: Dataset, text: str | None) -> list[str]:
    """Names of the subjects to score."""
    known = dataset.subjects()
    if text is None:
        if len(known) == 1:
            return known
        raise InputValueError(
            f"{dataset.name} has {len(known)} subjects: {', '.join(known)}; choose with --subject {known[0]}, or all"
        )
    names = parse_names(text)
    if names is None:
        return known
    found = []
    for name in names:
        meant = named_subject(name, known)
        if meant is None:
            raise UnknownNameError("subject", name, known, where=f"of {dataset.name}")
        found.append(meant)
    return found


def _given(predictions: list[str], model: str | None, store: str | None, anonymous: bool, subjects: list[str]) -> Any:
    """What is scored: one thing for all subjects, or a list with one for each."""
    if bool(predictions) == bool(model):
        raise InputValueError("give predictions (a file, or the folder of a model), or --model NAME of a --store")
    if model:
        opened = open_given_store(store, anonymous)
        encoders = [opened.encoder(model, subject) for subject in subjects]
        return encoders if len(encoders) > 1 else encoders[0]
    if len(predictions) not in (1, len(subjects)):
        raise InputValueError(
            f"{len(predictions)} predictions for {len(subjects)} subjects; give one for all of them, or one for each"
        )
    return list(predictions) if len(predictions) > 1 else predictions[0]


def _write(
    scores: Scores, output: Path | None, html: Path | None, latex: Path | None, json_file: Path | None, overwrite: bool
) -> None:
    if output is not None:
        scores.save(output, overwrite=overwrite)
    if latex is not None:
        scores.to_latex(latex, overwrite=overwrite)
    if json_file is not None:
        scores.to_json(json_file, overwrite=overwrite)
    if html is not None:
        scores.to_html(html, overwrite=overwrite)
    for file in (output, latex, json_file, html):
        if file is not None:
            note(f"wrote {file}")


def _say_scores(scores: Scores, as_json: bool) -> None:
    from braincodec.evaluation.scores.export import headline
    from braincodec.evaluation.scores.table import readable_table

    if as_json:
        say_json(json.loads(scores.to_json()))
        return
    table = readable_table(scores.table)
    words = ("subject", "direction", "roi", "metric", "floor of")
    say_table(
        [name if name in words else f"{name}>" for name in table.columns],
        table.values.tolist(),
        title=headline(scores),
    )
    leakage = scores.about.get("leakage") or {}
    if leakage.get("summary"):
        say(f"leakage check: {leakage['summary']}")
    for metric, reason in (scores.about.get("skipped") or {}).items():
        note(f"skipped {metric}: {reason}")
    for warning in scores.about.get("warnings") or ():
        note(f"warning: {warning}")
