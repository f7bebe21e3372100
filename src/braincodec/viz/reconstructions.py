"""Decoded images beside the images that were seen, sorted by score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.metric import METRICS
from braincodec.evaluation.scores import Scores
from braincodec.evaluation.scores.of_images import scores_of_images
from braincodec.evaluation.scores.scores import SAMPLES
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, number
from braincodec.viz.unit_values import metric_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS, SHOWN, MOST_SHOWN, MOST_SAMPLES = 6, 12, 60, 8
SEEN, DECODED = "seen", "decoded"

Which = Literal["spread", "best", "median", "worst"]
CHOSEN = {
    "spread": "evenly spaced from best to worst",
    "best": "the best",
    "median": "those around the median",
    "worst": "the worst",
}


class Images(NamedTuple):
    """What a sheet shows.

    Parameters
    ----------
    truth : array of uint8, shape (n, height, width[, 3])
    decoded : array of uint8, shape (n, samples, height, width[, 3])
    scores : array, shape (n,), or None
    metric : str
        Empty where it has no name.
    """

    truth: NDArray[np.uint8]
    decoded: NDArray[np.uint8]
    scores: NDArray[np.float64] | None
    metric: str


def plot_reconstructions(
    data: Scores | ArrayLike,
    prediction: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    *,
    metric: str | None = None,
    subject: object = None,
    shown: int = SHOWN,
    which: Which = "spread",
    samples: int = 1,
    lower_is_better: bool | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw each image that was seen over the images that were decoded, best first, with its score.

    Parameters
    ----------
    data : Scores or array of uint8, shape (n, height, width[, 3])
        With scores of decoded images, or the images that were seen.
    prediction : array of uint8, of the same shape, or (n, samples, height, width, 3), optional
        The decoded images; of scores, their own.
    scores : array (n,), optional
        Of arrays: what to sort by; without it, images stay in order.
    metric : str, optional
        A score of every stimulus, to sort by; default: the first there is of images.
    subject : optional
        Of scores with several subjects: whose images; default: all.
    shown : int
        At most this many images, and at most 60.
    which : {"spread", "best", "median", "worst"}
        Where there are more images than are shown: some evenly from the best to the worst, or those at one place.
    samples : int
        At most this many decoded images of each stimulus, below each other, and at most 8.
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
    UnknownNameError
        For an unknown `which`, metric or subject.

    Examples
    --------
    >>> from braincodec.viz import text_alternative
    >>> images = np.zeros((2, 8, 8, 3), np.uint8)
    >>> print(text_alternative(plot_reconstructions(images, images, [0.2, 0.9])))
    Seen and decoded images, sorted from best to worst score: 2 of 2 stimuli; scores 0.90, 0.20.
    """
    images = _gather(data, prediction, scores, metric, subject)
    _check_amounts(shown, samples, which)
    lower = _lower_is_better(metric or images.metric) if lower_is_better is None else lower_is_better
    chosen = _choose(_order(images.scores, len(images.truth), lower), images.scores, shown, which)
    with style.styled():
        root = _draw(images, chosen, min(samples, images.decoded.shape[1]), which, axes)
        describe(root, _words(images, chosen, which, lower))
    return style.root_figure(root)


def _check_amounts(shown: int, samples: int, which: str) -> None:
    if not 1 <= shown <= MOST_SHOWN:
        raise InputValueError(f"a figure shows 1 to {MOST_SHOWN} images, not {shown}")
    if not 1 <= samples <= MOST_SAMPLES:
        raise InputValueError(f"a figure shows 1 to {MOST_SAMPLES} samples of each stimulus, not {samples}")
    if which not in get_args(Which):
        raise UnknownNameError("which", which, get_args(Which), where="of images to show")


def _draw(images: Images, chosen: NDArray[np.intp], samples: int, which: str, axes: Axes | None) -> Axes:
    truth, decoded, values, name = images
    columns = min(COLUMNS, len(chosen))
    blocks, rows = -(-len(chosen) // columns), 1 + samples
    cell = (style.WIDTH - 0.4) / COLUMNS
    between = 0.1 if values is None else 0.3  # room for the scores under each group
    height = blocks * (rows * cell * truth.shape[1] / truth.shape[2] + 0.05 * samples + between) + 0.65
    root = style.single(axes, (max(0.4 + columns * cell, 3.2), height))
    title = f"{metric_title(name)} of decoded images" if name else "Seen and decoded images"
    layout.heading(root, title, _note(len(chosen), len(truth), values is not None, which) + _below(name), above=14)
    panels = layout.panels(root, rows * blocks, columns, gap=(0.05, 0.05), pairs=between, together=rows)
    for position, item in enumerate(chosen):
        block, column = divmod(position, columns)
        for row, pixels in enumerate((truth[item], *decoded[item, :samples])):
            # named once, at the left; of several samples the first
            label = (SEEN, DECODED)[min(row, 1)] * (column == 0 and row < 2)
            _show(panels[(rows * block + row) * columns + column], pixels, row, label, pair=samples == 1)
        if values is not None:
            _write_score(panels[(rows * block + samples) * columns + column], float(values[item]))
    for panel in panels:
        if not panel.images:
            panel.remove()
    return root


def _gather(data: Any, prediction: Any, scores: Any, metric: str | None, subject: object) -> Images:
    """Seen and decoded images, their scores, and the score's name."""
    if isinstance(data, Scores):
        return _images_of_scores(data, metric, subject)
    if prediction is None:
        raise InputTypeError("reconstructions take Scores, or two arrays: the images seen and the images decoded")
    truth, decoded = np.asarray(data), np.asarray(prediction)
    if decoded.ndim == 5:
        first, several = decoded[:, 0], decoded
    else:
        first, several = decoded, decoded[:, None]
    for name, images in (("images seen", truth), ("images decoded", first)):
        if images.dtype != np.uint8:
            raise InputTypeError(f"the {name} must be uint8, not {images.dtype}")
        if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] != 3) or not images.size:
            raise InputValueError(f"the {name} need the shape (n, height, width, 3), not {images.shape}")
    if truth.shape != first.shape:
        raise InputValueError(f"the images seen have shape {truth.shape}, those decoded {first.shape}")
    found = None if scores is None else np.asarray(scores, dtype=float)
    if found is not None and found.shape != (len(truth),):
        raise InputValueError(f"there are {len(truth)} images, but scores of shape {found.shape}")
    return Images(truth, several, found, metric or "")


def _images_of_scores(scores: Scores, metric: str | None, subject: object) -> Images:
    if scores.images is None:
        raise InputValueError(f"the scores of {scores.name} hold no decoded images")
    truth, prediction = (np.asarray(scores.images[name]) for name in ("truth", "prediction"))
    decoded = np.asarray(scores.images.get(SAMPLES, prediction[:, None]))
    of_images = scores.of_direction("decoding") if "decoding" in scores.directions else scores
    names = [str(name) for name in of_images.stimuli.data_vars]
    if not names and metric is None:
        return Images(truth, decoded, None, "")
    name = metric or names[0]
    values = scores_of_images(of_images, name, subject)
    kept = np.isfinite(values) if subject is not None else np.ones(len(values), bool)
    return Images(truth[kept], decoded[kept], values[kept], name)


def _lower_is_better(metric: str) -> bool:
    definition = getattr(METRICS.get(metric), "definition", None) if metric in METRICS.names() else None
    return definition is not None and definition.better == "lower"


def _order(values: NDArray[np.float64] | None, amount: int, lower: bool) -> NDArray[np.intp]:
    """Best first; what has no score last."""
    if values is None:
        return np.arange(amount)
    return np.argsort(np.where(np.isfinite(values), values if lower else -values, np.inf), kind="stable")


def _choose(order: NDArray[np.intp], values: NDArray[np.float64] | None, shown: int, which: str) -> NDArray[np.intp]:
    """Those that are drawn, still best first; what has no score is neither worst nor in the middle."""
    if which == "spread":
        places = np.linspace(0, len(order) - 1, min(shown, len(order))).round().astype(int)
        return order[np.unique(places)]
    known = order if values is None else order[np.isfinite(values[order])]
    known = known if len(known) else order
    first = {"best": 0, "median": (len(known) - shown) // 2, "worst": len(known) - shown}[which]
    return known[max(0, first) :][:shown]


def _show(axes: Axes, pixels: NDArray[np.uint8], row: int, label: str, *, pair: bool) -> None:
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)
    anchor = ("S" if row == 0 else "N") if pair else "C"  # the two of a pair close together
    axes.set(xticks=[], yticks=[], anchor=anchor)
    axes.spines[:].set_visible(False)
    if label:
        axes.set_ylabel(label, fontsize=style.SMALL, color=style.MUTED, labelpad=4)


def _write_score(axes: Axes, value: float) -> None:
    text = number(value) if np.isfinite(value) else "no score"
    axes.annotate(
        text, (0.5, 0), xycoords="axes fraction", xytext=(0, -3), textcoords="offset points", ha="center", va="top",
        fontsize=style.SMALL,
    )  # fmt: skip


def _note(shown: int, amount: int, sorted_: bool, which: str) -> str:
    words = count(amount, "stimulus") if shown == amount else f"{shown} of {count(amount, 'stimulus')}"
    if not sorted_:
        return words + (f", {CHOSEN[which].removesuffix(' from best to worst')}" if shown < amount else "")
    return words + (f", {CHOSEN[which]}" if shown < amount else ", from best to worst")


def _below(metric: str) -> str:
    """What the numbers below the images are, where the metric has a level of chance to read them by."""
    definition = getattr(METRICS.get(metric), "definition", None) if metric in METRICS.names() else None
    if definition is None or not definition.chance:
        return ""
    return f"; below each its score, chance {number(definition.chance)}"


def _words(images: Images, chosen: NDArray[np.intp], which: str, lower: bool) -> str:
    amount, values, name = len(images.truth), images.scores, images.metric
    words = f"{len(chosen)} of {count(amount, 'stimulus')}"
    if len(chosen) < amount and which != "spread":
        words += f", {CHOSEN[which]}"
    if values is None:
        return f"Seen and decoded images: {words}."
    title = metric_title(name) if name else "score"
    shown = ", ".join(number(float(values[item])) for item in chosen)
    direction = ", lower is better" if lower else ""
    label = title if name else "scores"
    return f"Seen and decoded images, sorted from best to worst {title}{direction}: {words}; {label} {shown}."
