"""fMRI patterns that a model is asked to decode: checked, and brought into the order of its units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from braincodec.datasets.base import DATASETS
from braincodec.errors import InputTypeError, InputValueError
from braincodec.models.training_data import mean_over_repetitions
from braincodec.subjects import plain_subject

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.models.description import ModelDescription

# coordinates that tell units apart, the first that both sides have
IDENTITIES = (("i", "j", "k"), ("hemisphere", "vertex"), ("unit",), ("column",))
# whose voxels are compared with patterns that do not fit
PUBLISHED = ("god", "bold5000")
MOST_NAMED = 5


class Given(NamedTuple):
    """Patterns to decode.

    Parameters
    ----------
    values : array of float32, shape (stimuli, units)
        In the order of the model's units, as measured.
    ids : array of str, shape (stimuli,)
    """

    values: NDArray[np.float32]
    ids: NDArray[Any]


def given_patterns(
    responses: Any, units: xr.Dataset, description: ModelDescription, *, used: NDArray[np.int64] | None = None
) -> Given:
    """Patterns from what a caller gives.

    Parameters
    ----------
    responses : array_like, shape (stimuli, units), or DataArray
        A DataArray has the dimensions (stimulus, unit), or (stimulus, repetition, unit): then repetitions are averaged.
        Where it and the model say which voxel each unit is, units may come in any order, and be more than the model
        has.
    units : xarray.Dataset
        Of the model.
    description : ModelDescription
        Whose model it is.
    used : array of int64, optional
        Units whose values matter; others may be NaN. Default: all.

    Returns
    -------
    Given

    Raises
    ------
    InputTypeError
        For what is not real numbers.
    InputValueError
        For another shape, no pattern, units that do not fit (the message says whose they could be), another subject's
        responses, or NaN (the first units are named).

    Examples
    --------
    >>> from braincodec.models.description import ModelDescription
    >>> units = xr.Dataset({"column": ("unit", [0, 1, 2])})
    >>> about = ModelDescription(model="fmri-test-lea", modality="fmri", dataset="test")
    >>> given_patterns(np.zeros((2, 4)), units, about)
    Traceback (most recent call last):
    braincodec.errors.InputValueError: patterns have 4 voxels; the model of test, subject 1, takes 3
    """
    labelled = responses if isinstance(responses, xr.DataArray) else None
    values = _numbers(responses)
    if labelled is not None:
        values, labelled = _as_table(values, labelled)
    expected = units.sizes["unit"]
    if values.ndim != 2:
        hint = "; one pattern is responses[None]" if values.shape == (expected,) else ""
        raise InputValueError(f"patterns must have shape (stimuli, {expected}), got {values.shape}{hint}")
    if not len(values):
        raise InputValueError(f"there is no pattern to decode: the shape is {values.shape}")
    columns = None if labelled is None else matching_columns(labelled, units, description)
    if columns is not None:
        values = values[:, columns]
    elif values.shape[1] != expected:
        raise _misfit(values.shape[1], expected, description)
    _refuse_not_finite(values, units, used)
    ids = np.arange(len(values)).astype(str)
    if labelled is not None and "stimulus" in labelled.coords:
        ids = labelled["stimulus"].values.astype(str)
    return Given(np.ascontiguousarray(values, np.float32), ids)


def _numbers(responses: Any) -> NDArray[Any]:
    try:
        values = np.asarray(responses)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputTypeError(f"patterns must be numbers, shape (stimuli, voxels): {error}") from None
    if values.dtype.kind not in "fiu":
        raise InputTypeError(f"patterns must be real numbers, not {values.dtype}")
    return values


def _as_table(values: NDArray[Any], labelled: xr.DataArray) -> tuple[NDArray[Any], xr.DataArray]:
    dims = tuple(map(str, labelled.dims))
    if set(dims) - {"repetition"} != {"stimulus", "unit"} or len(set(dims)) != len(dims):
        raise InputValueError(
            f"labelled responses need the dimensions (stimulus, unit), or (stimulus, repetition, unit); got {dims}"
        )
    order = [dims.index(dim) for dim in ("stimulus", "repetition", "unit") if dim in dims]
    values = values.transpose(order)
    if "repetition" in dims:
        values = mean_over_repetitions(values, 1)
        labelled = labelled.isel(repetition=0, drop=True)
    return values, labelled


def matching_columns(
    responses: xr.DataArray, units: xr.Dataset, description: ModelDescription
) -> NDArray[np.int64] | None:
    """Where each unit of the model is among those of labelled responses; None where nothing tells.

    Raises
    ------
    InputValueError
        When responses are of another subject, lack a unit of the model, or have one twice.

    Examples
    --------
    >>> from braincodec.models.description import ModelDescription
    >>> units = xr.Dataset({"column": ("unit", [7, 8])})
    >>> about = ModelDescription(model="fmri-test-lea", modality="fmri", dataset="test")
    >>> responses = xr.DataArray(np.zeros((1, 3)), dims=("stimulus", "unit"), coords={"column": ("unit", [8, 9, 7])})
    >>> matching_columns(responses, units, about).tolist()
    [2, 0]
    """
    _refuse_other_subject(responses, units, description)
    names = next((one for one in IDENTITIES if all(_tells(n, responses) and n in units.variables for n in one)), None)
    if names is None:
        return None
    theirs, ours = (list(zip(*(array[n].values.tolist() for n in names), strict=True)) for array in (responses, units))
    place = {key: column for column, key in enumerate(theirs)}
    missing = [key for key in ours if key not in place]
    if missing:
        if len(theirs) != len(ours):
            raise _misfit(len(theirs), len(ours), description)
        raise InputValueError(
            f"{len(missing):,} of {len(ours):,} units of the model of {_whose(description)} are not among the "
            f"responses, the first is {_named(names, missing[0])}"
        )
    if len(place) != len(theirs):
        repeated = next(key for column, key in enumerate(theirs) if place[key] != column)
        raise InputValueError(f"the unit {_named(names, repeated)} is there more than once; give each once")
    return np.array([place[key] for key in ours], np.int64)


def _tells(name: str, responses: xr.DataArray) -> bool:
    return name in responses.coords and responses[name].dims == ("unit",)


def _refuse_other_subject(responses: xr.DataArray, units: xr.Dataset, description: ModelDescription) -> None:
    if "subject" not in responses.coords or "subject" not in units.variables:
        return
    theirs, ours = (
        {str(plain_subject(one)) for one in np.unique(array["subject"].values).tolist()} for array in (responses, units)
    )
    if theirs.isdisjoint(ours):
        raise InputValueError(
            f"the responses are of subject {', '.join(sorted(theirs))}; the model is of {_whose(description)}"
        )


def _misfit(found: int, expected: int, description: ModelDescription) -> InputValueError:
    others = [name for name in subjects_with(found) if name != _whose(description)]
    hint = f". As many voxels has {' or '.join(others)}" if others else ""
    return InputValueError(
        f"patterns have {found:,} voxels; the model of {_whose(description)}, takes {expected:,}{hint}"
    )


def subjects_with(voxels: int) -> list[str]:
    """Subjects of the published data sets who have so many voxels.

    Examples
    --------
    >>> subjects_with(4404), subjects_with(2787)
    (['god, subject 2'], ['bold5000, subject CSI4'])
    """
    found = []
    for name in PUBLISHED:
        dataset = DATASETS.get(name)
        sizes = {subject: counts.units for subject, counts in dataset.expected.items()}
        sizes |= getattr(dataset, "voxels", {})
        found += [f"{name}, subject {subject}" for subject, units in sizes.items() if units == voxels]
    return found


def _whose(description: ModelDescription) -> str:
    return f"{description.dataset}, subject {description.subject}"


def _refuse_not_finite(values: NDArray[Any], units: xr.Dataset, used: NDArray[np.int64] | None) -> None:
    finite = np.isfinite(values)
    if used is not None:
        finite[:, np.setdiff1d(np.arange(finite.shape[1]), used)] = True
    if finite.all():
        return
    rows, columns = int((~finite).any(1).sum()), np.flatnonzero((~finite).any(0))
    named = "; ".join(unit_name(units, int(column)) for column in columns[:MOST_NAMED])
    more = f" and {len(columns) - MOST_NAMED:,} more" if len(columns) > MOST_NAMED else ""
    raise InputValueError(
        f"{rows:,} of {len(values):,} patterns hold NaN or infinity, in {len(columns):,} "
        f"voxel{'s' if len(columns) > 1 else ''}: {named}{more}. "
        "Fill them in, or leave these patterns out"
    )


def unit_name(units: xr.Dataset, row: int) -> str:
    """What a unit is called in messages.

    Examples
    --------
    >>> unit_name(xr.Dataset({"hemisphere": ("unit", ["left"]), "vertex": ("unit", [34])}), 0)
    'unit 0 (hemisphere left, vertex 34)'
    """
    names = next((one for one in IDENTITIES if all(name in units.variables for name in one)), None)
    if names is None:
        return f"unit {row}"
    return f"unit {row} ({_named(names, [units[name].values[row] for name in names])})"


def _named(names: tuple[str, ...], key: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(names, key, strict=True))
