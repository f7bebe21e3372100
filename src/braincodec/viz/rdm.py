"""Representational dissimilarity matrices: one, and measured beside predicted by region."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.scores import ALL_UNITS, Scores
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, distribution, listed, number
from braincodec.viz.rows import region_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("measured", "predicted")
COLUMNS, MOST_REGIONS = 5, 20
PANEL = 1.35  # inches
SYMMETRY = 1e-6


def plot_rdm(
    data: Scores | ArrayLike,
    *,
    roi: str = ALL_UNITS,
    kind: Literal["measured", "predicted"] = "measured",
    subject: object = None,
    title: str = "",
    label: str = "Dissimilarity",
    axes: Axes | None = None,
) -> Figure:
    """Draw how dissimilar the responses to each pair of stimuli are.

    Parameters
    ----------
    data : Scores, array (n, n), or array (pairs,)
        A symmetric matrix, or its upper triangle row by row as `scipy.spatial.distance.pdist` gives it.
    roi, kind, subject : optional
        Which matrix of scores; of several subjects, the mean unless one is chosen.
    title : str
        Default: the region.
    label : str
        What the colours mean, such as ``"Decoding accuracy"``.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputTypeError, InputValueError
        When it is no dissimilarity matrix.

    Examples
    --------
    >>> from braincodec.viz import text_alternative
    >>> print(text_alternative(plot_rdm([0.2, 0.4, 0.6])))
    Dissimilarity matrix of 3 stimuli: median 0.40, middle half 0.30 to 0.50.
    """
    if isinstance(data, Scores):
        pairs = _pairs(data, roi, kind, subject)
        title = title or f"{kind.capitalize()}, {region_title(roi)}"
    else:
        pairs = _condensed(np.asarray(data))
    matrix = _square(pairs)
    if not np.isfinite(pairs).any():
        raise InputValueError("the dissimilarity matrix has no known value")
    with style.styled():
        axes = style.single(axes, (3.9, 3.6), fixed=True)
        picture = _draw(axes, matrix, (float(np.nanmin(pairs)), float(np.nanmax(pairs))))
        style.colour_bar(axes, picture, label, (1.04, 0.2, 0.04, 0.6), horizontal=False)
        layout.title(axes, title or "Dissimilarity of responses", count(len(matrix), "stimulus"))
        place = f" ({title})" if title else ""
        describe(axes, f"{label} matrix{place} of {count(len(matrix), 'stimulus')}: {distribution(pairs)}.")
    return style.root_figure(axes)


def plot_rdms(
    data: Scores,
    *,
    rois: str | Sequence[str] | None = None,
    subject: object = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw measured over predicted dissimilarities of each region, as ranks, with how well they agree.

    Parameters
    ----------
    data : Scores
        With dissimilarity matrices.
    rois : str or sequence of str, optional
        Default: all.
    subject : optional
        Default: the mean of all.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Colours are percentiles within a matrix, because the two are on different scales. The number below each pair is
        Spearman's correlation of the two.

    Raises
    ------
    InputTypeError, InputValueError
        When there are no matrices, no such region, or more regions than one figure holds.
    """
    if not isinstance(data, Scores):
        raise InputTypeError(f"measured and predicted matrices come from Scores, not from {type(data).__name__}")
    names = _regions(data) if rois is None else [rois] if isinstance(rois, str) else list(rois)
    if not names and rois is None:
        raise InputValueError(f"the scores of {data.name} hold no dissimilarity matrices")
    if not 0 < len(names) <= MOST_REGIONS:
        raise InputValueError(f"a figure has 1 to {MOST_REGIONS} regions, not {len(names)}; choose rois=[...]")
    both = [[_pairs(data, name, kind, subject) for kind in KINDS] for name in names]
    columns = min(COLUMNS, len(names))
    blocks = -(-len(names) // columns)
    words = []
    with style.styled():
        root = style.single(axes, (PANEL * columns + 1.2, blocks * (2 * PANEL + 0.42) + 0.55))
        stimuli = len(_square(both[0][0]))
        layout.heading(root, "Dissimilarity of responses", f"{count(stimuli, 'stimulus')}; below: rank correlation")
        panels = layout.panels(root, 2 * blocks, columns, gap=(0.1, 0.06), pairs=0.34)
        for position, (name, pairs) in enumerate(zip(names, both, strict=True)):
            block, column = divmod(position, columns)
            agreement = rank_correlation(*pairs)
            for row, values in enumerate(pairs):
                panel = panels[(2 * block + row) * columns + column]
                picture = _draw(panel, _square(_percentiles(values)), (0.0, 100.0))
                if column == 0:
                    panel.set_ylabel(KINDS[row], fontsize=style.SMALL, color=style.MUTED, labelpad=3)
                panel.set_anchor("S" if row == 0 else "N")
                if row == 0:
                    layout.panel_titles([panel], [region_title(name)])
            panel.set_xlabel(number(agreement), fontsize=style.SMALL, labelpad=3)
            words.append(f"{region_title(name)}: rank correlation {number(agreement)}")
        for panel in panels:
            if not panel.images:
                panel.remove()
        style.colour_bar(panels[2 * columns - 1], picture, "Percentile", (1.08, 0.1, 0.07, 0.8), horizontal=False)
        describe(
            root, f"Measured and predicted dissimilarity matrices of {count(stimuli, 'stimulus')}. {listed(words)}."
        )
    return style.root_figure(root)


def rank_correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Spearman's correlation of two sets of dissimilarities, without pairs that are NaN in one.

    Examples
    --------
    >>> round(rank_correlation(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0])), 6)
    0.8
    """
    from scipy.stats import rankdata

    known = np.isfinite(first) & np.isfinite(second)
    if known.sum() < 2:
        return float("nan")
    ranks = [rankdata(values[known]) for values in (first, second)]
    if min(float(np.ptp(rank)) for rank in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def _regions(scores: Scores) -> list[str]:
    return [str(roi) for roi in scores.rdms["roi"].values] if "roi" in scores.rdms.coords else []


def _pairs(scores: Scores, roi: str, kind: str, subject: object) -> NDArray[np.float64]:
    if kind not in KINDS:
        raise UnknownNameError("kind of dissimilarity", kind, KINDS)
    if kind not in scores.rdms:
        raise InputValueError(f"the scores of {scores.name} hold no dissimilarity matrices")
    known = _regions(scores)
    if roi not in known:
        raise UnknownNameError("roi", roi, known)
    values = scores.rdms[kind].isel(roi=known.index(roi))
    if "subject" in values.dims:
        labels = [str(label) for label in values["subject"].values]
        if subject is not None and str(subject) not in labels:
            raise UnknownNameError("subject", str(subject), labels)
        values = values.mean("subject") if subject is None else values.isel(subject=labels.index(str(subject)))
    return _condensed(values.values)


def _condensed(values: NDArray[Any]) -> NDArray[np.float64]:
    """The upper triangle of a matrix, or the triangle as it was given."""
    if values.dtype.kind not in "biuf":
        raise InputTypeError(f"dissimilarities must be real numbers, not {values.dtype}")
    values = values.astype(float)
    if values.ndim == 2 and values.shape[0] == values.shape[1] >= 2:
        if not np.allclose(values, values.T, atol=SYMMETRY, equal_nan=True):
            raise InputValueError("a dissimilarity matrix is symmetric; this one is not")
        return np.asarray(values[np.triu_indices(len(values), 1)])
    size = _stimuli(values.size)
    if values.ndim != 1 or size * (size - 1) // 2 != values.size or size < 2:
        raise InputValueError(f"dissimilarities need the shape (n, n) or (n (n - 1) / 2,), not {values.shape}")
    return values


def _stimuli(pairs: int) -> int:
    return round((1 + math.sqrt(1 + 8 * pairs)) / 2)


def _square(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    size = _stimuli(pairs.size)
    matrix = np.full((size, size), np.nan)  # nothing is drawn for a stimulus and itself
    matrix[np.triu_indices(size, 1)] = pairs
    matrix.T[np.triu_indices(size, 1)] = pairs
    return matrix


def _percentiles(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    known = np.isfinite(pairs)
    shown = np.full(pairs.shape, np.nan)
    shown[known] = 100 * (rankdata(pairs[known]) - 1) / max(int(known.sum()) - 1, 1)
    return shown


def _draw(axes: Axes, matrix: NDArray[np.float64], limits: tuple[float, float]) -> Any:
    picture = axes.imshow(matrix, cmap=style.SEQUENTIAL, vmin=limits[0], vmax=limits[1])
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return picture
