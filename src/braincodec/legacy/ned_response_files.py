"""Which files of NED's published layout hold generated responses."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.legacy.families import PUBLISHED_DATASETS, STATED, STATED_KEY
from braincodec.legacy.generated import PLACES, ROUNDING
from braincodec.legacy.keys import HEMISPHERES
from braincodec.legacy.metadata import metadata_of
from braincodec.legacy.ned_weights import NoNedFormError
from braincodec.responses.coordinates import coordinates_to_units
from braincodec.responses.select import roi_names
from braincodec.subjects import plain_subject

if TYPE_CHECKING:
    import xarray as xr

    from braincodec.models.description import ModelDescription

PLACE = PLACES[0]
DATASET = "synthetic_neural_responses"
REPETITIONS = 4  # in NED's responses of EEG
PLAIN_NAME = re.compile(r"[A-Za-z0-9_.+-]+")


@dataclass(frozen=True)
class NedResponses:
    """One region's responses (or all of a subject's) in NED's layout.

    Attributes
    ----------
    name, metadata_name : str
        Below the folder.
    roi : str or None
    columns : array of int, optional
        Units in the order of the file; None takes all as they are.
    shape : tuple of int
        (stimuli, units) or (stimuli, repetitions, channels, times).
    metadata : dict
        With NED's keys, without labels of stimuli.
    """

    name: str
    metadata_name: str
    roi: str | None
    columns: np.ndarray | None
    shape: tuple[int, ...]
    metadata: dict[str, Any] = field(repr=False)

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return 4 * math.prod(self.shape)


def ned_responses(responses: xr.DataArray, about: ModelDescription, stimuli: str) -> list[NedResponses]:
    """The files that hold `responses` in NED's layout.

    Parameters
    ----------
    responses : DataArray
        Of one subject; may be lazy.
    about : ModelDescription
        Of the model that predicts them.
    stimuli : str
        Name of the stimulus set; NED calls it image set.

    Returns
    -------
    list of NedResponses
        One for each region of voxels, else one.

    Raises
    ------
    NoNedFormError
        With the reason, when NED's layout has no place for such responses.
    """
    place, stem = _place(about, stimuli)
    if responses.dims == ("stimulus", "repetition", "channel", "time"):
        if responses.sizes["repetition"] != REPETITIONS:
            found = responses.sizes["repetition"]
            raise NoNedFormError(f"NED's responses of EEG have {REPETITIONS} repetitions, these have {found}")
        _require_modality(about, "eeg")
        parts: list[tuple[str | None, np.ndarray | None]] = [(None, None)]
    elif responses.dims == ("stimulus", "unit"):
        _require_modality(about, "fmri")
        parts = _surface(responses) if "vertex" in responses.coords else list(_regions(responses, about))
    else:
        raise NoNedFormError(f"NED has no responses over {', '.join(map(str, responses.dims))}")
    units = coordinates_to_units(responses)
    files = []
    for roi, columns in parts:
        own = units if columns is None else units.isel(unit=columns)
        shape = responses.shape if columns is None else (responses.shape[0], len(columns))
        end = stem + (f"_roi-{roi}" if roi else "")
        files.append(
            NedResponses(
                name=f"{place}/{DATASET}_{end}.h5",
                metadata_name=f"{place}/{DATASET}_metadata_{end}.npy",
                roi=roi,
                columns=columns,
                shape=shape,
                metadata=_metadata(own, about),
            )
        )
    return files


def _place(about: ModelDescription, stimuli: str) -> tuple[str, str]:
    """Folder of the files, and what their names say of the subject."""
    subject = plain_subject(about.subject)
    if not isinstance(subject, int):
        raise NoNedFormError(f"NED numbers its subjects, this one is called {subject!r}")
    start = f"{about.modality}-{about.dataset}-"
    name = about.model.removeprefix(start)
    if name == about.model or not name:
        raise NoNedFormError(f"NED names a folder after {start}<model>, and the model is called {about.model!r}")
    for what, text in (("the data set", about.dataset), ("the model", name), ("the stimulus set", stimuli)):
        if not PLAIN_NAME.fullmatch(text):
            raise NoNedFormError(f"NED names a folder after {what}, and {text!r} is no name for one")
    place = f"{PLACE}/modality-{about.modality}/train_dataset-{about.dataset}/model-{name}/imageset-{stimuli}"
    return place, f"sub-{subject:02d}"


def _require_modality(about: ModelDescription, modality: str) -> None:
    if about.modality != modality:
        raise NoNedFormError(f"NED's responses of this shape are of {modality}, these are of {about.modality}")


def _regions(responses: xr.DataArray, about: ModelDescription) -> Iterator[tuple[str, np.ndarray | None]]:
    """Each region with its voxels in C order of the volume, as NED's masks have them."""
    if about.roi is not None:
        members = {about.roi: np.ones(responses.sizes["unit"], bool)}
    else:
        members = {name: responses[f"roi_{name}"].values.astype(bool) for name in roi_names(responses)}
    if not members:
        raise NoNedFormError("NED has a file for each region, and these responses know no region")
    for roi, member in members.items():
        if not PLAIN_NAME.fullmatch(roi):
            raise NoNedFormError(f"NED names a file after the region, and {roi!r} is no name for one")
        columns = np.flatnonzero(member)
        if not len(columns):
            continue
        if all(name in responses.coords for name in "ijk"):
            places = np.stack([responses[name].values[columns] for name in "ijk"])
            order = np.lexsort(places[::-1])
            if (np.diff(places[:, order], axis=1) == 0).all(0).any():
                raise NoNedFormError(f"a voxel of {roi} occurs twice, and NED's masks hold each once")
            columns = columns[order]
        as_they_are = np.array_equal(columns, np.arange(len(member)))
        yield roi, None if as_they_are else columns


def _surface(responses: xr.DataArray) -> list[tuple[str | None, np.ndarray | None]]:
    """All vertices of both hemispheres: the form that BERG's metadata describe."""
    sides = [responses["hemisphere"].values == name for name in HEMISPHERES.values()]
    expected = np.concatenate([np.arange(int(side.sum())) for side in sides])
    first = int(sides[0].sum())
    complete = sides[0][:first].all() and np.array_equal(responses["vertex"].values, expected)
    if not complete or responses.attrs.get("space") != "fsaverage":
        raise NoNedFormError("of the cortical surface there is a form for all vertices of fsaverage only")
    return [(None, None)]


def _metadata(units: xr.Dataset, about: ModelDescription) -> dict[str, Any]:
    """NED's keys; for data sets that NED does not have, also what it states of its own once and for all."""
    found = metadata_of(units, about.training)
    if "vertex" in units:
        for side, hemisphere in HEMISPHERES.items():
            count = int((units["hemisphere"].values == hemisphere).sum())
            found["fmri"].setdefault(f"{side}_ncsnr", np.full(count, np.nan, np.float32))
            found["fmri"].setdefault(f"{side}_fsaverage_rois", {})
    if about.simulated or about.dataset not in PUBLISHED_DATASETS:
        found[STATED_KEY] = {name: getattr(about, name) for name in STATED}
    rounding = {name: value for name, value in units.attrs.items() if name.startswith(ROUNDING)}
    if rounding:  # single precision holds what half precision had left
        found[STATED_KEY] = found.get(STATED_KEY, {}) | rounding
    return found
