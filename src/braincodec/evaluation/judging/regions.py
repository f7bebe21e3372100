"""Which units belong to which region, overlaps included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.judging.unit_blocks import UnitBlocks
from braincodec.evaluation.scores import ALL_UNITS
from braincodec.responses.checks import ROI_MEMBERSHIP, plain_strings

Regions = dict[str, NDArray[np.bool_]]


def regions_of(units: xr.Dataset, measured: UnitBlocks, asked: Any = None) -> Regions:
    """Membership of every unit in each region that is asked for.

    Parameters
    ----------
    units : Dataset
    measured : UnitBlocks
    asked : sequence of str, or mapping of name to members, optional
        Default: all units together, and each region of the recording. Members are a boolean array (unit,), or for EEG a
        list of channels.

    Raises
    ------
    UnknownNameError, InputValueError
        For a region or channel that there is not, members of another length, or none.
    """
    everything = np.ones(measured.units, bool)
    if isinstance(asked, Mapping):
        return {str(name): _members(name, members, measured) for name, members in asked.items()}
    known: Regions = {ALL_UNITS: everything}
    if ROI_MEMBERSHIP in units:
        membership = units[ROI_MEMBERSHIP].transpose("unit", "roi").values
        names = plain_strings(units["roi"].values).astype(str).tolist()
        known |= {name: membership[:, column] for column, name in enumerate(names)}
    if asked is None:
        return known
    chosen: Sequence[str] = [asked] if isinstance(asked, str) else list(asked)
    for name in chosen:
        if name not in known:
            raise UnknownNameError("roi", name, known)
    return {name: known[name] for name in chosen}


def _members(name: object, members: Iterable[Any], measured: UnitBlocks) -> NDArray[np.bool_]:
    given = np.asarray(list(members))
    if measured.unit_dims == ("unit",):
        if given.shape != measured.unit_shape or given.dtype != bool:
            raise InputValueError(
                f"members of roi {name!r} must be boolean, one for each of {measured.units} units; "
                f"got {given.dtype} of shape {given.shape}"
            )
        if not given.any():
            raise InputValueError(f"roi {name!r} has no units")
        return given
    if not given.size:
        raise InputValueError(f"roi {name!r} has no channels")
    channels = plain_strings(measured.array["channel"].values).astype(str).tolist()
    for channel in given.tolist():
        if channel not in channels:
            raise UnknownNameError("channel", channel, channels, where=f"of roi {name!r}")
    return np.repeat(np.isin(channels, given), measured.unit_shape[1])
