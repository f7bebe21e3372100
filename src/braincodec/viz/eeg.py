"""EEG responses: time courses and topographies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.extras import import_optional

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

# of Okabe and Ito, told apart with every common kind of colour blindness
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
DIVERGING = "RdBu_r"
# spherical positions of 10-10 channels, as MNE knows them
MONTAGE = "easycap-M1"


def plot_time_course(
    response: xr.DataArray,
    axes: Axes | None = None,
    *,
    channels: tuple[str, ...] = ("Oz", "PO8", "Cz"),
    marks: tuple[float, ...] = (),
    unit: str = "µV",
) -> str:
    """Draw all channels over time, a few of them in colour and named at their largest deflection.

    Parameters
    ----------
    response : xarray.DataArray, dims (channel, time)
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.
    channels : tuple of str
        At most four to name.
    marks : tuple of float
        Times, in seconds, to mark with a line.
    unit : str

    Returns
    -------
    str
        The time courses in words.

    Raises
    ------
    UnknownNameError
        When a channel to name is not there.
    """
    pyplot = import_optional("matplotlib.pyplot", "plotting EEG")
    if response.dims != ("channel", "time"):
        raise InputValueError(f"a time course takes dims (channel, time), got {response.dims}")
    names = [str(name) for name in response["channel"].values]
    for name in channels:
        if name not in names:
            raise UnknownNameError("channel", name, names)
    axes = axes if axes is not None else pyplot.subplots()[1]
    times = response["time"].values * 1000
    axes.plot(times, response.values.T, color="#B8B8B8", linewidth=0.6, zorder=1)
    axes.axhline(0, color="#444444", linewidth=0.6, zorder=2)
    axes.axvline(0, color="#444444", linewidth=0.6, zorder=2)
    for time in marks:
        axes.axvline(time * 1000, color="#888888", linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
    words = []
    for name, colour in zip(channels, COLOURS, strict=False):
        course = response.sel(channel=name).values
        peak = int(np.abs(course).argmax())
        axes.plot(times, course, color=colour, linewidth=2, zorder=3, label=name)
        words.append(f"{name} peaks at {times[peak]:.0f} ms with {course[peak]:+.1f} {unit}")
    axes.legend(frameon=False, loc="upper right", ncols=len(channels), handlelength=1.2, columnspacing=1.2)
    axes.set(xlim=(times[0], times[-1]), xlabel="Time from image onset (ms)", ylabel=unit)
    axes.spines[["top", "right"]].set_visible(False)
    return f"EEG time course of {len(names)} channels: {'; '.join(words)}."


def plot_topography(
    values: NDArray[np.floating],
    channels: list[str],
    axes: Axes | None = None,
    *,
    limits: tuple[float, float] | None = None,
) -> AxesImage:
    """Draw values over the scalp, seen from above, nose up.

    Parameters
    ----------
    values : array, shape (channels,)
    channels : list of str
        Names of the 10-10 system.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.
    limits : (float, float), optional
        Values of the first and last colour; default: symmetric around zero.

    Returns
    -------
    matplotlib.image.AxesImage
        For a colour bar.

    Raises
    ------
    UnknownNameError
        When a channel has no standard position.
    """
    pyplot = import_optional("matplotlib.pyplot", "plotting EEG")
    mne = import_optional("mne", "plotting a topography")
    montage = mne.channels.make_standard_montage(MONTAGE)
    for name in channels:
        if name not in montage.ch_names:
            raise UnknownNameError("channel", name, montage.ch_names, where="of the 10-10 system")
    info = mne.create_info(channels, 100.0, "eeg").set_montage(montage)
    axes = axes if axes is not None else pyplot.subplots()[1]
    top = float(np.abs(values).max()) or 1.0
    image, _ = mne.viz.plot_topomap(
        values,
        info,
        axes=axes,
        show=False,
        cmap=DIVERGING,
        vlim=limits or (-top, top),
        contours=4,
        sensors=False,
        extrapolate="head",
        sphere=0.098,
    )
    return image


def describe_topography(values: NDArray[np.floating], channels: list[str], unit: str = "µV") -> str:
    """A topography in words: where it is highest and lowest.

    Examples
    --------
    >>> describe_topography(np.array([1.0, -2.0]), ["Oz", "Cz"])
    'highest at Oz (+1.0 µV), lowest at Cz (-2.0 µV)'
    """
    high, low = int(values.argmax()), int(values.argmin())
    there = [f"{channels[place]} ({values[place]:+.1f} {unit})" for place in (high, low)]
    return f"highest at {there[0]}, lowest at {there[1]}"
