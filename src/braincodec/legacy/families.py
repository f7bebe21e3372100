"""The families of published models that can be run, and where their files lie below a NED, NEST or BERG folder."""

from __future__ import annotations

import abc
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import (
    BraincodecError,
    DamagedFileError,
    InputTypeError,
    MissingFileError,
    OutputError,
    UnknownNameError,
)
from braincodec.legacy.read import read_legacy
from braincodec.models.description import ModelDescription
from braincodec.registry import Registry
from braincodec.responses.checks import ResponseUnits

if TYPE_CHECKING:
    import xarray as xr

    from braincodec.folder import Folder
    from braincodec.models.base import Encoder

MODELS_FOLDER = "encoding_models"
WEIGHTS, METADATA = "encoding_models_weights", "metadata"
ACCURACY_SCORES = ("accuracy_noise_normalised", "accuracy_correlation")
HOW_TO_GET = (
    "copy it from the published data set into the same place "
    "(of BERG it is the public bucket s3://brain-encoding-response-generator)"
)
DATASET = "train_dataset-"
SUBJECT = "_subject-"  # in BERG's names; NED's have "_sub-"
# the occipital word form area has two names in published files
OTHER_SPELLING = {"OWFA": "OVWFA", "OVWFA": "OWFA"}
# shares of variance do not reach this, percentages of at least one unit do
LARGEST_SHARE = 2.0
# what the metadata of a data set that was not published state of their own, under this key
STATED_KEY = "braincodec"
STATED = ("response_units", "simulated", "licence", "citation", "notes", "seed")
# errors that name their file already, or are not the file's fault
_CLEAR = (DamagedFileError, MissingFileError, OutputError)
_BAD_CONTENT = (BraincodecError, KeyError, IndexError, TypeError, ValueError, AttributeError)

FAMILIES = Registry(
    "published model",
    built_in={
        "fmri-nsd-fwrf": "braincodec.legacy.fmri_fwrf:NsdFwRF",
        "eeg-things_eeg_2-vit_b_32": "braincodec.legacy.eeg_vit:ThingsEegViT",
        "fmri-nsd_fsaverage-vit_b_32": "braincodec.legacy.fsaverage_vit:NsdFsaverageViT",
    },
)

# of any data set: folders of a modality with models of a name hold files as those of a published family
FAMILY_OF_LAYOUT = {
    ("fmri", "fwrf"): "fmri-nsd-fwrf",
    ("eeg", "vit_b_32"): "eeg-things_eeg_2-vit_b_32",
    ("fmri", "vit_b_32"): "fmri-nsd_fsaverage-vit_b_32",
}
PUBLISHED_DATASETS = ("nsd", "things_eeg_2", "nsd_fsaverage")


@dataclass(frozen=True)
class Files:
    """What a family found in a folder: regions (or None) by subject."""

    rois_of_subject: dict[int, tuple[str, ...]]

    @property
    def subjects(self) -> list[int]:
        """Subjects with weights, sorted."""
        return sorted(self.rois_of_subject)

    @property
    def rois(self) -> list[str]:
        """Regions that at least one subject has, in the order first found."""
        return list(dict.fromkeys(roi for rois in self.rois_of_subject.values() for roi in rois))


class Family(abc.ABC):
    """One kind of published model below one folder.

    Parameters
    ----------
    folder : Folder
        The NED, NEST or BERG folder.
    """

    model: str  # identifier, modality-dataset-model
    modality: str
    dataset: str
    name: str
    kind: str
    licence: str
    citation: str
    published_subjects: tuple[int, ...]
    published_rois: tuple[str, ...] = ()
    response_units: ResponseUnits
    notes: str = ""
    # whether each region has a model of its own
    one_model_a_roi: bool = False

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.place = f"{MODELS_FOLDER}/modality-{self.modality}/train_dataset-{self.dataset}/model-{self.name}"
        self.files = self._find()

    @classmethod
    def of_dataset(
        cls, dataset: str, name: str | None = None, subjects: tuple[int, ...] = (), rois: tuple[str, ...] = ()
    ) -> type[Family]:
        """A family of the same kind, of a data set that was not published: nothing is known of it but its files.

        Parameters
        ----------
        dataset : str
        name : str, optional
            Of the model; default: as the published one's.
        subjects, rois : tuple
            Known by files other than weights.
        """
        name = name or cls.name
        unknown: dict[str, Any] = {"published_subjects": subjects, "published_rois": rois, "response_units": "unknown"}
        unknown |= {"licence": "", "citation": "", "notes": "", "dataset": dataset, "name": name}
        return type(cls.__name__, (cls,), unknown | {"model": f"{cls.modality}-{dataset}-{name}"})

    @abc.abstractmethod
    def _find(self) -> Files:
        """Subjects and regions whose weights lie in the folder."""

    @abc.abstractmethod
    def load(self, subject: int, roi: str | None = None) -> Encoder:
        """The encoder of one subject (and region, where each has its own model)."""

    @abc.abstractmethod
    def _units_from(self, metadata: dict[str, Any], subject: int, roi: str | None) -> xr.Dataset:
        """See `units_from`; may raise whatever bad content leads to."""

    @abc.abstractmethod
    def _metadata_names(self, subject: int, roi: str | None) -> list[str]:
        """Names that the file of metadata may have, the usual one first."""

    def units_from(self, metadata: dict[str, Any], subject: int, roi: str | None) -> xr.Dataset:
        """The table of units that published metadata describe.

        Raises
        ------
        DamagedFileError
            When they are incomplete or contradict themselves.
        """
        with content_of(f"metadata of {self._title(subject, roi)}"):
            return self._units_from(metadata, subject, roi)

    def metadata(self, subject: int, roi: str | None = None) -> dict[str, Any]:
        """The published metadata, keys unchanged."""
        self.check(subject, roi if self.one_model_a_roi else None)
        self.need_roi(roi)
        what = f"metadata of {self._title(subject, roi)}"
        found = self.read_first(METADATA, self._metadata_names(subject, roi), what)
        if not isinstance(found, dict):
            raise DamagedFileError(f"{what} hold no dictionary but {type(found).__name__}; {HOW_TO_GET}")
        return found

    def rois_of(self, subject: int) -> tuple[str, ...]:
        """Regions that can be asked for, of a subject whose weights are here."""
        return self.files.rois_of_subject[subject]

    def description(
        self, subject: int, training: dict[str, Any], roi: str | None = None, metadata: dict[str, Any] | None = None
    ) -> ModelDescription:
        """Who one trained model of the family is; what its metadata state of their own counts."""
        known = {name: getattr(self, name) for name in ("response_units", "licence", "citation", "notes")}
        stated = (metadata or {}).get(STATED_KEY, {})
        return ModelDescription.parse(
            known
            | {name: stated[name] for name in STATED if name in stated}
            | {
                "model": self.model,
                "modality": self.modality,
                "dataset": self.dataset,
                "subject": subject,
                "roi": roi,
                "training": training,
            }
        )

    def check(self, subject: int, roi: str | None) -> None:
        """Raise `UnknownNameError` for names never published."""
        if subject not in self.published_subjects and subject not in self.files.subjects:
            known_subjects = self.published_subjects or self.files.subjects
            raise UnknownNameError("subject", subject, known_subjects, where=f"of {self.model}")
        known = tuple(dict.fromkeys((*self.published_rois, *self.files.rois)))
        if roi is not None and roi not in known and OTHER_SPELLING.get(roi) not in known:
            raise UnknownNameError("roi", roi, known, where=f"of {self.model}")

    def need_roi(self, roi: str | None) -> None:
        """Raise `InputTypeError` when each region has a model of its own and none is given."""
        if roi is None and self.one_model_a_roi:
            rois = ", ".join(self.files.rois or self.published_rois)
            raise InputTypeError(f"{self.model} has a model for each region: give roi, one of {rois}")

    def _title(self, subject: int, roi: str | None) -> str:
        return f"{self.model} subject {subject}" + (f", roi {roi}" if roi else "")

    def accuracy(self) -> float | None:
        """Median over units of the first subject's best score (over regions, of their medians); None if unknown."""
        subject = self.files.subjects[0]
        known: list[float] = []
        for roi in self.files.rois_of_subject[subject] if self.one_model_a_roi else (None,):
            try:
                units = self.units_from(self.metadata(subject, roi), subject, roi)
            except (MissingFileError, DamagedFileError):
                continue  # asking for that model says what is wrong
            name = next((score for score in ACCURACY_SCORES if score in units), None)
            if name is not None and np.isfinite(units[name].values).any():
                known.append(float(np.nanmedian(units[name].values)))
        return float(np.median(known)) if known else None

    def weight_names(self) -> list[str]:
        """Names of the files in the folder of weights."""
        return self.folder.names(f"{self.place}/{WEIGHTS}")

    def read(self, part: str, name: str, what: str) -> Any:
        """Read one file of the folder `part` safely."""
        return read_legacy(self.folder.local(f"{self.place}/{part}/{name}", what, HOW_TO_GET))

    def read_first(self, part: str, names: list[str], what: str) -> Any:
        """Read the first of several names that exists; the error shows the one spelled as other files here."""
        for name in names:
            if self.folder.is_file(f"{self.place}/{part}/{name}"):
                return self.read(part, name, what)
        here = self.folder.names(f"{self.place}/{part}")
        expected = names[0]
        if any(SUBJECT in name for name in here):
            expected = next((name for name in names if SUBJECT in name), expected)
        raise MissingFileError(self.folder.join(self.place, part, expected), what, HOW_TO_GET)


@contextlib.contextmanager
def content_of(what: str) -> Iterator[None]:
    """Turn what wrong content leads to in the block into one `DamagedFileError` about `what`.

    Examples
    --------
    >>> with content_of("weights of subject 1"):
    ...     {}["coef_"]
    Traceback (most recent call last):
    braincodec.errors.DamagedFileError: weights of subject 1 are damaged or incomplete: 'coef_' is missing; ...
    """
    try:
        yield
    except _CLEAR:
        raise
    except _BAD_CONTENT as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DamagedFileError(f"{what} are damaged or incomplete: {reason}; {HOW_TO_GET}") from error


def as_shares(scores: dict[str, Any]) -> tuple[dict[str, np.ndarray], str]:
    """Shares of variance, and whether the file counted in ``"percent"`` or as ``"fraction"``.

    Examples
    --------
    >>> as_shares({"accuracy_r2": [50.0, 0.5]})
    ({'accuracy_r2': array([0.5  , 0.005], dtype=float32)}, 'percent')
    """
    arrays = {name: np.asarray(values) for name, values in scores.items()}
    percent = any(np.nanmax(values, initial=0) > LARGEST_SHARE for values in arrays.values())
    divisor = 100 if percent else 1
    shares = {name: (values / divisor).astype(np.float32) for name, values in arrays.items()}
    return shares, "percent" if percent else "fraction"


def subject_names(stem: str, subject: int, suffix: str) -> list[str]:
    """A file's names in the two spellings in use: ``sub-01`` (NED) and ``subject-01`` (BERG)."""
    return [f"{stem}_sub-{subject:02d}{suffix}", f"{stem}_subject-{subject:02d}{suffix}"]


def subjects_in(names: list[str], stem: str, suffix: str) -> list[int]:
    """Subject numbers among file names such as ``weights_subject-01.npy``."""
    pattern = re.compile(rf"{re.escape(stem)}_sub(?:ject)?-(\d+){re.escape(suffix)}")
    return sorted({int(match[1]) for name in names if (match := pattern.fullmatch(name))})


def families_in(folder: Folder) -> dict[str, Family]:
    """The families with at least one subject's weights below `folder`, by identifier."""
    kinds = [FAMILIES.get(name) for name in FAMILIES] + list(_of_other_datasets(folder))
    return {family.model: family for kind in kinds if (family := kind(folder)).files.subjects}


def _of_other_datasets(folder: Folder) -> Iterator[type[Family]]:
    """Families as the published ones, of other data sets whose models lie in the same layout."""
    for (modality, name), published in FAMILY_OF_LAYOUT.items():
        place = f"{MODELS_FOLDER}/modality-{modality}"
        for dataset in (one.removeprefix(DATASET) for one in folder.names(place) if one.startswith(DATASET)):
            if dataset not in PUBLISHED_DATASETS and f"model-{name}" in folder.names(f"{place}/{DATASET}{dataset}"):
                yield FAMILIES.get(published).of_dataset(dataset)
