"""What a photograph makes a brain do, in the forms that a page shows: bars, cortex, time course."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from braincodec.app.scalp import channel_groups, scalp_positions
from braincodec.errors import UnknownNameError
from braincodec.responses.checks import ROI_PREFIX
from braincodec.responses.select import roi_names

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.subjects import Subject

QUANTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True)
class RoiBar:
    """The mean response of a region, beside its mean responses to other images.

    Attributes
    ----------
    roi : str
        Of sensors: a group of channels.
    mean : float
        Over the region's units; for sensors, over its channels and times, of the size of the response.
    units : int
        How many.
    quantiles : tuple of five floats, or None
        5th, 25th, 50th, 75th and 95th percentile of the mean responses to the reference images; None while these are
        being computed, or where there are none.
    percentile : float or None
        How many of 100 reference images drive the region less than this one.
    accuracy, noise_ceiling : float or None
        Medians over the region's units, where they were measured.
    """

    roi: str
    mean: float
    units: int
    quantiles: tuple[float, float, float, float, float] | None = None
    percentile: float | None = None
    accuracy: float | None = None
    noise_ceiling: float | None = None


@dataclass(frozen=True)
class ReferenceNote:
    """What the bars are compared with, in words.

    Attributes
    ----------
    text : str
        A sentence, such as "240 images of the folder holiday".
    images : int
        How many; 0 where there are none.
    done : int
        How many of them have been encoded.
    ready : bool
        Whether quantiles, percentiles and neighbours can be had.
    final : bool
        Whether nothing more will come: ready, or there is nothing to compare with.
    """

    text: str
    images: int = 0
    done: int = 0
    ready: bool = False
    final: bool = False


@dataclass(frozen=True, eq=False)
class Neighbour:
    """An image of the gallery that is like what was seen.

    Attributes
    ----------
    id : str
    similarity : float
        Pearson correlation of the responses over the units of a region.
    thumbnail : array of uint8, shape (height, width, 3), or None
        None where the image cannot be read any more.
    """

    id: str
    similarity: float
    thumbnail: NDArray[np.uint8] | None


@dataclass(frozen=True, eq=False)
class CortexValues:
    """One value for each vertex of fsaverage5.

    Attributes
    ----------
    left, right : array of float32, shape (10242,)
        NaN where the model has no unit.
    low, high : float
        Ends of the colour scale: symmetric around zero, the 98th percentile of the size over all regions.
    """

    left: NDArray[np.float32]
    right: NDArray[np.float32]
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class VolumeSlices:
    """Three slices through a volume, for subjects that have no surface.

    Attributes
    ----------
    slices : dict of {"sagittal", "coronal", "axial"} to array of float32, shape (rows, columns)
        Cut to the units; NaN elsewhere. The first row is the top (of axial slices the front), columns go from left to
        right (of sagittal slices from the back to the front), as far as the affine tells.
    positions : dict of str to int
        Voxel index of each slice across it.
    low, high : float
        As of `CortexValues`.
    """

    slices: dict[str, NDArray[np.float32]]
    positions: dict[str, int]
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class TimeCourse:
    """Responses of sensors over time.

    Attributes
    ----------
    times : array of float, shape (times,)
        Seconds after the image appears.
    channels : list of str
    values : array of float32, shape (channels, times)
        Microvolts where `unit` says so.
    positions : array of float, shape (channels, 2), or None
        Seen from above, nose up, the head's rim at radius 1; NaN for channels whose place is not known. None where
        none is known.
    unit : str
    low, high : float
        Ends of the scale, symmetric around zero, over all channels and times.
    """

    times: NDArray[np.float64]
    channels: list[str]
    values: NDArray[np.float32]
    positions: NDArray[np.float64] | None
    unit: str
    low: float
    high: float

    def at(self, time: float) -> NDArray[np.float32]:
        """Values of all channels at the sample nearest to `time` (seconds), shape (channels,)."""
        return self.values[:, int(np.abs(self.times - time).argmin())]


@dataclass(frozen=True, eq=False)
class Prediction:
    """Responses of one subject to one photograph.

    Attributes
    ----------
    model : str
    subject : int or str
    modality : str
    simulated : bool
        Whether the subject never existed.
    image_digest : str
        SHA-256 of the pixels.
    responses : xarray.DataArray
        Dims (unit,) or (channel, time), with the coordinates that `Encoder.encode` gives; repetitions are averaged.
    roi_bars : list of RoiBar
    reference : ReferenceNote
    scaling : str
        What the numbers mean, in words.
    missing : tuple of str
        Regions whose weights are not in the store.
    """

    model: str
    subject: Subject
    modality: str
    simulated: bool
    image_digest: str
    responses: xr.DataArray
    roi_bars: list[RoiBar] = field(default_factory=list)
    reference: ReferenceNote = field(default_factory=lambda: ReferenceNote("no images to compare with", final=True))
    scaling: str = ""
    missing: tuple[str, ...] = ()

    @property
    def rois(self) -> list[str]:
        """Regions of the units, in their order; none for sensors."""
        return roi_names(self.responses)

    @property
    def channel_groups(self) -> list[str]:
        """Groups of channels, such as ``"occipital"``; none where there are no sensors."""
        if "channel" not in self.responses.dims:
            return []
        return list(channel_groups(self.responses["channel"].values.astype(str).tolist()))

    def on_cortex(self, roi: str | None = None) -> CortexValues | None:
        """The response on fsaverage5; None for sensors, and for subjects in a volume, which have no surface.

        Parameters
        ----------
        roi : str, optional
            Only its units; the colour scale stays that of all.

        Raises
        ------
        UnknownNameError
        """
        from braincodec.viz.vertices import SPACES, colour_limits, vertex_values

        here = self._of(roi)
        if "vertex" not in self.responses.coords or self.responses.attrs.get("space") not in SPACES:
            return None
        low, high = colour_limits(vertex_values(self.responses), "symmetric")
        maps = vertex_values(here)
        return CortexValues(maps["left"].astype(np.float32), maps["right"].astype(np.float32), low, high)

    def slices(self, roi: str | None = None) -> VolumeSlices | None:
        """The response on three slices through the volume, where most units lie; None for units that have no voxel.

        Parameters
        ----------
        roi : str, optional
            Only its units, and the slices where most of these lie.

        Raises
        ------
        UnknownNameError
        """
        from braincodec.app.volume import middle_slices

        return middle_slices(self.responses, self._of(roi))

    def time_course(self, channels: str | None = None) -> TimeCourse | None:
        """Responses of sensors; None for models of voxels, vertices and neurons.

        Parameters
        ----------
        channels : str, optional
            A group, one of `channel_groups`.

        Raises
        ------
        UnknownNameError
        """
        if self.responses.dims != ("channel", "time"):
            return None
        names = self.responses["channel"].values.astype(str)
        groups = channel_groups(names.tolist())
        if channels is not None and channels not in groups:
            raise UnknownNameError("channel group", channels, groups, where=f"of {self.model}")
        kept = np.ones(len(names), bool) if channels is None else groups[channels]
        values = self.responses.values
        top = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
        return TimeCourse(
            times=self.responses["time"].values.astype(float),
            channels=names[kept].tolist(),
            values=values[kept],
            positions=scalp_positions(names[kept].tolist()),
            unit="µV" if self.responses.attrs.get("response_units") == "microvolt" else "",
            low=-top,
            high=top,
        )

    def _of(self, roi: str | None) -> xr.DataArray:
        if roi is None:
            return self.responses
        if roi not in self.rois:
            raise UnknownNameError("roi", roi, self.rois, where=f"of {self.model} subject {self.subject}")
        return self.responses.isel(unit=np.flatnonzero(self.responses[ROI_PREFIX + roi].values))
