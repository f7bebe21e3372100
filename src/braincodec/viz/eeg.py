"""EEG over time: responses of channels, and accuracy with the bounds of what could be explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.scores import Scores
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, number
from braincodec.viz.unit_values import unit_dataset

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

DIMS = ("channel", "time")
ACCURACY, LOWER, UPPER = "accuracy_half", "noise_ceiling_lower", "noise_ceiling_upper"
WHOLE = "correlation"
SINGLE = "accuracy_correlation_single_repetition"
SIZE = (6.0, 3.0)  # inches
MOST_NAMED = len(style.CYCLE)
USUAL = ("Oz", "PO8", "Cz")


def plot_time_course(
    response: xr.DataArray,
    *,
    channels: Sequence[str] | None = None,
    marks: Sequence[float] = (),
    unit: str = "µV",
    axes: Axes | None = None,
) -> Figure:
    """Draw all channels over time, a few of them in colour and named at the right.

    Parameters
    ----------
    response : xarray.DataArray, dims (channel, time)
        Times in seconds.
    channels : sequence of str, optional
        At most six to name; default: those of Oz, PO8 and Cz that are there, or else the three with the largest
        deflections.
    marks : sequence of float
        Times, in seconds, to mark with a line.
    unit : str
        Of the response, for the axis.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputValueError
        For other dims, or too many channels to name.
    UnknownNameError
        When a channel to name is not there.
    """
    names = _check_channels(response, "a time course")
    chosen = _named_channels(response, names) if channels is None else list(channels)
    for name in chosen:
        if name not in names:
            raise UnknownNameError("channel", name, names)
    if len(chosen) > MOST_NAMED:
        raise InputValueError(f"at most {MOST_NAMED} channels can be named in one figure, not {len(chosen)}")
    times = response["time"].values * 1000
    words, labels = [], []
    with style.styled():
        axes = style.single(axes, SIZE)
        axes.plot(times, response.values.T, color="#C3CBD4", linewidth=0.6, zorder=1)
        axes.axhline(0, color=style.AXIS, linewidth=0.8, zorder=2)
        for time in marks:
            axes.axvline(time * 1000, color=style.AXIS, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        for name, colour in zip(chosen, style.CYCLE, strict=False):
            course = response.sel(channel=name).values
            axes.plot(times, course, color=colour, linewidth=1.9, zorder=3)
            if np.isfinite(course).any():
                peak = int(np.nanargmax(np.abs(course)))
                words.append(f"{name} peaks at {times[peak]:.0f} ms with {course[peak]:+.1f} {unit}")
                labels.append((float(course[np.isfinite(course)][-1]), name, colour))
        layout.time_axis(axes, times)
        axes.set_ylabel(unit)
        layout.end_labels(axes, labels)
        described = f": {'; '.join(words)}" if words else ""
        describe(axes, f"EEG time course of {count(len(names), 'channel')}{described}.")
    return style.root_figure(axes)


def plot_accuracy_over_time(
    data: Scores | xr.Dataset | xr.DataArray,
    *,
    lower: xr.DataArray | None = None,
    upper: xr.DataArray | None = None,
    single: xr.DataArray | None = None,
    channels: Sequence[str] | None = None,
    subject: object = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw the accuracy of predicted EEG over time between nothing and what could be explained, mean over channels.

    Accuracy and bounds share their target, the mean of the same random half of the repetitions. The upper bound
    correlates that half with a mean that contains it, so it is optimistic, and is labelled so.

    Parameters
    ----------
    data : Scores, Dataset or DataArray, dims ([subject,] channel, time)
        ``accuracy_half`` and the noise ceilings of a Dataset or of scores; the correlation with the mean of all
        repetitions where these are not known. Times in seconds. Of a Dataset also
        ``accuracy_correlation_single_repetition``, with the further dim repetition.
    lower, upper : DataArray, optional
        Bounds, where `data` is an array.
    single : DataArray, dims ([subject,] repetition, channel, time), optional
        The accuracy of models that were each trained on one repetition, dashed; where `data` is an array.
    channels : sequence of str, optional
        To average over; default: all.
    subject : optional
        Default: every subject as a thin line, and their mean.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputTypeError, InputValueError
        When there is no accuracy over channels and times, or a channel or subject is not there.
    """
    table, stimuli = _over_time(data, {LOWER: lower, UPPER: upper, SINGLE: single}, subject)
    names = [str(name) for name in table["channel"].values]
    for name in channels or []:
        if name not in names:
            raise UnknownNameError("channel", name, names)
    if channels is not None and not len(channels):
        raise InputValueError("accuracy over time needs at least one channel")
    shown = table.sel(channel=list(channels)) if channels is not None else table
    mean = shown.mean("channel")
    times = mean["time"].values * 1000
    accuracy = ACCURACY if ACCURACY in mean else WHOLE
    with style.styled():
        axes = style.single(axes, SIZE)
        labels = _draw_bounds(axes, times, mean)
        courses = np.atleast_2d(mean[accuracy].values)
        if len(courses) > 1:
            axes.plot(times, courses.T, color=style.MODEL, linewidth=0.6, alpha=0.5)
        course = _mean(courses)
        axes.plot(times, course, color=style.MODEL, linewidth=2)
        single_label = _draw_single(axes, times, mean)
        labels += [(_last(course), "all repetitions" if single_label else "accuracy", style.MODEL), *single_label]
        axes.axhline(0, color=style.AXIS, linewidth=0.8, zorder=0)
        layout.time_axis(axes, times)
        axes.set_ylabel("Correlation")
        layout.end_labels(axes, labels)
        parts = [f"mean of {count(shown.sizes['channel'], 'channel')}"]
        parts += [f"{len(courses)} subjects"] if len(courses) > 1 else []
        parts += [count(stimuli, "stimulus")] if stimuli else []
        layout.title(axes, "Accuracy of predicted EEG", ", ".join(parts))
        words = _peak_words(mean, course, times) + _single_words(mean)
        describe(axes, f"Accuracy over time, {', '.join(parts)}: {words}.")
    return style.root_figure(axes)


def _check_channels(response: xr.DataArray, what: str) -> list[str]:
    if getattr(response, "dims", None) != DIMS:
        raise InputValueError(f"{what} takes dims (channel, time), got {getattr(response, 'dims', type(response))}")
    if not all(response.shape):
        raise InputValueError(f"{what} needs at least one channel and one time, got shape {response.shape}")
    return [str(name) for name in response["channel"].values]


def _named_channels(response: xr.DataArray, names: list[str]) -> list[str]:
    usual: list[str] = [name for name in USUAL if name in names]
    largest = np.nan_to_num(np.abs(response.values)).max(1).argsort()[::-1][:3]
    return usual or [names[place] for place in largest]


def _over_time(
    data: Scores | xr.Dataset | xr.DataArray, beside: Mapping[str, xr.DataArray | None], subject: object
) -> tuple[xr.Dataset, int]:
    """Accuracy and what is drawn beside it as one Dataset, and the number of stimuli."""
    import xarray as xr

    stimuli = 0
    if isinstance(data, Scores):
        table = unit_dataset(data, subject)
        stimuli = int(data.table["n_stimuli"].max()) if len(data.table) else 0
    elif isinstance(data, xr.DataArray):
        table = xr.Dataset({ACCURACY: data, **{name: one for name, one in beside.items() if one is not None}})
    elif isinstance(data, xr.Dataset):
        table = data if subject is None or "subject" not in data.dims else data.sel(subject=subject)
    else:
        raise InputTypeError(f"accuracy over time takes Scores, a Dataset or a DataArray, not {type(data).__name__}")
    kept = [name for name in (ACCURACY, LOWER, UPPER) if name in table] if ACCURACY in table else [WHOLE]
    kept += [SINGLE] if SINGLE in table else []
    if kept[0] not in table or not set(DIMS) <= set(table[kept[0]].dims):
        found = ", ".join(map(str, table.data_vars)) or "nothing"
        raise InputValueError(f"accuracy over time needs {ACCURACY} or {WHOLE} over channel and time; there is {found}")
    if SINGLE in kept and not {"repetition", *DIMS} <= set(table[SINGLE].dims):
        raise InputValueError(
            f"accuracy of single repetitions needs repetition, channel and time, not {table[SINGLE].dims}"
        )
    chosen = table[kept]
    return chosen.transpose(*[dim for dim in chosen.dims if dim not in DIMS], *DIMS), stimuli


def _draw_bounds(axes: Axes, times: NDArray[np.floating], mean: xr.Dataset) -> list[tuple[float, str, str]]:
    """The band between both bounds; returns the labels of its edges."""
    bounds = {name: _mean(np.atleast_2d(mean[name].values)) for name in (LOWER, UPPER) if name in mean}
    if len(bounds) == 2:
        axes.fill_between(times, bounds[LOWER], bounds[UPPER], color=style.CEILING, linewidth=0)
    labels = []
    for name, line, text in (
        (LOWER, "solid", "noise ceiling, lower"),
        (UPPER, (0, (4, 2)), "noise ceiling, upper\n(optimistic)"),
    ):
        if name in bounds:
            axes.plot(times, bounds[name], color=style.CEILING_EDGE, linewidth=1, linestyle=line)
            labels.append((_last(bounds[name]), text, style.MUTED))
    return labels


def _draw_single(axes: Axes, times: NDArray[np.floating], mean: xr.Dataset) -> list[tuple[float, str, str]]:
    """A dashed line for each repetition, the mean of subjects; returns their label, if there are any."""
    if SINGLE not in mean:
        return []
    courses = [_mean(np.atleast_2d(one.values)) for one in mean[SINGLE].transpose("repetition", ...)]
    axes.plot(times, np.transpose(courses), color=style.MODEL, linewidth=0.9, linestyle=(0, (3, 2)), alpha=0.75)
    return [(float(np.mean([_last(course) for course in courses])), "single repetitions", style.MODEL)]


def _mean(courses: NDArray[np.floating]) -> NDArray[np.floating]:
    """Mean over rows without those that are NaN."""
    known = np.isfinite(courses)
    total = np.where(known, courses, 0.0).sum(0)
    return np.where(known.any(0), total / np.maximum(known.sum(0), 1), np.nan)


def _last(course: NDArray[np.floating]) -> float:
    known = course[np.isfinite(course)]
    return float(known[-1]) if known.size else 0.0


def _peak_words(mean: xr.Dataset, course: NDArray[np.floating], times: NDArray[np.floating]) -> str:
    if not np.isfinite(course).any():
        return "no known value"
    peak = int(np.nanargmax(course))
    words = f"highest at {times[peak]:.0f} ms with a correlation of {number(course[peak])}"
    bounds = {
        text: number(_mean(np.atleast_2d(mean[name].values))[peak])
        for name, text in ((LOWER, "lower"), (UPPER, "upper, optimistic,"))
        if name in mean
    }
    at = " and ".join(f"{text} {value}" for text, value in bounds.items())
    words += f", where the noise ceiling is {at}".replace(", and", " and") if bounds else ", no noise ceiling"
    return words + f"; mean over time {number(float(np.nanmean(course)))}"


def _single_words(mean: xr.Dataset) -> str:
    if SINGLE not in mean:
        return ""
    other = [dim for dim in mean[SINGLE].dims if dim != "repetition"]
    values = mean[SINGLE].mean(other).values
    return (
        f"; of {count(len(values), 'model')} of single repetitions, dashed, the means over time are "
        f"{number(float(values.min()))} to {number(float(values.max()))}"
    )
