"""Response arrays: label values with their units, and take the units off again.

In memory every region is one boolean coordinate `roi_<NAME>` on `unit`, so that it is sliced with the units;
in a units Dataset and on disk all regions together are one boolean variable `roi_membership` (unit, roi).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from braincodec.errors import InputTypeError, InputValueError
from braincodec.responses.checks import (
    ROI_MEMBERSHIP,
    ROI_PREFIX,
    check_attrs,
    check_stimulus_ids,
    check_units,
    plain_strings,
)

Coordinates = dict[str, tuple[tuple[str, ...], np.ndarray]]


def build_responses(
    values: npt.ArrayLike,
    stimulus_ids: Iterable[object],
    units: xr.Dataset | None = None,
    **attrs: Any,
) -> xr.DataArray:
    """Label an array of responses.

    Parameters
    ----------
    values : array
        (stimulus, unit), (stimulus, repetition, unit), (stimulus, channel, time) or
        (stimulus, repetition, channel, time). Not copied.
    stimulus_ids : iterable of str
        One unique id for each stimulus.
    units : Dataset, optional
        What each unit is, from `build_units` or `build_sensor_units`. Without it units are only numbered,
        and `values` has the dimensions (stimulus, unit) or (stimulus, repetition, unit).
    **attrs
        Added to the attributes of `units`, such as ``response_units="zscored_within_session"``.

    Returns
    -------
    DataArray
        Named ``responses``.

    Raises
    ------
    InputValueError
        When a shape does not fit its labels, or ids repeat.

    Examples
    --------
    >>> from braincodec.responses import build_units
    >>> units = build_units(ijk=[[0, 0, 1], [2, 0, 0]], rois={"V1": [True, False]})
    >>> responses = build_responses(np.zeros((3, 2), "float32"), ["a", "b", "c"], units)
    >>> responses.dims, responses.roi_V1.values.tolist()
    (('stimulus', 'unit'), [True, False])
    """
    values = np.asarray(values)
    if values.dtype.kind not in "fiub":
        raise InputTypeError(f"responses must be real numbers, not {values.dtype}")
    units = check_units(units) if units is not None else xr.Dataset()
    ids = check_stimulus_ids(stimulus_ids)
    dims = _dims_of(values.shape, units)
    coordinates: dict[str, Any] = {"stimulus": ids}
    if "repetition" in dims and "repetition" not in units.coords:
        coordinates["repetition"] = np.arange(1, values.shape[dims.index("repetition")] + 1)
    coordinates |= units_to_coordinates(units)
    _check_lengths(values.shape, dims, len(ids), units)
    all_attrs = check_attrs({**units.attrs, **attrs}) | {"braincodec_version": package_version()}
    return xr.DataArray(values, dims=dims, coords=coordinates, attrs=all_attrs, name="responses")


def empty_responses(units: xr.Dataset, dtype: npt.DTypeLike = np.float32, **attrs: Any) -> xr.DataArray:
    """A response array of no stimuli: dimensions, coordinates and attributes alone.

    Examples
    --------
    >>> from braincodec.responses import build_sensor_units
    >>> empty_responses(build_sensor_units(["Oz", "Cz"], [0.0, 0.1, 0.2], repetitions=4)).shape
    (0, 4, 2, 3)
    """
    dims = ("unit",) if "unit" in units.sizes else ("repetition", "channel", "time")
    shape = (0, *(units.sizes[dim] for dim in dims if dim in units.sizes))
    return build_responses(np.empty(shape, dtype), [], units, **attrs)


def build_units(
    *,
    ijk: npt.ArrayLike | None = None,
    vertex: npt.ArrayLike | None = None,
    hemisphere: npt.ArrayLike | str | None = None,
    rois: Mapping[str, npt.ArrayLike] | None = None,
    subject: npt.ArrayLike | None = None,
    model_roi: npt.ArrayLike | str | None = None,
    scores: Mapping[str, npt.ArrayLike] | None = None,
    **attrs: Any,
) -> xr.Dataset:
    """Describe voxels, vertices or neurons.

    Parameters
    ----------
    ijk : array, shape (unit, 3), optional
        Voxel indices in the volume.
    vertex : array, shape (unit,), optional
        Vertex numbers in the mesh of `hemisphere`; then give ``space="fsaverage"`` or ``"fsaverage5"``.
    hemisphere : array of {"left", "right"} or one of them, optional
    rois : mapping of name to boolean array (unit,), optional
    subject, model_roi : scalar or array (unit,), optional
        Whose brain, and which region's model predicts the unit.
    scores : mapping of name to array (unit,), optional
        Such as ``ncsnr``, ``noise_ceiling``, ``accuracy_r2``.
    **attrs
        ``space``, ``affine`` (4 x 4), ``volume_shape``, ``response_units``, ``modality``, ``model``, ``simulated``.

    Examples
    --------
    >>> units = build_units(vertex=[5, 9], hemisphere="left", rois={"V1": [True, True]}, space="fsaverage5")
    >>> units.sizes["unit"], units.roi.values.tolist()
    (2, ['V1'])
    """
    variables: dict[str, np.ndarray] = {}
    if ijk is not None:
        indices = _integers("ijk", ijk)
        if indices.ndim != 2 or indices.shape[1] != 3:
            raise InputValueError(f"ijk has shape {indices.shape}; expected (units, 3)")
        variables |= dict(zip("ijk", indices.T, strict=True))
        attrs.setdefault("space", "volume")
    if vertex is not None:
        variables["vertex"] = _integers("vertex", vertex)
    for name, value in (("hemisphere", hemisphere), ("subject", subject), ("model_roi", model_roi)):
        if value is not None:
            variables[name] = np.asarray(value)
    variables |= {name: np.asarray(score) for name, score in (scores or {}).items()}
    members = {name: np.asarray(member) for name, member in (rois or {}).items()}
    lengths = {name: len(array) for name, array in (variables | members).items() if array.ndim}
    if len(set(lengths.values())) != 1:
        raise InputValueError(f"per-unit arrays need one common length, not {lengths or 'none at all'}")
    count = next(iter(lengths.values()))
    data: dict[str, Any] = {name: ("unit", _full(array, count)) for name, array in variables.items()}
    if members:
        for name, member in members.items():
            if member.dtype != bool:
                raise InputTypeError(f"membership of roi {name!r} must be boolean, not {member.dtype}")
        data[ROI_MEMBERSHIP] = (("unit", "roi"), np.stack(list(members.values()), axis=1))
    return check_units(xr.Dataset(data, {"roi": list(members)} if members else None, attrs))


def build_sensor_units(
    channels: Iterable[str],
    times: npt.ArrayLike,
    repetitions: int | None = None,
    scores: Mapping[str, tuple[tuple[str, ...], npt.ArrayLike]] | None = None,
    **attrs: Any,
) -> xr.Dataset:
    """Describe EEG or MEG responses.

    Parameters
    ----------
    channels : iterable of str
    times : array, shape (time,)
        Seconds from stimulus onset.
    repetitions : int, optional
        How many repetitions each stimulus has; without it responses have no `repetition` dimension.
    scores : mapping of name to (dimensions, array), optional
        Such as ``{"accuracy_correlation": (("channel", "time"), array)}``.
    **attrs
        As in `build_units`.

    Examples
    --------
    >>> dict(build_sensor_units(["Oz"], [-0.1, 0.0, 0.1], repetitions=2).sizes)
    {'repetition': 2, 'channel': 1, 'time': 3}
    """
    coordinates: dict[str, Any] = {} if repetitions is None else {"repetition": np.arange(1, repetitions + 1)}
    coordinates |= {"channel": np.asarray(list(channels), str), "time": np.asarray(times, float)}
    return check_units(xr.Dataset(dict(scores or {}), coordinates, {"space": "sensor", **attrs}))


def units_to_coordinates(units: xr.Dataset) -> Coordinates:
    """Coordinates of a response array from a units Dataset; each region becomes one boolean ``roi_<NAME>``.

    Examples
    --------
    >>> from braincodec.responses import build_units
    >>> list(units_to_coordinates(build_units(vertex=[5], hemisphere="left", rois={"V1": [True]}, space="fsaverage")))
    ['vertex', 'hemisphere', 'roi_V1']
    """
    coordinates: Coordinates = {}
    for name, variable in units.variables.items():
        if name not in (ROI_MEMBERSHIP, "roi"):
            coordinates[str(name)] = (tuple(map(str, variable.dims)), plain_strings(variable.values))
    if ROI_MEMBERSHIP in units.variables:
        membership = units[ROI_MEMBERSHIP].transpose("unit", "roi").values
        for column, roi in enumerate(units["roi"].values):
            coordinates[f"{ROI_PREFIX}{roi}"] = (("unit",), membership[:, column])
    return coordinates


def coordinates_to_units(responses: xr.DataArray) -> xr.Dataset:
    """The units Dataset of a response array: the inverse of `units_to_coordinates`, with the attributes.

    Examples
    --------
    >>> from braincodec.responses import build_units
    >>> units = build_units(ijk=[[1, 2, 3]], rois={"V1": [True], "V2": [False]})
    >>> coordinates_to_units(build_responses([[0.5]], ["a"], units)).roi_membership.values.tolist()
    [[True, False]]
    """
    units = xr.Dataset(attrs=responses.attrs)
    members: dict[str, np.ndarray] = {}
    for key, coordinate in responses.coords.items():
        name = str(key)
        if "stimulus" in coordinate.dims:
            continue
        if name.startswith(ROI_PREFIX):
            members[name.removeprefix(ROI_PREFIX)] = coordinate.values
        elif name in responses.dims:
            units = units.assign_coords({name: coordinate.values})
        else:
            units[name] = (coordinate.dims, coordinate.values)
    if members:
        units[ROI_MEMBERSHIP] = (("unit", "roi"), np.stack(list(members.values()), axis=1))
        units = units.assign_coords(roi=np.asarray(list(members), str))
    return units


def package_version() -> str:
    """Version of braincodec that is installed."""
    try:
        return metadata.version("braincodec")
    except metadata.PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"


def _dims_of(shape: tuple[int, ...], units: xr.Dataset) -> tuple[str, ...]:
    if "channel" in units.sizes:
        choices: list[tuple[str, ...]] = [("stimulus", "repetition", "channel", "time")]
        if "repetition" not in units.sizes:
            choices.append(("stimulus", "channel", "time"))
    else:
        choices = [("stimulus", "unit"), ("stimulus", "repetition", "unit")]
    for dims in choices:
        if len(dims) == len(shape):
            return dims
    expected = " or ".join(f"({', '.join(dims)})" for dims in choices)
    raise InputValueError(f"values have shape {shape}; expected {expected}")


def _check_lengths(shape: tuple[int, ...], dims: tuple[str, ...], stimuli: int, units: xr.Dataset) -> None:
    expected = {"stimulus": stimuli, **{str(name): size for name, size in units.sizes.items()}}
    for dim, size in zip(dims, shape, strict=True):
        if expected.get(dim, size) != size:
            source = "ids" if dim == "stimulus" else "labels"
            raise InputValueError(
                f"values have shape {shape} for dimensions ({', '.join(dims)}): "
                f"{size} along {dim}, but {expected[dim]} {source} were given"
            )


def _integers(name: str, values: npt.ArrayLike) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise InputTypeError(f"{name} must be whole numbers, not {array.dtype}")
    return array.astype(np.int32)


def _full(array: np.ndarray, count: int) -> np.ndarray:
    return array if array.ndim else np.full(count, array)
