"""Predicted patterns against measured ones, stimulus by stimulus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, listed, number
from braincodec.viz.density import draw_density

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS, SHOWN, MOST_SHOWN = 4, 8, 24
# of the values that a panel spans; beyond lie few units
PERCENTILES = (0.2, 99.8)
PICTURE = 0.3  # side of the seen image, in parts of a panel


class Patterns(NamedTuple):
    """Two patterns of each stimulus.

    Parameters
    ----------
    predicted, measured : array, shape (stimuli, units)
    ids : list of str
    """

    predicted: NDArray[np.float64]
    measured: NDArray[np.float64]
    ids: list[str]


def plot_response_patterns(
    prediction: xr.DataArray | ArrayLike,
    measured: xr.DataArray | ArrayLike,
    *,
    stimuli: Sequence[Any] | None = None,
    images: ArrayLike | None = None,
    shown: int = SHOWN,
    roi: str | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw the predicted response of each unit against the measured one, a panel a stimulus, with their correlation.

    Parameters
    ----------
    prediction : DataArray or array, shape (stimuli, units)
    measured : DataArray or array, shape (stimuli, [repetitions,] units)
        Averaged over repetitions. Of two DataArrays the stimuli are matched by id.
    stimuli : sequence, optional
        Which to draw: ids, or of arrays numbers; default: some, evenly from the best to the worst predicted pattern.
    images : array of uint8, shape (stimuli, height, width, 3), optional
        What was seen, in the order of the measured stimuli; drawn into the panels.
    shown : int
        At most this many stimuli where none were chosen, and at most 24.
    roi : str, optional
        Only the units of a region; for a DataArray that has regions.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputTypeError, InputValueError
        When the two do not fit, or nothing is left to draw.
    UnknownNameError
        For an unknown stimulus or region.

    Examples
    --------
    >>> from braincodec.viz import text_alternative
    >>> measured = np.random.default_rng(0).normal(size=(2, 50))
    >>> print(text_alternative(plot_response_patterns(measured, measured)))
    Predicted against measured responses of 50 units, 2 of 2 stimuli; correlation over units: 0: 1.00; 1: 1.00.
    """
    if not 1 <= shown <= MOST_SHOWN:
        raise InputValueError(f"a figure shows 1 to {MOST_SHOWN} patterns, not {shown}")
    patterns = _patterns(prediction, measured, roi)
    correlations = _correlations(patterns)
    chosen = _choose(patterns.ids, correlations, stimuli, shown)
    pictures = _pictures(images, len(patterns.ids))
    where = f" in {roi}" if roi else ""
    units = count(patterns.measured.shape[1], "unit")
    with style.styled():
        root = _draw(patterns, correlations, chosen, pictures, f"Predicted and measured responses{where}", axes)
        words = listed([f"{patterns.ids[item]}: {number(correlations[item])}" for item in chosen], MOST_SHOWN)
        describe(
            root,
            f"Predicted against measured responses of {units}{where}, {len(chosen)} of "
            f"{count(len(patterns.ids), 'stimulus')}; correlation over units: {words}.",
        )
    return style.root_figure(root)


def _draw(
    patterns: Patterns,
    correlations: NDArray[np.float64],
    chosen: NDArray[np.intp],
    pictures: NDArray[np.uint8] | None,
    title: str,
    axes: Axes | None,
) -> Axes:
    columns = min(COLUMNS, len(chosen))
    rows = -(-len(chosen) // columns)
    side = style.WIDTH / COLUMNS
    root = style.single(axes, (max(0.7 + columns * side, 3.4), 1.1 + rows * (side + 0.1)))
    units = count(patterns.measured.shape[1], "unit")
    note = f"{len(chosen)} of {count(len(patterns.ids), 'stimulus')}, {units}; r over units; dashed: equality"
    layout.heading(root, title, note, above=24)
    layout.shared_labels(root, "Measured", "Predicted")
    panels = layout.panels(root, rows, columns, gap=(0.3, 0.45))
    for spare in panels[len(chosen) :]:
        spare.remove()
    names = [patterns.ids[item] for item in chosen]
    for panel, item in zip(panels, chosen, strict=False):
        _draw_pattern(panel, patterns.measured[item], patterns.predicted[item])
        if pictures is not None:
            inset = panel.inset_axes((0.02, 0.98 - PICTURE, PICTURE, PICTURE))
            inset.imshow(pictures[item], cmap="gray", vmin=0, vmax=255)
            inset.set_axis_off()
    shown = [_short(name) for name in names]
    notes = [f"r = {number(correlations[item])}" for item in chosen]
    for panel, name, text in zip(panels, shown, notes, strict=False):
        panel.set_title(name, loc="left", pad=4, fontsize=style.SMALL, fontweight="normal")
        panel.text(
            0.97, 0.03, text, transform=panel.transAxes, ha="right", va="bottom", fontsize=style.SMALL,
            fontweight="bold",
        )  # fmt: skip
    return root


def _draw_pattern(axes: Axes, measured: NDArray[np.float64], predicted: NDArray[np.float64]) -> None:
    known = np.isfinite(measured) & np.isfinite(predicted)
    measured, predicted = measured[known], predicted[known]
    both = np.concatenate([measured, predicted]) if known.any() else np.zeros(1)
    low, high = np.percentile(both, PERCENTILES)
    pad = 0.08 * (high - low) or 1.0
    limits = (float(low - pad), float(high + pad))
    draw_density(axes, measured, predicted, limits, size=5.0)
    axes.plot(limits, limits, color=style.INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.locator_params(nbins=3)


def _short(name: str, most: int = 16) -> str:
    name = name.rpartition("/")[2]
    return name if len(name) <= most else f"{name[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def _patterns(prediction: Any, measured: Any, roi: str | None) -> Patterns:
    """Both as arrays (stimuli, units), in the order of the measured stimuli."""
    labelled = [hasattr(item, "dims") for item in (prediction, measured)]
    if any(labelled) and not all(labelled):
        raise InputTypeError("give two DataArrays, which are matched by stimulus, or two arrays")
    if not any(labelled):
        if roi is not None:
            raise InputTypeError("arrays know no regions; give DataArrays, or only the units of the region")
        arrays = [np.asarray(item, float) for item in (prediction, measured)]
        arrays = [item.mean(1) if item.ndim == 3 else item for item in arrays]
        ids = [str(place) for place in range(len(arrays[1]))]
    else:
        arrays, ids = _labelled(prediction, measured, roi)
    if arrays[0].shape != arrays[1].shape or arrays[0].ndim != 2 or not arrays[0].size:
        raise InputValueError(
            f"predictions have shape {arrays[0].shape} and measured responses {arrays[1].shape}; both must be "
            "(stimuli, units)"
        )
    return Patterns(arrays[0], arrays[1], ids)


def _labelled(prediction: xr.DataArray, measured: xr.DataArray, roi: str | None) -> tuple[list[Any], list[str]]:
    both = [
        (item.mean("repetition", skipna=True) if "repetition" in item.dims else item) for item in (prediction, measured)
    ]
    if roi is not None:
        name = f"roi_{roi}"
        regions = [str(item).removeprefix("roi_") for item in measured.coords if str(item).startswith("roi_")]
        if name not in measured.coords:
            raise UnknownNameError("region", roi, regions)
        both = [item.isel(unit=np.flatnonzero(measured[name].values)) for item in both]
    known = {str(item): place for place, item in enumerate(both[0]["stimulus"].values)}
    ids = [str(item) for item in both[1]["stimulus"].values]
    places = [known[item] for item in ids if item in known]
    if len(places) != len(ids):
        raise InputValueError(f"{len(ids) - len(places)} of {len(ids)} measured stimuli have no prediction")
    return [both[0].values[places].astype(float), both[1].values.astype(float)], ids


def _correlations(patterns: Patterns) -> NDArray[np.float64]:
    """Over units, one of each stimulus; units that either lacks are left out."""
    missing = ~(np.isfinite(patterns.predicted) & np.isfinite(patterns.measured))
    parts = [np.ma.masked_array(item, missing) for item in (patterns.predicted, patterns.measured)]
    centred = [item - item.mean(1, keepdims=True) for item in parts]
    with np.errstate(invalid="ignore", divide="ignore"):
        products = (centred[0] * centred[1]).sum(1) / np.sqrt((centred[0] ** 2).sum(1) * (centred[1] ** 2).sum(1))
    return np.asarray(np.ma.filled(products, np.nan), float)


def _choose(
    ids: list[str], correlations: NDArray[np.float64], stimuli: Sequence[Any] | None, shown: int
) -> NDArray[np.intp]:
    if stimuli is None:
        order = np.argsort(-np.where(np.isfinite(correlations), correlations, -np.inf), kind="stable")
        places = np.linspace(0, len(order) - 1, min(shown, len(order))).round().astype(int)
        return order[np.unique(places)]
    for item in stimuli:
        if str(item) not in ids:
            raise UnknownNameError("stimulus", str(item), ids)
    if not 1 <= len(stimuli) <= MOST_SHOWN:
        raise InputValueError(f"a figure shows 1 to {MOST_SHOWN} patterns, not {len(stimuli)}")
    return np.array([ids.index(str(item)) for item in stimuli], np.intp)


def _pictures(images: ArrayLike | None, amount: int) -> NDArray[np.uint8] | None:
    if images is None:
        return None
    pictures = np.asarray(images)
    if pictures.dtype != np.uint8 or len(pictures) != amount:
        raise InputValueError(f"images must be uint8, one for each of {amount} stimuli, not {pictures.shape}")
    return pictures
