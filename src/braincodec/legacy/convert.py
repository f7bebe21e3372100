"""Folders of NED, NEST or BERG turned into artefacts."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from braincodec.errors import BraincodecError, InputValueError, OutputError, UnknownNameError
from braincodec.folder import Folder, LocalFolder, open_folder
from braincodec.legacy.families import MODELS_FOLDER, WEIGHTS, Family, families_in
from braincodec.legacy.generated import PLACES
from braincodec.subjects import Subject, subject_folder

if TYPE_CHECKING:
    from braincodec.models.base import Encoder

Outcome = Literal["pending", "converted", "kept", "skipped", "failed"]
# beyond the file itself: the components kept, twice (in memory and on their way to the disk), and one layer at a time
EXTRA_BYTES_WHILE_READING = 10**9
SUBJECT_IN_NAME = re.compile(r"_sub(?:ject)?-(\d+)(?:_roi-(.+?)(?:_split-\d+)?)?\.")
ACCURACY_PLOTS = "encoding_models_accuracy"


@dataclass(frozen=True)
class Conversion:
    """What became of one published model, or of something else that lies in the folder.

    Attributes
    ----------
    name : str
        Identifier of the model, or the path inside the folder of what is no model that can be read.
    subject : int, str or None
    roi : str or None
        For models fitted one per region.
    outcome : str
        ``"converted"``, ``"kept"`` (finished by an earlier run), ``"skipped"`` or ``"failed"``; ``"pending"`` before.
    reason : str
        Why it was skipped or failed, or what the artefact lacks.
    artefact : Path or None
        Folder of the artefact.
    source_bytes : int or None
        Size of the files that are read; None at an address.
    seconds : float
    """

    name: str
    subject: Subject | None = None
    roi: str | None = None
    outcome: Outcome = "pending"
    reason: str = ""
    artefact: Path | None = None
    source_bytes: int | None = None
    seconds: float = 0.0

    @property
    def title(self) -> str:
        """Model, subject and region in words."""
        parts = [self.name, f"subject {self.subject}" if self.subject is not None else "", self.roi or ""]
        return " ".join(part for part in parts if part)

    @property
    def peak_bytes(self) -> int | None:
        """Memory that reading may need at its peak: the files and 1 GB."""
        return None if self.source_bytes is None else self.source_bytes + EXTRA_BYTES_WHILE_READING


def plan_conversion(
    source: str | Path,
    target: str | Path,
    *,
    models: Sequence[str] | None = None,
    subjects: Sequence[Subject] | None = None,
    rois: Sequence[str] | None = None,
) -> list[Conversion]:
    """What `convert_folder` would do: pending models first, then what is skipped and why.

    Parameters and errors are those of `convert_folder`; nothing is read but names and sizes.
    """
    folder = open_folder(source)
    families = _families(folder, source)
    _check_names(families, models, subjects, rois)
    jobs = [
        job for family in families.values() if models is None or family.model in models for job in _jobs(family, target)
    ]
    chosen = [
        job
        for job in jobs
        if (subjects is None or job.subject in subjects) and (rois is None or job.roi is None or job.roi in rois)
    ]
    everything = models is None and subjects is None and rois is None
    return chosen + (list(_left_out(folder, families)) if everything else [])


def convert_folder(
    source: str | Path,
    target: str | Path,
    *,
    models: Sequence[str] | None = None,
    subjects: Sequence[Subject] | None = None,
    rois: Sequence[str] | None = None,
    overwrite: bool = False,
    on_start: Callable[[Conversion], None] = lambda _: None,
    on_end: Callable[[Conversion], None] = lambda _: None,
) -> list[Conversion]:
    """Turn the published models below a NED, NEST or BERG folder into artefacts of a braincodec store.

    Each artefact appears whole or not at all; those that an earlier run finished are kept, so an interrupted
    conversion goes on when it is called again. A file that is damaged or absent fails alone.

    Parameters
    ----------
    source : str or Path
        The folder, or an address that fsspec understands.
    target : str or Path
        The store; artefacts are written to ``<target>/<model>/subject-01[/roi-V1]``.
    models, subjects, rois : sequence, optional
        Only these; regions restrict the models that have one network for each region.
    overwrite : bool
        Convert again what is already there.
    on_start, on_end : callable
        Called with each `Conversion` before and after.

    Returns
    -------
    list of Conversion
        One for each model, and one for each thing in the folder that was left out.

    Raises
    ------
    MissingFileError, InputValueError
        When `source` is no such folder.
    UnknownNameError
        When a model, subject or region is not in the folder.
    OutputError
        When `target` cannot be written; what was finished before stays.

    Notes
    -----
    Reading a published file may take its own size and 1 GB more in memory, once for each model; `Conversion.peak_bytes`
    says how much. The artefact holds only what is used (the 250 components of an EEG model, for instance).

    Examples
    --------
    >>> import tempfile
    >>> convert_folder(tempfile.mkdtemp(), "artefacts")
    Traceback (most recent call last):
    braincodec.errors.InputValueError: ... holds no encoding_models/ ...
    """
    plan = plan_conversion(source, target, models=models, subjects=subjects, rois=rois)
    families = _families(open_folder(source), source)
    done = []
    for job in plan:
        if job.outcome == "pending":
            on_start(job)
            job = _convert(families[job.name], job, overwrite)
        on_end(job)
        done.append(job)
    return done


def artefact_place(model: str, subject: Subject, roi: str | None = None) -> str:
    """Where a model's artefact lies in a store.

    Examples
    --------
    >>> artefact_place("fmri-nsd-fwrf", 1, "V1")
    'fmri-nsd-fwrf/subject-01/roi-V1'
    """
    return f"{model}/{subject_folder(subject)}" + (f"/roi-{roi}" if roi else "")


def _families(folder: Folder, source: str | Path) -> dict[str, Family]:
    if MODELS_FOLDER not in folder.names():
        held = ", ".join(folder.names()[:10]) or "nothing"
        raise InputValueError(
            f"{source} holds no {MODELS_FOLDER}/, as the folder of NED, NEST or BERG does; it holds {held}"
        )
    return families_in(folder)


def _check_names(
    families: dict[str, Family],
    models: Sequence[str] | None,
    subjects: Sequence[Subject] | None,
    rois: Sequence[str] | None,
) -> None:
    chosen = [family for family in families.values() if models is None or family.model in models]
    known: dict[str, tuple[Sequence[object] | None, Sequence[object]]] = {
        "model": (models, list(families)),
        "subject": (subjects, sorted({subject for family in chosen for subject in family.files.subjects})),
        "roi": (
            rois,
            list(dict.fromkeys(roi for family in chosen if family.one_model_a_roi for roi in family.files.rois)),
        ),
    }
    for what, (asked, choices) in known.items():
        for name in asked or ():
            if name not in choices:
                raise UnknownNameError(what, name, choices, where="in the folder")


def _jobs(family: Family, target: str | Path) -> Iterator[Conversion]:
    for subject, rois in family.files.rois_of_subject.items():
        for roi in rois if family.one_model_a_roi else (None,):
            yield Conversion(
                family.model,
                subject,
                roi,
                artefact=Path(target) / artefact_place(family.model, subject, roi),
                source_bytes=_source_bytes(family, subject, roi),
            )


def _source_bytes(family: Family, subject: int, roi: str | None) -> int | None:
    """Size of the weight files of one model: its own, and those that all subjects share."""
    if not isinstance(family.folder, LocalFolder):
        return None
    total = 0
    for name in family.weight_names():
        match = SUBJECT_IN_NAME.search(name)
        if match is None or (int(match[1]) == subject and match[2] == roi):
            total += family.folder.local(f"{family.place}/{WEIGHTS}/{name}").stat().st_size
    return total


def _convert(family: Family, job: Conversion, overwrite: bool) -> Conversion:
    assert job.artefact is not None and isinstance(job.subject, int), "a pending job has both"
    if job.artefact.exists() and not overwrite:
        return replace(job, outcome="kept")
    started = time.monotonic()
    try:
        encoder = family.load(job.subject, job.roi)
        encoder.save(job.artefact, overwrite=overwrite)
    except OutputError:
        raise
    except BraincodecError as error:
        return replace(job, outcome="failed", reason=str(error))
    return replace(job, outcome="converted", reason=_lacking(encoder), seconds=time.monotonic() - started)


def _lacking(encoder: Encoder) -> str:
    placed = {"i", "vertex", "channel"} & {*encoder.units.variables}
    return "" if placed else "no metadata file: its units have no position and no scores"


def _left_out(folder: Folder, families: dict[str, Family]) -> Iterator[Conversion]:
    """What lies in the folder and is not converted."""
    places = {family.place: family for family in families.values()}
    for modality in folder.names(MODELS_FOLDER):
        for dataset in folder.names(f"{MODELS_FOLDER}/{modality}"):
            for model in folder.names(f"{MODELS_FOLDER}/{modality}/{dataset}"):
                place = f"{MODELS_FOLDER}/{modality}/{dataset}/{model}"
                if place in places:
                    yield from _left_out_of(folder, places[place])
                else:
                    readable = ", ".join(families) or "none here"
                    yield Conversion(place, outcome="skipped", reason=f"no reader for this model; readable: {readable}")
    for place in PLACES:
        if folder.names(place):
            yield Conversion(
                place,
                outcome="skipped",
                reason="generated responses are read where they are: open_store(this folder); "
                "'braincodec responses export --to store' brings them into a store",
            )


def _left_out_of(folder: Folder, family: Family) -> Iterator[Conversion]:
    for name in family.weight_names():
        match = SUBJECT_IN_NAME.search(name)
        if match and int(match[1]) not in family.files.rois_of_subject:
            yield Conversion(f"{family.place}/{WEIGHTS}/{name}", outcome="skipped", reason="no such published name")
    if ACCURACY_PLOTS in folder.names(family.place):
        reason = "pictures; the scores themselves come along in units.nc"
        yield Conversion(f"{family.place}/{ACCURACY_PLOTS}", outcome="skipped", reason=reason)
