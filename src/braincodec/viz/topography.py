"""Values of EEG channels over the scalp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.scores import Scores
from braincodec.extras import import_optional
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, number
from braincodec.viz.eeg import ACCURACY, DIMS, WHOLE
from braincodec.viz.unit_values import metric_title, metric_values, unit_dataset

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

# spherical positions of 10-10 channels, as MNE knows them
MONTAGE = "easycap-M1"
# metres
HEAD = 0.098
LEAST_CHANNELS = 4
# of the first responses of visual cortex, of the response to faces, and later: seconds
LATENCIES = (0.10, 0.17, 0.25)
PANEL = 1.5  # inches
ACCURACY_TITLE = "Accuracy over the scalp"


def plot_topography(
    values: xr.DataArray | ArrayLike,
    channels: Sequence[str] | None = None,
    *,
    limits: tuple[float, float] | None = None,
    unit: str = "µV",
    colour_bar: bool = True,
    axes: Axes | None = None,
) -> Figure:
    """Draw values over the scalp, seen from above, nose up.

    Parameters
    ----------
    values : DataArray (channel,) or array (channels,)
        Channels that are NaN are left out.
    channels : sequence of str, optional
        Names of the 10-10 system; of a DataArray, its coordinate.
    limits : (float, float), optional
        Values of the first and last colour; default: symmetric around zero.
    unit : str
        Of the values, for the colour bar.
    colour_bar : bool
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UnknownNameError
        When a channel has no standard position.
    InputValueError
        When names and values differ in number, or fewer than four channels have a value.
    """
    names = list(channels) if channels is not None else _names_of(values)
    array = np.asarray(values, dtype=float)
    if array.shape != (len(names),):
        raise InputValueError(f"a topography takes one value a channel; there are {len(names)} names for {array.shape}")
    limits = limits or _limits(array)
    with style.styled():
        axes = style.single(axes, (2.6, 2.4))
        picture = _draw(axes, array, names, limits)
        if colour_bar:
            _bar(axes, picture, unit)
        describe(axes, f"Topography of {count(len(names), 'channel')}: {describe_topography(array, names, unit)}.")
    return style.root_figure(axes)


def plot_topographies(
    data: Scores | xr.DataArray,
    times: Sequence[float] | None = None,
    *,
    metric: str | None = None,
    subject: object = None,
    limits: tuple[float, float] | None = None,
    unit: str | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw the scalp at chosen latencies, all on one scale of colours.

    Parameters
    ----------
    data : Scores or DataArray (channel, time)
        Accuracy or responses.
    times : sequence of float, optional
        Seconds; the nearest sample is drawn, and named. Default: those of 0.10, 0.17 and 0.25 that were recorded, or
        the time at which values are largest.
    metric : str, optional
        Of scores; default: the accuracy that the noise ceilings go with, or else the correlation. Of an array: which
        metric it holds; default: it holds responses.
    subject : optional
        Of scores; default: the mean of all.
    limits : (float, float), optional
        Values of the first and last colour; default: symmetric around zero.
    unit : str, optional
        For the colour bar; default: the metric's name, or µV.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputTypeError, InputValueError
        When there are no channels and times, or a latency lies outside them.
    """
    values, named, title, note = _maps(data, metric, subject)
    unit = named if unit is None else unit
    known = values["time"].values
    places = _usual(values) if times is None else [_nearest(known, time) for time in times]
    if not places:
        raise InputValueError("topographies need at least one latency")
    names = [str(name) for name in values["channel"].values]
    array = values.values
    limits = limits or _limits(array[:, places])
    words = []
    with style.styled():
        root = style.single(axes, (PANEL * len(places) + 0.8, PANEL + 0.8))
        layout.heading(root, title, note)
        panels = layout.panels(root, 1, len(places), gap=(0.08, 0.1))
        for panel, place in zip(panels, places, strict=True):
            picture = _draw(panel, array[:, place], names, limits)
            panel.set_title(f"{1000 * known[place]:.0f} ms", loc="center", fontsize=style.SIZE, pad=2)
            words.append(f"at {1000 * known[place]:.0f} ms {describe_topography(array[:, place], names, unit)}")
        _bar(panels[-1], picture, unit)
        describe(root, f"{title}, topographies of {count(len(names), 'channel')}: {'; '.join(words)}.")
    return style.root_figure(root)


def describe_topography(values: NDArray[np.floating], channels: Sequence[str], unit: str = "µV") -> str:
    """A topography in words: where it is highest and lowest.

    Examples
    --------
    >>> describe_topography(np.array([1.0, -2.0]), ["Oz", "Cz"])
    'highest at Oz (1.00 µV), lowest at Cz (-2.00 µV)'
    """
    if not np.isfinite(values).any():
        return "no known value"
    suffix = f" {unit}" if unit == "µV" else ""
    there = [
        f"{channels[place]} ({number(float(values[place]))}{suffix})"
        for place in (int(np.nanargmax(values)), int(np.nanargmin(values)))
    ]
    return f"highest at {there[0]}, lowest at {there[1]}"


def _draw(axes: Axes, values: NDArray[np.floating], channels: Sequence[str], limits: tuple[float, float]) -> Any:
    mne = import_optional("mne", "plotting a topography")
    montage = mne.channels.make_standard_montage(MONTAGE)
    for name in channels:
        if name not in montage.ch_names:
            raise UnknownNameError("channel", name, montage.ch_names, where="of the 10-10 system")
    known = np.isfinite(values)
    if known.sum() < LEAST_CHANNELS:
        raise InputValueError(f"a topography needs {LEAST_CHANNELS} channels with a value, not {int(known.sum())}")
    chosen = [name for name, here in zip(channels, known, strict=True) if here]
    info = mne.create_info(chosen, 100.0, "eeg", verbose="error").set_montage(montage, verbose="error")
    picture, _ = mne.viz.plot_topomap(
        values[known], info, axes=axes, show=False, cmap=style.DIVERGING, vlim=limits, contours=4, sensors=False,
        extrapolate="head", sphere=HEAD,
    )  # fmt: skip
    return picture


def _bar(axes: Axes, picture: Any, unit: str) -> None:
    style.colour_bar(axes, picture, unit, (1.06, 0.22, 0.05, 0.56), horizontal=False)


def _limits(values: NDArray[np.floating]) -> tuple[float, float]:
    known = np.abs(values[np.isfinite(values)])
    top = (float(known.max()) if known.size else 0.0) or 1.0
    return -top, top


def _names_of(values: Any) -> list[str]:
    if not hasattr(values, "coords") or "channel" not in values.coords:
        raise InputTypeError("a topography of a plain array needs the names of its channels: channels=[...]")
    return [str(name) for name in values["channel"].values]


def _maps(data: Any, metric: str | None, subject: object) -> tuple[xr.DataArray, str, str, str]:
    """Values over channels and times, the words for the colour bar, a title and a note."""
    import xarray as xr

    if isinstance(data, Scores):
        units = unit_dataset(data, subject)
        metric = metric or (ACCURACY if ACCURACY in units else WHOLE)
        values, note = metric_values(units, metric), data.name
        unit, title = ("Correlation" if metric == ACCURACY else metric_title(metric)), ACCURACY_TITLE
    elif isinstance(data, xr.DataArray):
        values, note = data, ""
        unit, title = ("µV", "Responses over the scalp") if metric is None else (metric_title(metric), ACCURACY_TITLE)
    else:
        raise InputTypeError(f"topographies take Scores or a DataArray (channel, time), not {type(data).__name__}")
    values = values.mean("subject") if "subject" in values.dims else values
    if set(values.dims) != set(DIMS) or not all(values.shape):
        raise InputValueError(f"topographies take dims (channel, time), got {values.dims} of shape {values.shape}")
    return values.transpose(*DIMS), unit, title, note


def _usual(values: xr.DataArray) -> list[int]:
    """Places of the usual latencies among the samples, or of the largest values."""
    known = values["time"].values
    places = [_nearest(known, time) for time in LATENCIES if known[0] <= time <= known[-1]]
    return places or [int(np.nan_to_num(np.abs(values.values)).mean(0).argmax())]


def _nearest(times: NDArray[np.floating], time: float) -> int:
    place = int(np.abs(times - time).argmin())
    step = float(np.diff(times).max()) if len(times) > 1 else np.inf
    if abs(times[place] - time) > step:
        raise InputValueError(f"{time:g} s lies outside the times, {times[0]:g} to {times[-1]:g} s")
    return place
