"""``braincodec info``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from braincodec.cli.options import Anonymous, AsJson, StoreAddress, open_given_store
from braincodec.cli.output import note, ranges, say, say_json, say_table
from braincodec.subjects import Subject, sorted_subjects


def info(
    model: Annotated[str, typer.Argument(help="Identifier, such as fmri-nsd-fwrf.")],
    store: StoreAddress = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Whose scores to show; default: the first.")] = None,
    as_json: AsJson = False,
    anonymous: Anonymous = False,
) -> None:
    """Describe a model. Its card, which subjects have which regions, scores, licence, citation, scaling."""
    opened = open_given_store(store, anonymous)
    from braincodec.store.summary import is_remote, model_summary, score_table

    summary = model_summary(opened, model)
    # scores of a model elsewhere are fetched only when a subject is named
    wanted = subject is not None or not is_remote(opened)
    scores = score_table(opened, model, subject) if wanted else []
    if as_json:
        say_json({**summary, "scores": scores})
        return
    _say_card(summary)
    _say_regions(summary["rois_of_subject"])
    _say_scores(scores)
    if not wanted:
        note("scores lie at that address too: --subject 1 fetches them")


def _say_card(summary: dict[str, Any]) -> None:
    rows = [
        ("modality", summary["modality"]),
        ("data set", summary["dataset"]),
        ("kind", summary["kind"]),
        ("responses", summary["scaling"]),
        ("accuracy", summary["accuracy"]),
        ("licence", summary["licence"] or "not stated"),
        ("citation", summary["citation"] or "not stated"),
    ]
    rows += [("simulated", "yes: this subject never existed")] if summary["simulated"] else []
    rows += [("notes", summary["notes"])] if summary["notes"] else []
    say_table(["", ""], rows, title=summary["id"])


def _say_regions(rois_of_subject: dict[Subject, list[str]]) -> None:
    subjects = sorted_subjects(rois_of_subject)
    rois = list(dict.fromkeys(roi for own in rois_of_subject.values() for roi in own))
    if not rois:
        say(f"subjects {ranges(subjects)}; one model of all channels and times each\n")
        return
    rows = [[roi, *("x" if roi in rois_of_subject[subject] else "" for subject in subjects)] for roi in rois]
    say_table(["region", *(f"subject {subject}" for subject in subjects)], rows, title="regions of each subject")


def _say_scores(scores: list[dict[str, Any]]) -> None:
    if not scores:
        return
    names = list(dict.fromkeys(name for row in scores for name in row if name not in ("subject", "roi", "units")))
    rows = [(row["roi"] or "all", row["units"], *(row.get(name) for name in names)) for row in scores]
    title = f"scores of subject {scores[0]['subject']}: median over units" if names else "units"
    say_table(["region", "units>", *(f"{name.replace('_', ' ')}>" for name in names)], rows, title=title)
