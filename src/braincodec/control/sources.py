"""Where responses come from: a store, labelled arrays, or plain arrays of regions. All are read when needed."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.subjects import Subject, plain_subject, sorted_subjects

if TYPE_CHECKING:
    import xarray as xr

    from braincodec.stimuli import StimulusSet
    from braincodec.store import Store

NOISE_CEILING = "noise_ceiling"
EXPECTED = (
    "a store, labelled responses (xarray.DataArray) of one or several subjects, or a mapping of each subject to "
    "labelled responses or to a mapping of region names to arrays (stimuli, units)"
)


@dataclass(frozen=True)
class RegionResponses:
    """The responses of one region of one subject.

    Parameters
    ----------
    subject : int or str
    roi : str
    values : array or DataArray, shape (stimuli, units) or (stimuli, repetitions, units)
        Read a block of rows at a time.
    ids : array of str, shape (stimuli,)
    noise_ceiling : array, shape (units,), optional
        The part of a unit's variance that a model could explain.
    """

    subject: Subject
    roi: str
    values: Any
    ids: NDArray[np.str_]
    noise_ceiling: NDArray[np.float64] | None = None

    @property
    def title(self) -> str:
        """In words."""
        return f"{self.roi} of subject {self.subject}"


class Source(abc.ABC):
    """Responses of subjects' regions to one stimulus set."""

    about: dict[str, Any]

    @abc.abstractmethod
    def subjects(self) -> list[Subject]:
        """Subjects that have responses."""

    @abc.abstractmethod
    def region(self, subject: Subject, roi: str) -> RegionResponses:
        """One region's responses; raises `UnknownNameError` with the regions there are."""

    @abc.abstractmethod
    def rois(self, subject: Subject) -> list[str]:
        """Names of a subject's regions."""

    def images(self) -> StimulusSet:
        """The images behind the responses."""
        raise InputValueError("these responses come as arrays, without their images: give images=, a stimulus set")

    def check_subjects(self, subjects: Subject | list[Subject] | tuple[Subject, ...] | None) -> list[Subject]:
        """The subjects asked for, or all of them."""
        known = self.subjects()
        if subjects is None or (isinstance(subjects, str) and subjects == "all"):
            return known
        asked = [plain_subject(one) for one in (subjects if isinstance(subjects, list | tuple) else [subjects])]
        for one in asked:
            if one not in known:
                raise UnknownNameError("subject", one, known)
        if not asked:
            raise InputValueError(f"no subject was given; there are {', '.join(map(str, known))}")
        return list(dict.fromkeys(asked))


class StoreSource(Source):
    """Generated responses of a store.

    Parameters
    ----------
    store : Store
    model, stimuli : str, optional
        May be left out where there is only one.
    """

    def __init__(self, store: Store, model: str | None, stimuli: str | None) -> None:
        self.store = store
        self._sets = store.response_sets()
        self.model = self._only("model", model)
        self.stimuli = self._only("stimuli", stimuli)
        self._sets = self._sets[(self._sets["model"] == self.model) & (self._sets["stimuli"] == self.stimuli)]
        self.about = {"store": store.address, "model": self.model, "stimuli": self.stimuli}

    def _only(self, what: str, asked: str | None) -> str:
        table = self._sets if what == "model" else self._sets[self._sets["model"] == self.model]
        known = list(dict.fromkeys(table[what]))
        noun = "model with generated responses" if what == "model" else f"stimulus set that {self.model} answered to"
        if asked is not None:
            if asked not in known:
                raise UnknownNameError(noun, asked, known, where=f"in {self.store.address}")
            return asked
        if len(known) != 1:
            raise InputValueError(
                f"{self.store.address} has {len(known) or 'no'} {'models' if what == 'model' else 'stimulus sets'} "
                "with generated responses"
                + (f": choose one of {', '.join(known)}" if known else "; 'braincodec synthesize' makes them")
            )
        return str(known[0])

    def subjects(self) -> list[Subject]:
        """See `Source.subjects`."""
        return sorted_subjects(dict.fromkeys(map(plain_subject, self._sets["subject"])))

    def rois(self, subject: Subject) -> list[str]:
        """See `Source.rois`."""
        own = self._sets[[plain_subject(one) == subject for one in self._sets["subject"]]]
        files = [roi for roi in own["roi"] if roi]
        return files or self._responses(subject, None).bc.rois

    def region(self, subject: Subject, roi: str) -> RegionResponses:
        """See `Source.region`."""
        known = self.rois(subject)
        if roi not in known:
            raise UnknownNameError("roi", roi, known, where=f"of {self.model} subject {subject}")
        return _labelled_region(subject, roi, self._responses(subject, roi))

    def _responses(self, subject: Subject, roi: str | None) -> xr.DataArray:
        found = self.store.responses(self.model, stimuli=self.stimuli, subject=subject, roi=roi)
        _refuse_sensors(found, self.model)
        return found

    def images(self) -> StimulusSet:
        """See `Source.images`."""
        return self.store.stimulus_set(self.stimuli)


class ArraySource(Source):
    """Labelled or plain arrays of each subject.

    Parameters
    ----------
    responses : mapping
        Subject to a labelled array with regions, or to a mapping of region names to arrays.
    """

    def __init__(self, responses: Mapping[Any, Any]) -> None:
        import xarray as xr

        self.about = {}
        self._responses: dict[Subject, Any] = {}
        for subject, given in responses.items():
            if isinstance(given, xr.DataArray):
                _refuse_sensors(given, f"subject {subject}")
                if not given.bc.rois:
                    raise InputValueError(
                        f"the responses of subject {subject} know no regions; give a mapping of region names to arrays"
                    )
            elif not isinstance(given, Mapping) or not given:
                raise InputTypeError(f"responses of subject {subject} are a {type(given).__name__}; give {EXPECTED}")
            self._responses[plain_subject(subject)] = given
        if not self._responses:
            raise InputValueError(f"there are no responses; give {EXPECTED}")

    def subjects(self) -> list[Subject]:
        """See `Source.subjects`."""
        return sorted_subjects(self._responses)

    def rois(self, subject: Subject) -> list[str]:
        """See `Source.rois`."""
        given = self._responses[subject]
        return [str(name) for name in given] if isinstance(given, Mapping) else given.bc.rois

    def region(self, subject: Subject, roi: str) -> RegionResponses:
        """See `Source.region`."""
        known = self.rois(subject)
        if roi not in known:
            raise UnknownNameError("roi", roi, known, where=f"of subject {subject}")
        given = self._responses[subject]
        if not isinstance(given, Mapping):
            return _labelled_region(subject, roi, given.bc.select(roi=roi))
        values = given[roi]
        if hasattr(values, "coords"):
            _refuse_sensors(values, f"{roi} of subject {subject}")
            return _labelled_region(subject, roi, values)
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise InputTypeError(f"responses of {roi} of subject {subject} must be real numbers, not {array.dtype}")
        if array.ndim not in (2, 3) or 0 in array.shape:
            raise InputValueError(
                f"responses of {roi} of subject {subject} need the shape (stimuli, units) or (stimuli, repetitions, "
                f"units), not {array.shape}"
            )
        return RegionResponses(subject, roi, array, np.arange(len(array)).astype(str))


def open_source(responses: Any, model: str | None = None, stimuli: str | None = None) -> Source:
    """Responses in whatever form they come.

    Parameters
    ----------
    responses : Store, path, DataArray or mapping
        A store or where it lies; labelled responses, of several subjects where their units say whose they are; each
        subject's labelled responses, or its regions' arrays; arrays of regions alone are those of subject 1.
    model, stimuli : str, optional
        Of a store; may be left out where there is only one.

    Returns
    -------
    Source

    Raises
    ------
    InputTypeError, InputValueError, UnknownNameError
        When it is nothing of the kind, or what was named is not there.

    Examples
    --------
    >>> open_source({1: {"V1": np.zeros((5, 2)), "V2": np.zeros((5, 3))}}).rois(1)
    ['V1', 'V2']
    """
    import xarray as xr

    from braincodec.store import Store, open_store

    if isinstance(responses, Source):
        return responses
    if isinstance(responses, str | Path):
        responses = open_store(responses)
    if isinstance(responses, Store):
        return StoreSource(responses, model, stimuli)
    if model is not None or stimuli is not None:
        raise InputValueError("model and stimuli choose responses of a store; these come as arrays")
    if isinstance(responses, xr.DataArray):
        return ArraySource(_by_subject(responses))
    if isinstance(responses, Mapping):
        plain = [not isinstance(one, Mapping | xr.DataArray) or _is_one_region(one) for one in responses.values()]
        return ArraySource({1: responses} if plain and all(plain) else responses)
    raise InputTypeError(f"responses are a {type(responses).__name__}; give {EXPECTED}")


def _is_one_region(given: Any) -> bool:
    return hasattr(given, "coords") and not given.bc.rois


def _by_subject(responses: xr.DataArray) -> dict[Subject, xr.DataArray]:
    """One array for each subject that the units name; subject 1 where they name none."""
    if "subject" not in responses.coords:
        return {plain_subject(responses.attrs.get("subject", 1)): responses}
    if responses["subject"].ndim == 0:
        return {plain_subject(responses["subject"].item()): responses}
    names = np.unique(responses["subject"].values).tolist()
    return {plain_subject(name): responses.bc.select(subject=name) for name in names}


def _refuse_sensors(responses: xr.DataArray, whose: str) -> None:
    if "unit" not in responses.dims or "stimulus" not in responses.dims:
        raise InputValueError(
            f"the responses of {whose} have the dimensions ({', '.join(map(str, responses.dims))}); regions are sets "
            "of units, so (stimulus, unit) is needed: of EEG, give channels and times as arrays, {'early': array}"
        )


def _labelled_region(subject: Subject, roi: str, responses: xr.DataArray) -> RegionResponses:
    if not responses.sizes["unit"]:
        raise InputValueError(f"{roi} of subject {subject} has no units")
    dims = [dim for dim in ("stimulus", "repetition", "unit") if dim in responses.dims]
    ceiling = None
    if NOISE_CEILING in responses.coords and responses[NOISE_CEILING].dims == ("unit",):
        ceiling = responses[NOISE_CEILING].values.astype(np.float64)
    if "stimulus" in responses.coords:
        ids = responses["stimulus"].values.astype(str)
    else:
        ids = np.arange(responses.sizes["stimulus"]).astype(str)
    ordered = responses if list(responses.dims) == dims else responses.transpose(*dims)
    return RegionResponses(subject, roi, ordered, ids, ceiling)
