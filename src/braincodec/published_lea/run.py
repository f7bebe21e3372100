"""`lea_inference`: LEA's published inference from a data set's folder to scores, images, responses and a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from braincodec import __version__
from braincodec.artefact import CONFIG, read_encoder
from braincodec.atomic import atomic_path
from braincodec.datasets import Recording
from braincodec.decoding.files import image_files
from braincodec.decoding.run import IMAGES, SHEET, TABLE, decode_images
from braincodec.decoding.sheet import write_sheet
from braincodec.decoding.tables import write_table
from braincodec.evaluation import Scores, evaluate
from braincodec.evaluation.judging.predicting import mean_responses
from braincodec.published_lea.figures import draw_figures
from braincodec.published_lea.plan import InferencePlan
from braincodec.published_lea.preparing import DATA, Prepared, prepare
from braincodec.published_lea.recipe import TITLES
from braincodec.published_lea.result import Computed, InferenceResult
from braincodec.published_lea.settings import InferenceSettings
from braincodec.staged_folder import StagedFolder
from braincodec.subjects import Subject, subject_folder
from braincodec.training.run import own_warnings

Say = Callable[[str], None]
MARK, RESPONSES, SCORES, SCORES_TABLE, REPORT, FIGURES = (
    "lea.json", "responses.zarr", "scores", "scores.csv", "report.html", "figures",
)  # fmt: skip


@dataclass(frozen=True)
class Means:
    """Where a run computes and what it tells.

    Attributes
    ----------
    device : str
    batch_size : int or "auto"
    progress : bool, optional
    say : callable
    """

    device: str
    batch_size: int | str
    progress: bool | None
    say: Say


def plan_lea_inference(
    dataset: Literal["god", "bold5000"], root: str | Path, subject: Subject, output: str | Path, **settings: Any
) -> InferencePlan:
    """What `lea_inference` would do with the same arguments; nothing is computed or written."""
    parsed = InferenceSettings.parse({"dataset": dataset, "root": root, "subject": subject, **settings})
    return prepare(parsed, output).plan


def lea_inference(
    dataset: Literal["god", "bold5000"],
    root: str | Path,
    subject: Subject,
    output: str | Path,
    *,
    device: str = "auto",
    batch_size: int | str = "auto",
    overwrite: bool = False,
    progress: bool | None = None,
    say: Say = lambda _: None,
    **settings: Any,
) -> InferenceResult:
    """Decode and encode the test stimuli of a published data set with LEA, judge both directions, and keep all of it.

    Sizes, regions and paths come from the data and the arguments. Networks come from published checkpoints; those that
    are not given are trained on the subject's training stimuli. An interrupted call goes on when it is made again.

    Parameters
    ----------
    dataset : {"god", "bold5000"}
    root : str or Path
        Folder where the data set lies.
    subject : int or str
    output : str or Path
        Folder for the result: the model as in a store, ``images/``, ``sheet.png``, ``responses.zarr``, ``scores/``,
        ``figures/`` and ``report.html``.
    device : str
    batch_size : int or "auto"
        Images in one pass of the network that embeds them.
    overwrite : bool
        Replace an earlier result.
    progress : bool, optional
        Show bars; default: when stderr is a terminal.
    say : callable
        Takes one line of text at a time; the plan comes first.
    **settings
        As `InferenceSettings` explains them: checkpoints, published files, ``preprocessing``, ``rescale``, ``alpha``,
        ``samples``, ``seed`` and others.

    Returns
    -------
    InferenceResult

    Raises
    ------
    MissingFileError, DamagedFileError, UnsafeFileError
        When the data set or a checkpoint is absent or damaged, or asks for code to be run.
    InputTypeError, InputValueError, UnknownNameError
        When settings, subject, checkpoints and voxels do not fit together; before long work.
    OutputError
        When the folder exists or cannot be written.
    """
    parsed = InferenceSettings.parse({"dataset": dataset, "root": root, "subject": subject, **settings})
    StagedFolder(output, MARK, {}, "result", overwrite=overwrite).refuse()
    prepared = prepare(parsed, output)
    for line in prepared.plan.lines():
        say(line)
    means = Means(device, batch_size, progress, say)
    with StagedFolder(output, MARK, _identity(parsed), "result", overwrite=overwrite) as staged:
        if staged.resumed:
            say(f"an interrupted run goes on: {staged.path}")
        found = _compute(prepared, staged, means)
        path = staged.complete()
    return _moved(found, staged.path, path, staged.resumed)


def _identity(settings: InferenceSettings) -> dict[str, Any]:
    """Settings, and which state the files that they name are in."""
    named = [Path(path).expanduser() for path in settings.paths()]
    files = {str(path): [path.stat().st_size, path.stat().st_mtime_ns] for path in named if path.exists()}
    return {"braincodec": __version__, **settings.model_dump(mode="json"), "files": files}


def _compute(prepared: Prepared, staged: StagedFolder, means: Means) -> InferenceResult:
    settings, recording = prepared.settings, prepared.recording
    model, place = _model(prepared, staged, means)
    test = list(recording.split.test)
    files = image_files(test, settings.samples)
    measured = mean_responses(recording, "test")
    rescale = settings.rescale
    options = {"seed": settings.seed, "rescale": rescale, "device": means.device, "dtype": settings.dtype}
    means.say(f"decoding {len(test):,} responses, {settings.samples} image(s) each")
    decoded = decode_images(model, measured, staged.path / IMAGES, files, options, progress=means.progress)
    write_table(staged.path / TABLE, test, files, IMAGES)
    means.say(f"encoding {len(test):,} images")
    responses = _responses(model, prepared, staged.path / RESPONSES, means)
    means.say("scoring both directions")
    computed = Computed(model, responses, _as_stimuli(decoded, test), rescale)
    scores = _scores(computed, prepared, staged.path / SCORES, means)
    seen = _seen(recording, decoded.shape[2:4])
    sheet = write_sheet(staged.path / SHEET, decoded, test, seen, f"{settings.dataset} {settings.subject}")
    figures = draw_figures(scores, responses, measured, seen, staged.path / FIGURES, means.say)
    report = scores.to_html(staged.path / REPORT, overwrite=True)
    images = [[staged.path / IMAGES / name for name in own] for own in files]
    return InferenceResult(
        staged.path, prepared.plan, scores, place, images, staged.path / RESPONSES, sheet, report, figures
    )


def _model(prepared: Prepared, staged: StagedFolder, means: Means) -> tuple[Any, Path]:
    """The model: given, made by an interrupted run, or made now."""
    settings, made = prepared.settings, prepared.made
    if made is None:
        assert settings.model is not None
        return read_encoder(settings.model), Path(settings.model)
    folder = subject_folder(prepared.recording.subject)
    earlier = next((path.parent for path in staged.path.glob(f"*/{folder}/{CONFIG}")), None)
    if earlier is not None:
        return read_encoder(earlier), earlier
    from braincodec.models.lea.model import LEA

    trained = ", ".join(TITLES[network] for network in made.trained())
    means.say(f"training the {trained}, and the alignment" if trained else "fitting the alignment")
    judged: dict[str, Any] = {}
    if settings.preprocessing == "published" and settings.dataset == "bold5000":
        judged["judged_patterns"] = mean_responses(prepared.recording, "test")
    with own_warnings() as notes:
        model = LEA(**made.recipe).fit(
            prepared.recording,
            workspace=staged.workspace,
            device=means.device,
            batch_size=means.batch_size,
            progress=means.progress,
            **judged,
        )
    # so that the model knows its own data set again
    training = model.description.training | {"dataset": {"name": settings.dataset, "options": DATA}}
    training |= {"warnings": notes} if notes else {}
    model.description = model.description.model_copy(update={"training": training})
    return model, model.save(staged.path / model.description.model / folder, overwrite=True)


def _responses(model: Any, prepared: Prepared, path: Path, means: Means) -> Any:
    from braincodec.responses import open_responses

    if not path.exists():
        recording, settings = prepared.recording, prepared.settings
        predicted = model.encode(
            recording.stimuli[list(recording.split.test)],
            rescale="transductive" if settings.rescale == "transductive" else None,
            device=means.device,
            dtype=settings.dtype,
            batch_size=means.batch_size,
            progress=means.progress,
        )
        predicted.bc.to_zarr(path)
    return open_responses(path)


def _as_stimuli(decoded: Any, ids: list[str]) -> Any:
    from braincodec.models.lea.decoding import sample_ids
    from braincodec.stimuli import StimulusSet

    flat = decoded.reshape(-1, *decoded.shape[2:])
    return StimulusSet.from_array(flat, ids=sample_ids(np.array(ids), decoded.shape[1]))


def _scores(computed: Computed, prepared: Prepared, folder: Path, means: Means) -> Scores:
    if folder.is_dir():
        return Scores.load(folder)
    settings = prepared.settings
    scores = evaluate(
        computed,
        prepared.recording,
        metrics=settings.metrics,
        samples=settings.samples,
        draws=settings.draws,
        permutations=settings.permutations,
        leakage=settings.leakage,
        seed=settings.seed,
        rescale="transductive" if settings.rescale == "transductive" else None,
        device=means.device,
        progress=means.progress,
        name=f"LEA, {settings.dataset} subject {settings.subject}",
    )
    judged = scores.about["warnings"]
    known = computed.model.description.training.get("warnings", [])
    known = [note for note in known if not any(note in other for other in judged)]
    scores.about["warnings"] = list(dict.fromkeys([*_remarks(prepared), *known, *judged]))
    scores.about["inference"] = dict(prepared.plan.rows)
    scores.save(folder, overwrite=True)
    with atomic_path(folder.with_name(SCORES_TABLE), overwrite=True) as temporary:
        scores.table.to_csv(temporary, index=False)
    return scores


def _remarks(prepared: Prepared) -> list[str]:
    """What a reader of the scores must know about the model."""
    made = prepared.made
    trained = [] if made is None else [TITLES[network] for network in made.trained()]
    if not trained:
        return []
    return [
        f"trained here, on this subject's training stimuli and not as published: {', '.join(trained)}; "
        "published numbers are those of the published networks"
    ]


def _seen(recording: Recording, size: tuple[int, int]) -> Any:
    """The test images at the size of the decoded ones, the middle of each."""
    from braincodec.image_generators.images import read_images

    return read_images(recording.stimuli[list(recording.split.test)], (int(size[0]), int(size[1])), progress=False)


def _moved(found: InferenceResult, staged: Path, path: Path, resumed: bool) -> InferenceResult:
    """The result under its final name."""

    def there(place: Path) -> Path:
        return path / place.relative_to(staged) if place.is_relative_to(staged) else place

    return InferenceResult(
        path,
        found.plan,
        found.scores,
        there(found.model),
        [[there(image) for image in own] for own in found.images],
        there(found.responses),
        there(found.sheet),
        there(found.report),
        [there(figure) for figure in found.figures],
        resumed,
    )
