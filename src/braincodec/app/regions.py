"""Parts of a response that are looked at one by one: regions of units, groups of EEG channels."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from braincodec.app.scalp import channel_groups
from braincodec.responses.checks import ROI_PREFIX
from braincodec.responses.select import roi_names

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

ALL = ""


@dataclass(frozen=True, eq=False)
class Regions:
    """Which values of a response belong to which region.

    Attributes
    ----------
    names : tuple of str
        The first is `ALL`.
    masks : array of bool, shape (regions, values)
        Values are units, or channels times samples. Those that the model leaves NaN are in none.
    statistic : {"mean", "size"}
        How strong a response is: the mean over units, or the root of the mean square over channels and samples, whose
        sign depends on the reference electrode.
    """

    names: tuple[str, ...]
    masks: NDArray[np.bool_]
    statistic: Literal["mean", "size"]

    @classmethod
    def of(cls, response: xr.DataArray) -> Regions:
        """Regions of a response with dims (unit,) or (channel, time)."""
        finite = np.isfinite(response.values)
        if response.dims == ("unit",):
            names = roi_names(response)
            members = [response[ROI_PREFIX + name].values.astype(bool) for name in names]
            statistic: Literal["mean", "size"] = "mean"
        else:
            groups = (
                channel_groups(response["channel"].values.astype(str).tolist()) if "channel" in response.dims else {}
            )
            names = list(groups)
            members = [np.broadcast_to(groups[name][:, None], response.shape) for name in names]
            statistic = "size"
        masks = np.stack([finite, *(finite & member for member in members)]).reshape(1 + len(names), -1)
        return cls((ALL, *names), masks, statistic)

    @property
    def shown(self) -> tuple[str, ...]:
        """Regions that have values; all values together where there are none."""
        return tuple(name for name in self.names[1:] if self.units(name)) or (ALL,)

    @functools.cached_property
    def _places(self) -> list[NDArray[np.int64] | slice]:
        """Where each region's values are; a slice where they lie together, which is read without a copy."""
        return [_as_slice(np.flatnonzero(mask)) for mask in self.masks]

    def units(self, name: str) -> int:
        """How many values a region has."""
        return int(self.mask(name).sum())

    def mask(self, name: str | None) -> NDArray[np.bool_]:
        """Which values belong to a region; None: all."""
        return self.masks[self.names.index(name or ALL)]

    def levels(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """How strong responses (images, values) are in each region: (images, regions); 0 in one without values."""
        return np.stack([self._level(cleaned(values[:, place])) for place in self._places], axis=1)

    def norms(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Euclidean norm of responses (images, values) around their mean in each region: (images, regions)."""
        return np.stack([_norm(cleaned(values[:, place])) for place in self._places], axis=1)

    def _level(self, inside: NDArray[np.float64]) -> NDArray[np.float64]:
        if not inside.shape[1]:
            return np.zeros(len(inside))
        return inside.mean(1) if self.statistic == "mean" else np.sqrt((inside**2).mean(1))


def _norm(inside: NDArray[np.float64]) -> NDArray[np.float64]:
    if not inside.shape[1]:
        return np.zeros(len(inside))
    norm = np.linalg.norm(inside - inside.mean(1, keepdims=True), axis=1)
    # what is left of a constant response is rounding
    norm[norm <= np.finfo(np.float32).eps * np.linalg.norm(inside, axis=1)] = 0.0
    return norm


def _as_slice(places: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def cleaned(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Values in double precision, zero for NaN, which no region has."""
    return np.nan_to_num(np.asarray(values, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
