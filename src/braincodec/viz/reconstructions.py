"""Decoded images beside the images that were seen, sorted by score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.metric import METRICS
from braincodec.evaluation.scores import Scores
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, number
from braincodec.viz.unit_values import metric_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS, SHOWN, MOST_SHOWN = 6, 12, 60
SEEN, DECODED = "seen", "decoded"


def plot_reconstructions(
    data: Scores | ArrayLike,
    prediction: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    *,
    metric: str | None = None,
    subject: object = None,
    shown: int = SHOWN,
    lower_is_better: bool | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw each image that was seen over the image that was decoded, best first, with its score.

    Where there are more images than are shown, those drawn are spread evenly from the best to the worst.

    Parameters
    ----------
    data : Scores or array of uint8, shape (n, height, width[, 3])
        With scores of decoded images, or the images that were seen.
    prediction : array of uint8, of the same shape, optional
        The decoded images; of scores, their own.
    scores : array (n,), optional
        Of arrays: what to sort by; without it, images stay in order.
    metric : str, optional
        A score of every stimulus, to sort by; default: the first there is.
    subject : optional
        Of scores with several subjects; default: the first.
    shown : int
        At most this many images, and at most 60.
    lower_is_better : bool, optional
        Default: as the metric's definition says, else False.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputTypeError, InputValueError
        When there are no images, or shapes do not fit.

    Examples
    --------
    >>> from braincodec.viz import text_alternative
    >>> images = np.zeros((2, 8, 8, 3), np.uint8)
    >>> print(text_alternative(plot_reconstructions(images, images, [0.2, 0.9])))
    Seen and decoded images, sorted from best to worst score: 2 of 2 stimuli; scores 0.90, 0.20.
    """
    truth, decoded, values, name = _gather(data, prediction, scores, metric, subject)
    if not 1 <= shown <= MOST_SHOWN:
        raise InputValueError(f"a figure shows 1 to {MOST_SHOWN} images, not {shown}")
    lower = _lower_is_better(metric or name) if lower_is_better is None else lower_is_better
    order = _order(values, len(truth), lower)
    places = np.unique(np.linspace(0, len(order) - 1, min(shown, len(order))).round().astype(int))
    chosen = order[places]
    columns = min(COLUMNS, len(chosen))
    blocks = -(-len(chosen) // columns)
    cell = (style.WIDTH - 0.4) / COLUMNS
    between = 0.1 if values is None else 0.3  # room for the scores under each pair
    height = blocks * (2 * cell * truth.shape[1] / truth.shape[2] + 0.05 + between) + 0.65
    with style.styled():
        root = style.single(axes, (max(0.4 + columns * cell, 3.2), height))
        title = f"{metric_title(name)} of decoded images" if name else "Seen and decoded images"
        layout.heading(root, title, _note(len(chosen), len(truth), values is not None), above=14)
        panels = layout.panels(root, 2 * blocks, columns, gap=(0.05, 0.05), pairs=between)
        for number_, item in enumerate(chosen):
            block, column = divmod(number_, columns)
            for row, pixels in enumerate((truth[item], decoded[item])):
                _show(panels[(2 * block + row) * columns + column], pixels, row, (SEEN, DECODED)[row] * (column == 0))
            if values is not None:
                _write_score(panels[(2 * block + 1) * columns + column], float(values[item]))
        for panel in panels:
            if not panel.images:
                panel.remove()
        describe(root, _words(values, chosen, len(truth), name, lower))
    return style.root_figure(root)


def _gather(
    data: Any, prediction: Any, scores: Any, metric: str | None, subject: object
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float64] | None, str]:
    """Seen and decoded images, their scores, and the score's name."""
    if isinstance(data, Scores):
        if data.images is None:
            raise InputValueError(f"the scores of {data.name} hold no decoded images")
        values, name = _stimulus_scores(data, metric, subject)
        return data.images["truth"], data.images["prediction"], values, name
    if prediction is None:
        raise InputTypeError("reconstructions take Scores, or two arrays: the images seen and the images decoded")
    truth, decoded = np.asarray(data), np.asarray(prediction)
    for name, images in (("images seen", truth), ("images decoded", decoded)):
        if images.dtype != np.uint8:
            raise InputTypeError(f"the {name} must be uint8, not {images.dtype}")
        if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] != 3) or not images.size:
            raise InputValueError(f"the {name} need the shape (n, height, width, 3), not {images.shape}")
    if truth.shape != decoded.shape:
        raise InputValueError(f"the images seen have shape {truth.shape}, those decoded {decoded.shape}")
    found = None if scores is None else np.asarray(scores, dtype=float)
    if found is not None and found.shape != (len(truth),):
        raise InputValueError(f"there are {len(truth)} images, but scores of shape {found.shape}")
    return truth, decoded, found, metric or ""


def _stimulus_scores(scores: Scores, metric: str | None, subject: object) -> tuple[NDArray[np.float64] | None, str]:
    """The score of every image shown, in the order of the images."""
    names = [str(name) for name in scores.stimuli.data_vars]
    if not names and metric is None:
        return None, ""
    name = metric or names[0]
    if name not in names:
        raise UnknownNameError("metric of single stimuli", name, names)
    values = scores.stimuli[name]
    if "subject" in values.dims:
        labels = [str(label) for label in values["subject"].values]
        if subject is not None and str(subject) not in labels:
            raise UnknownNameError("subject", str(subject), labels)
        values = values.isel(subject=labels.index(str(subject)) if subject is not None else 0)
    images = scores.images or {}
    ids = [str(item) for item in images["ids"]]
    known = dict(zip([str(item) for item in values["stimulus"].values], values.values.astype(float), strict=True))
    return np.array([known.get(item, np.nan) for item in ids]), name


def _lower_is_better(metric: str) -> bool:
    definition = getattr(METRICS.get(metric), "definition", None) if metric in METRICS.names() else None
    return definition is not None and definition.better == "lower"


def _order(values: NDArray[np.float64] | None, amount: int, lower: bool) -> NDArray[np.intp]:
    """Best first; what has no score last."""
    if values is None:
        return np.arange(amount)
    return np.argsort(np.where(np.isfinite(values), values if lower else -values, np.inf), kind="stable")


def _show(axes: Axes, pixels: NDArray[np.uint8], row: int, label: str) -> None:
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[], anchor="S" if row == 0 else "N")  # the two of a pair close together
    axes.spines[:].set_visible(False)
    if label:
        axes.set_ylabel(label, fontsize=style.SMALL, color=style.MUTED, labelpad=4)


def _write_score(axes: Axes, value: float) -> None:
    text = number(value) if np.isfinite(value) else "no score"
    axes.annotate(
        text, (0.5, 0), xycoords="axes fraction", xytext=(0, -3), textcoords="offset points", ha="center", va="top",
        fontsize=style.SMALL,
    )  # fmt: skip


def _note(shown: int, amount: int, sorted_: bool) -> str:
    words = count(amount, "stimulus") if shown == amount else f"{shown} of {count(amount, 'stimulus')}"
    if not sorted_:
        return words + (", evenly spaced" if shown < amount else "")
    return words + (", evenly spaced from best to worst" if shown < amount else ", from best to worst")


def _words(values: NDArray[np.float64] | None, chosen: NDArray[np.intp], amount: int, name: str, lower: bool) -> str:
    words = f"{len(chosen)} of {count(amount, 'stimulus')}"
    if values is None:
        return f"Seen and decoded images: {words}."
    title = metric_title(name) if name else "score"
    shown = ", ".join(number(float(values[item])) for item in chosen)
    direction = ", lower is better" if lower else ""
    label = title if name else "scores"
    return f"Seen and decoded images, sorted from best to worst {title}{direction}: {words}; {label} {shown}."
