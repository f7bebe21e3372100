"""Pairwise decoding of stimuli over time, and from one time to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.scores import Scores
from braincodec.viz import layout, style
from braincodec.viz.alternative import describe, number

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

CHANCE = 0.5
MEASURED, PREDICTED, ACROSS = "pairwise_decoding", "pairwise_decoding_predicted", "time_generalisation"
ACROSS_PREDICTED = "time_generalisation_predicted"


def plot_pairwise_decoding(
    data: Scores | xr.DataArray | Mapping[str, xr.DataArray],
    predicted: xr.DataArray | None = None,
    *,
    subject: object = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw how well pairs of stimuli are told apart over time, from measured and from predicted responses.

    Parameters
    ----------
    data : Scores, DataArray (time,) or mapping of name to DataArray (time,)
        Accuracy, 0 to 1; times in seconds. A mapping names its curves itself, at most six.
    predicted : DataArray (time,), optional
        The same for predicted responses; of scores, their own.
    subject : optional
        Default: the mean of all.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputTypeError, InputValueError
        When there is no accuracy over time, or more curves than colours.
    """
    curves = _named_curves(data, predicted, subject)
    bands = _bands(data, subject)
    colours = dict(zip(curves, style.CYCLE if isinstance(data, Mapping) else (style.INK, style.MODEL), strict=False))
    labels, words = [], []
    with style.styled():
        axes = style.single(axes, (6.0, 3.0))
        for name, curve in curves.items():
            times = curve["time"].values * 1000
            if name in bands:
                axes.fill_between(times, *bands[name], color=colours[name], alpha=0.15, linewidth=0)
            axes.plot(times, curve.values, color=colours[name], linewidth=1.9)
            known = curve.values[np.isfinite(curve.values)]
            labels.append((float(known[-1]) if known.size else CHANCE, name, colours[name]))
            words.append(f"{name}: {_peak(curve.values, times, bands.get(name))}")
        axes.axhline(CHANCE, color=style.AXIS, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
        labels.append((CHANCE, "chance", style.MUTED))
        layout.time_axis(axes, times)
        low, high = axes.get_ylim()
        axes.set(ylim=(min(low, CHANCE - 0.05), max(high, CHANCE + 0.05)), ylabel="Pairwise decoding accuracy")
        layout.end_labels(axes, labels)
        layout.title(axes, "Pairwise decoding of stimuli")
        describe(axes, f"Pairwise decoding over time, chance {CHANCE}. {'; '.join(words)}.")
    return style.root_figure(axes)


def plot_time_generalisation(
    data: Scores | xr.DataArray,
    *,
    predicted: bool = False,
    subject: object = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw how well a decoder trained at one time works at another.

    Parameters
    ----------
    data : Scores or DataArray (train_time, test_time)
        Accuracy, 0 to 1; times in seconds.
    predicted : bool
        Of scores: trained on measured and tested on predicted responses, instead of measured ones alone.
    subject : optional
        Default: the mean of all.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        White is chance, red above it.

    Raises
    ------
    InputTypeError, InputValueError
        When there is no accuracy over both times.
    """
    matrix = _curve(data, ACROSS_PREDICTED if predicted else ACROSS, ("train_time", "test_time"), subject)
    train, test = (matrix[name].values * 1000 for name in matrix.dims)
    values = matrix.values
    if not np.isfinite(values).any():
        raise InputValueError("the time-time matrix has no known value")
    reach = max(float(np.nanmax(np.abs(values - CHANCE))), 0.01)
    with style.styled():
        axes = style.single(axes, (4.6, 4.1), fixed=True)
        picture = axes.imshow(
            values, origin="lower", extent=(*_edges(test), *_edges(train)), cmap=style.DIVERGING,
            vmin=CHANCE - reach, vmax=CHANCE + reach, aspect="equal",
        )  # fmt: skip
        both = (max(train[0], test[0]), min(train[-1], test[-1]))
        axes.plot(both, both, color=style.INK, linewidth=0.7, linestyle=(0, (4, 3)))
        for line in (axes.axhline, axes.axvline):
            line(0, color=style.AXIS, linewidth=0.8)
        axes.set(xlabel="Tested at (ms)", ylabel="Trained at (ms)")
        bar = style.colour_bar(axes, picture, "Accuracy", (1.04, 0.2, 0.035, 0.6), horizontal=False)
        bar.set_ticklabels([number(CHANCE - reach), "chance", number(CHANCE + reach)])
        title = "Decoding across time" + (", predicted responses" if predicted else "")
        layout.title(axes, title, "times from stimulus onset; dashed: same time")
        describe(axes, _across_words(title, values, train, test))
    return style.root_figure(axes)


def _named_curves(data: Any, predicted: Any, subject: object) -> dict[str, xr.DataArray]:
    """The curves to draw, by the names that are written beside them."""
    if isinstance(data, Mapping):
        if not 1 <= len(data) <= len(style.CYCLE):
            raise InputValueError(f"a figure has 1 to {len(style.CYCLE)} curves, not {len(data)}")
        return {str(name): _curve(curve, MEASURED, ("time",), subject) for name, curve in data.items()}
    curves = {"measured responses": _curve(data, MEASURED, ("time",), subject)}
    if isinstance(data, Scores) and PREDICTED in data.curves:
        curves["predicted responses"] = _curve(data, PREDICTED, ("time",), subject)
    elif predicted is not None:
        curves["predicted responses"] = _curve(predicted, PREDICTED, ("time",), subject)
    return curves


def _curve(data: Any, name: str, dims: tuple[str, ...], subject: object) -> xr.DataArray:
    import xarray as xr

    curve = data
    if isinstance(data, Scores):
        if name not in data.curves:
            raise InputValueError(f"the scores of {data.name} have no {name}")
        curve = data.curves[name]
    if not isinstance(curve, xr.DataArray):
        raise InputTypeError(f"{name} takes Scores or a DataArray with dims {dims}, not {type(data).__name__}")
    if "subject" in curve.dims:
        labels = [str(label) for label in curve["subject"].values]
        if subject is not None and str(subject) not in labels:
            raise UnknownNameError("subject", str(subject), labels)
        curve = curve.mean("subject") if subject is None else curve.isel(subject=labels.index(str(subject)))
    if set(curve.dims) != set(dims) or not all(curve.shape) or not set(dims) <= set(curve.coords):
        raise InputValueError(
            f"{name} needs dims {dims} with times in seconds, got {curve.dims} of shape {curve.shape}"
        )
    return curve.transpose(*dims)


def _bands(data: Any, subject: object) -> dict[str, tuple[NDArray[np.floating], NDArray[np.floating]]]:
    """Lower and upper ends of intervals, where scores have them; of one subject, because means have other ones."""
    if not isinstance(data, Scores):
        return {}
    bands = {}
    for name, curve in (("measured responses", MEASURED), ("predicted responses", PREDICTED)):
        ends = [f"{curve}_{end}" for end in ("low", "high")]
        several = curve in data.curves and data.curves[curve].sizes.get("subject", 1) > 1
        if all(end in data.curves for end in ends) and not (several and subject is None):
            low, high = (_curve(data, end, ("time",), subject).values for end in ends)
            bands[name] = (low, high)
    return bands


def _edges(times: NDArray[np.floating]) -> tuple[float, float]:
    step = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1.0
    return float(times[0] - step / 2), float(times[-1] + step / 2)


def _peak(
    values: NDArray[np.floating],
    times: NDArray[np.floating],
    band: tuple[NDArray[np.floating], NDArray[np.floating]] | None,
) -> str:
    if not np.isfinite(values).any():
        return "no known value"
    peak = int(np.nanargmax(values))
    words = f"highest at {times[peak]:.0f} ms with {number(values[peak])}"
    words += f" (interval {number(band[0][peak])} to {number(band[1][peak])})" if band else ""
    return f"{words}, mean {number(float(np.nanmean(values)))}"


def _across_words(
    title: str, values: NDArray[np.floating], train: NDArray[np.floating], test: NDArray[np.floating]
) -> str:
    row, column = np.unravel_index(int(np.nanargmax(values)), values.shape)
    words = (
        f"{title}, chance {CHANCE}: highest {number(values[row, column])}, trained at {train[row]:.0f} ms "
        f"and tested at {test[column]:.0f} ms; mean {number(float(np.nanmean(values)))}"
    )
    if len(train) == len(test) and np.allclose(train, test):
        words += f"; mean at the same time {number(float(np.nanmean(np.diag(values))))}"
    return f"{words}."
