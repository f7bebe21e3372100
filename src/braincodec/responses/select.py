"""Choosing units, channels and times of a response array: pure functions, the array is never changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.responses.checks import ROI_PREFIX
from braincodec.subjects import Subject, plain_subject

Names = str | Sequence[str]
Subjects = Subject | Sequence[Subject]
TimeWindow = tuple[float | None, float | None]

HEMISPHERE_NAMES = {"left": "left", "right": "right", "lh": "left", "rh": "right"}


def select(
    responses: xr.DataArray,
    *,
    roi: Names | None = None,
    model_roi: Names | None = None,
    subject: Subjects | None = None,
    hemisphere: str | None = None,
    channel: Names | None = None,
    time: TimeWindow | None = None,
    deduplicate: bool = False,
) -> xr.DataArray:
    """The responses that meet every condition.

    Parameters
    ----------
    responses : DataArray
    roi : str or sequence of str, optional
        One region, or the union of several. Each unit is kept once where its identity is known: subject with
        i, j, k, or subject with hemisphere and vertex. Units predicted by two models (`model_roi` differs) stay two.
    model_roi, subject, hemisphere : optional
        Units of these models, subjects, or of the hemisphere "left" ("lh") or "right" ("rh").
    channel : str or sequence of str, optional
        In the order asked for.
    time : (start, stop), optional
        Seconds, both ends included; None leaves an end open.
    deduplicate : bool
        Keep only the first of the units that predict the same voxel or vertex, whichever model they come from.

    Returns
    -------
    DataArray
        Lazy when `responses` is.

    Raises
    ------
    UnknownNameError
        With near names, when a name is none of the array's.
    InputValueError
        When the array lacks the coordinate, or nothing lies in the time window.

    Examples
    --------
    >>> from braincodec.responses import build_responses, build_units
    >>> rois = {"V1": [True, True, False], "early": [False, True, True]}
    >>> responses = build_responses([[0.0, 1.0, 2.0]], ["a"], build_units(ijk=np.eye(3, dtype=int), rois=rois))
    >>> select(responses, roi="V1").values.tolist(), select(responses, roi=["V1", "early"]).sizes["unit"]
    ([[0.0, 1.0]], 3)
    """
    if any(condition is not None for condition in (roi, model_roi, subject, hemisphere)) or deduplicate:
        keep = _unit_conditions(responses, roi, model_roi, subject, hemisphere)
        if roi is not None or deduplicate:
            keep &= first_of_each(unit_identity(responses, by_model=not deduplicate), among=keep)
        responses = responses.isel(unit=np.flatnonzero(keep))
    if channel is not None:
        responses = _select_channels(responses, channel)
    if time is not None:
        responses = _select_times(responses, time)
    return responses


def roi_names(responses: xr.DataArray) -> list[str]:
    """Regions that the units know about, in their order."""
    return [str(name).removeprefix(ROI_PREFIX) for name in responses.coords if str(name).startswith(ROI_PREFIX)]


def roi_membership(responses: xr.DataArray) -> xr.DataArray:
    """Which unit lies in which region: boolean, dimensions (unit, roi).

    Examples
    --------
    >>> from braincodec.responses import build_responses, build_units
    >>> units = build_units(ijk=[[0, 0, 0], [0, 0, 1]], rois={"V1": [True, False], "V2": [True, True]})
    >>> roi_membership(build_responses([[1.0, 2.0]], ["a"], units)).values.tolist()
    [[True, True], [False, True]]
    """
    require_dimension(responses, "unit", "regions")
    names = roi_names(responses)
    membership = np.zeros((responses.sizes["unit"], len(names)), bool)
    for column, name in enumerate(names):
        membership[:, column] = responses[ROI_PREFIX + name].values
    coordinates = {"roi": np.asarray(names, str)}
    return xr.DataArray(membership, dims=("unit", "roi"), coords=coordinates, name="roi_membership")


def unit_identity(responses: xr.DataArray, *, by_model: bool = True) -> np.ndarray | None:
    """A table (unit, columns) whose equal rows are the same voxel or vertex; None where identity is not known.

    Parameters
    ----------
    responses : DataArray
    by_model : bool
        Tell units of different models (`model_roi`) apart.
    """
    has = responses.coords.__contains__
    if all(has(name) for name in "ijk"):
        names = ["i", "j", "k"]
    elif has("vertex") and has("hemisphere"):
        names = ["hemisphere", "vertex"]
    else:
        return None
    names += ["subject"] if has("subject") else []
    names += ["model_roi"] if by_model and has("model_roi") else []
    columns = [np.unique(responses[name].values, return_inverse=True)[1] for name in names]
    return np.stack(columns, axis=1)


def first_of_each(identity: np.ndarray | None, among: np.ndarray) -> np.ndarray:
    """Boolean mask of the first unit of each identity among the units marked in `among`."""
    if identity is None:
        return among
    candidates = np.flatnonzero(among)
    first = np.unique(identity[candidates], axis=0, return_index=True)[1]
    mask = np.zeros(len(among), bool)
    mask[candidates[first]] = True
    return mask


def require_dimension(responses: xr.DataArray, dim: str, what: str) -> None:
    """Raise when the responses lack a dimension that `what` needs."""
    if dim not in responses.dims:
        raise InputValueError(
            f"{what} need the dimension {dim!r}; these responses have {', '.join(map(str, responses.dims))}"
        )


def known_names(what: str, asked: object, choices: Iterable[object]) -> list[Any]:
    """What was asked for as a list; every element must be among `choices`."""
    names, choices = _listed(asked), list(choices)
    if not names:
        raise InputValueError(f"no {what} given; available: {', '.join(map(str, choices)) or 'none'}")
    for name in names:
        if name not in choices:
            raise UnknownNameError(what, name, choices)
    return names


def _listed(asked: object) -> list[Any]:
    return [asked] if isinstance(asked, str) or not isinstance(asked, Iterable) else list(asked)


def _unit_conditions(
    responses: xr.DataArray,
    roi: Names | None,
    model_roi: Names | None,
    subject: Subjects | None,
    hemisphere: str | None,
) -> np.ndarray:
    require_dimension(responses, "unit", "roi, model_roi, subject, hemisphere and deduplicate")
    keep = np.ones(responses.sizes["unit"], bool)
    if roi is not None:
        names = known_names("roi", roi, roi_names(responses))
        keep &= np.logical_or.reduce([responses[ROI_PREFIX + name].values for name in names])
    if hemisphere is not None:
        hemisphere = HEMISPHERE_NAMES[known_names("hemisphere", hemisphere, HEMISPHERE_NAMES)[0]]
        if "hemisphere" not in responses.coords:
            raise InputValueError("these responses do not know the hemisphere of their units")
        keep &= responses["hemisphere"].values == hemisphere
    for name, asked in (("model_roi", model_roi), ("subject", subject)):
        if asked is not None:
            if name not in responses.coords:
                raise InputValueError(f"these responses do not know the {name} of their units")
            values, place = np.unique(responses[name].values, return_inverse=True)
            present = values.tolist()
            if name == "subject":  # the same one as a number and as that number's text
                present, asked = list(map(plain_subject, present)), list(map(plain_subject, _listed(asked)))
            wanted = known_names(name, asked, present)
            keep &= np.array([one in wanted for one in present], bool)[place]
    return keep


def _select_channels(responses: xr.DataArray, channel: Names) -> xr.DataArray:
    require_dimension(responses, "channel", "channels")
    present = responses["channel"].values.tolist()
    return responses.isel(channel=[present.index(name) for name in known_names("channel", channel, present)])


def _select_times(responses: xr.DataArray, window: TimeWindow) -> xr.DataArray:
    require_dimension(responses, "time", "time windows")
    times = responses["time"].values
    start, stop = (times.min() if window[0] is None else window[0]), (times.max() if window[1] is None else window[1])
    inside = np.flatnonzero((times >= start) & (times <= stop))
    if not len(inside):
        raise InputValueError(
            f"no sample between {start:g} s and {stop:g} s; times run {times.min():g} to {times.max():g} s"
        )
    # a slice keeps the read of a lazy array contiguous
    return responses.isel(time=slice(int(inside[0]), int(inside[-1]) + 1))
