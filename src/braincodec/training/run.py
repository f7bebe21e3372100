"""`train`: from settings to trained, scored and stored models."""

from __future__ import annotations

import contextlib
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.artefact import CONFIG, read_config
from braincodec.atomic import atomic_path, write_error
from braincodec.errors import BraincodecError, InputTypeError, InputValueError, MissingExtraError
from braincodec.evaluation.scores import Scores
from braincodec.training.checks import check_names
from braincodec.training.config import TrainConfig
from braincodec.training.data import (
    Piece,
    chosen_subjects,
    in_regions,
    judged_part,
    open_dataset,
    open_recording,
    pieces_of,
    regions_of_anybody,
)
from braincodec.training.folder import REPORT, REPORTS, ResultFolder
from braincodec.training.overrides import with_overrides
from braincodec.training.result import TrainedModel, TrainResult, score_line, scores_table
from braincodec.training.scoring import score_model, with_scores
from braincodec.training.shipped import load_settings

if TYPE_CHECKING:
    from braincodec.datasets import Dataset, Recording
    from braincodec.models.base import Encoder

Say = Callable[[str], None]
TABLE = "scores.csv"
# settings that name a network
NETWORKS = ("backbone", "image_embedding", "perceptual")


def train(
    config: str | Path | Mapping[str, Any] | TrainConfig,
    *,
    overwrite: bool = False,
    progress: bool | None = None,
    allow_import: bool = False,
    say: Say = lambda _: None,
    **overrides: Any,
) -> TrainResult:
    """Load data, train a model, judge it, and save all of it.

    Parameters
    ----------
    config : path, str, mapping or TrainConfig
        A file of settings (YAML or JSON), the name of settings that come with the package, or the settings.
    overwrite : bool
        Replace an earlier result.
    progress : bool, optional
        Show bars; default: when stderr is a terminal.
    allow_import : bool
        Let a file of settings name a network as ``package.module:attribute``, which runs that code.
    say : callable
        Takes one line of text at a time, about what is done.
    **overrides
        Settings in place of those of `config`, such as ``output="out"`` or ``**{"model.folds": 3}``.

    Returns
    -------
    TrainResult
        ``.encoder``, ``.scores`` and ``.path``; ``.models`` where several were trained.

    Raises
    ------
    InputTypeError, InputValueError, UnknownNameError
        When settings or data are not what they must be; before long work.
    OutputError
        When the result exists, or cannot be written.

    Notes
    -----
    Without ``output`` nothing is written. With it, an interrupted call goes on when it is made again: what is finished
    waits in ``<output>.partial``. The result holds ``train.yaml``, all settings; training by it once more gives the
    same model to the bit.

    Examples
    --------
    >>> result = train({"dataset": {"name": "simulated", "options": {"n": 30, "backbone": "gabor:bank",
    ...                                                              "calibration": 16}}, "roi": "V1",
    ...                 "model": {"kind": "linear", "backbone": "gabor:bank", "layers": "scales.*",
    ...                           "pooling": "spatial_mean"},
    ...                 "evaluation": {"draws": 0, "permutations": 0}})
    >>> result.encoder.description.model
    'fmri-simulated-linear'
    """
    resolved = resolve(config, overrides, allow_import=allow_import)
    if resolved.output is not None:
        ResultFolder(Path(resolved.output), resolved, overwrite=overwrite).refuse()
    check_names(resolved)
    dataset = open_dataset(resolved.dataset)
    pieces = _pieces(resolved, dataset, chosen_subjects(dataset, resolved.subject))
    first = next(pieces, None)  # what is wrong with subjects, regions and split shows before anything is written
    if first is None:
        raise InputValueError(f"no subject that was chosen has any of the regions {', '.join(resolved.roi or ())}")
    if resolved.output is None:
        return _train_in_memory(resolved, chain([first], pieces), progress, say)
    with ResultFolder(Path(resolved.output), resolved, overwrite=overwrite) as folder:
        if folder.resumed:
            say(f"an interrupted run goes on: {folder.path}")
        models: list[TrainedModel] = []
        for recording, piece in chain([first], pieces):
            models.append(
                _finished(folder, piece) or _train_and_keep(resolved, recording, piece, folder, progress, say)
            )
        _write_summary(folder.path, resolved, models)
        path = folder.complete()
    several = len(models) > 1
    for model in models:
        model.path = path / model.path.relative_to(folder.path) if model.path else None
        if several:
            model._encoder = None  # read again when asked for: many models need not fit in memory
    report = path / (REPORTS if several else REPORT)
    return TrainResult(resolved, models, path, report if report.exists() else None)


def resolve(
    config: str | Path | Mapping[str, Any] | TrainConfig, overrides: Mapping[str, Any], *, allow_import: bool = False
) -> TrainConfig:
    """Settings from whatever a caller gives, checked and complete; messages name the file."""
    from_file = isinstance(config, str | Path)
    if not from_file and not isinstance(config, Mapping | TrainConfig):
        raise InputTypeError(f"settings are a file, a name or a mapping, not {type(config).__name__}")
    if isinstance(config, TrainConfig):
        values: dict[str, Any] = config.to_dict()
    else:
        values = load_settings(config) if isinstance(config, str | Path) else dict(config)
    if from_file and not allow_import:
        _refuse_code(values.get("model"), str(config))
    try:
        resolved = TrainConfig.parse(with_overrides(values, overrides))
    except (InputValueError, InputTypeError) as error:
        if from_file and "settings: " in str(error):
            raise InputValueError(str(error).replace("settings: ", f"{config}: ", 1)) from None
        raise
    return resolved.model_copy(update={"dataset": _absolute(resolved)})


def _absolute(config: TrainConfig) -> Any:
    """The data set with a root that means the same from every folder."""
    root = config.dataset.root
    if root is None or "://" in root:
        return config.dataset
    return config.dataset.model_copy(update={"root": str(Path(root).expanduser().resolve())})


def _refuse_code(settings: Any, where: str, name: str = "") -> None:
    """Raise where a network is named that would be imported: a file of settings must not run code by itself."""
    from braincodec.features.registry import BACKBONES

    if isinstance(settings, Mapping):
        for key, value in settings.items():
            _refuse_code(value, where, str(key))
    elif isinstance(settings, list | tuple):
        for value in settings:
            _refuse_code(value, where, name)
    elif name in NETWORKS and isinstance(settings, str) and ":" in settings:
        scheme = settings.partition(":")[0]
        if scheme == "module" or scheme not in BACKBONES:
            raise InputValueError(
                f"{where} names the network {settings!r}, which would import and run code. Where that is meant: "
                f"--allow-import, or allow_import=True. Known schemes: {', '.join(BACKBONES)}"
            )


def _pieces(config: TrainConfig, dataset: Dataset, subjects: list[str]) -> Iterator[tuple[Recording, Piece]]:
    """Each model's recording, with its own units only; one subject's data at a time."""
    of_others = regions_of_anybody(config, dataset, subjects)
    for subject in subjects:
        recording = open_recording(config, dataset, subject)
        for piece in pieces_of(config, recording, of_others):
            judged_part(config, recording.split)
            yield in_regions(recording, piece.rois), piece


def _train_in_memory(
    config: TrainConfig, pieces: Iterable[tuple[Recording, Piece]], progress: bool | None, say: Say
) -> TrainResult:
    models = []
    with tempfile.TemporaryDirectory(prefix="braincodec-") as temporary:
        workspace = Path(config.workspace).expanduser() if config.workspace else Path(temporary)
        for recording, piece in pieces:
            models.append(_train_one(config, recording, piece, workspace, progress, say))
    return TrainResult(config, models)


def _train_one(
    config: TrainConfig, recording: Recording, piece: Piece, workspace: Path, progress: bool | None, say: Say
) -> TrainedModel:
    count = len(recording.split.ids("train"))
    units = " x ".join(
        f"{size:,}" for dim, size in recording.responses.sizes.items() if dim in ("unit", "channel", "time")
    )
    say(f"{recording.dataset}, {piece}: {count:,} training stimuli, {units} units; training {config.kind}")
    started = time.monotonic()
    with own_warnings() as notes:
        encoder: Encoder = config.untrained().fit(
            recording, workspace=workspace, device=config.device, batch_size=config.batch_size, progress=progress
        )
    say(f"trained in {time.monotonic() - started:,.0f} s")
    part = judged_part(config, recording.split)
    scores = None if part is None else score_model(encoder, recording, piece, part, config)
    if scores is not None:
        say(score_line(scores))
        notes += scores.about["warnings"]
    return TrainedModel(piece, None, scores, notes, with_scores(encoder, scores, piece, config, notes))


@contextlib.contextmanager
def own_warnings() -> Iterator[list[str]]:
    """Collect what this package warns about: it belongs to the result; other warnings pass."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        yield notes
    for one in caught:
        if one.category.__module__.partition(".")[0] == __package__.partition(".")[0]:
            notes.append(str(one.message))
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def _train_and_keep(
    config: TrainConfig, recording: Recording, piece: Piece, folder: ResultFolder, progress: bool | None, say: Say
) -> TrainedModel:
    model = _train_one(config, recording, piece, folder.workspace, progress, say)
    if model.scores is not None:
        model.scores.save(folder.scores(piece), overwrite=True)
    _draw_curve(folder.curve(piece), model.encoder)
    # last: a piece is finished when its artefact is there
    model.path = model.encoder.save(folder.path / model.encoder.description.model / piece.place, overwrite=True)
    return model


def _finished(folder: ResultFolder, piece: Piece) -> TrainedModel | None:
    path = folder.finished(piece)
    if path is None:
        return None
    scores = Scores.load(folder.scores(piece)) if folder.scores(piece).is_dir() else None
    return TrainedModel(piece, path, scores, read_config(path / CONFIG).description.training.get("warnings", []))


def _draw_curve(path: Path, encoder: Encoder) -> None:
    """How the model's networks were trained, where any were, in a form that figures take, and matplotlib is there."""
    from braincodec.viz import plot_learning_curve, plot_training_curves, save_figure

    with contextlib.suppress(MissingExtraError, InputValueError):
        try:
            figure = plot_learning_curve(encoder.description.training.get("curve") or [])
        except InputValueError:
            figure = plot_training_curves(encoder)
        save_figure(path, figure)


def _write_summary(path: Path, config: TrainConfig, models: list[TrainedModel]) -> None:
    """The reports, and one table of all scores."""
    scored = [model for model in models if model.scores is not None]
    if not scored:
        return
    try:
        with atomic_path(path / TABLE, overwrite=True) as temporary:
            scores_table(scored).to_csv(temporary, index=False)
        for model in scored if config.evaluation.report else []:
            assert model.scores is not None
            place = path / (REPORT if len(models) == 1 else f"{REPORTS}/{model.piece.name}.html")
            model.scores.to_html(place, overwrite=True)
    except BraincodecError:
        raise
    except OSError as error:
        raise write_error(path, error) from error
