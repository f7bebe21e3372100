"""Figures of similarity: a genetic search, what became of its batch in others, and regions compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braincodec.control.figures import MOST_ROWS, ROW_HEIGHT, _draw_rows, _subject
from braincodec.errors import InputValueError
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, interval, listed, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from braincodec.control.found_batch import SimilaritySearch
    from braincodec.control.region_similarity import RegionSimilarity
    from braincodec.control.similarity_confirmed import SimilarityConfirmation

MOST_REGIONS = 24


def plot_similarity_search(search: SimilaritySearch, axes: Axes | None = None) -> Figure:
    """Draw the best batch over generations, and both regions' similarity matrices of it and of the baseline.

    Parameters
    ----------
    search : SimilaritySearch
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with style.styled():
        root = style.single(axes, (style.WIDTH, 3.9))
        left, right = layout.panels(root, 1, 2, gap=(0.75, 0.3), widths=(1.0, 1.05))
        _draw_history(left, search)
        baseline = _draw_matrices(right, search)
        layout.heading(root, f"Images that {search.title}", _note(search), above=44)
        describe(
            root,
            f"Images that {search.title}: similarity {number(search.similarity)} after "
            f"{count(len(search.history), 'generation')}, in the first {number(search.history['similarity'].iloc[0])}; "
            f"in random batches {number(search.floor)}. Similarity matrices of both regions, of the chosen images "
            f"(correlation {number(search.similarity)}) and of baseline images (correlation {number(baseline)}).",
        )
    return style.root_figure(root)


def _note(search: SimilaritySearch) -> str:
    whose = f"chosen on {count(len(search.subjects), 'subject')}"
    return f"{len(search.chosen)} of {count(len(search.pool), 'image')}, {whose}"


def _draw_history(axes: Axes, search: SimilaritySearch) -> None:
    low, high = np.quantile(search.random, [0.025, 0.975])
    axes.axhspan(low, high, color=style.CEILING, zorder=0)
    axes.axhline(search.floor, color=style.CEILING_EDGE, linewidth=0.9, zorder=1)
    generations, best = search.history["generation"], search.history["similarity"]
    axes.plot(generations, search.history["kept"], color=style.MODEL, linewidth=1.0, linestyle=(0, (4, 3)))
    axes.plot(generations, best, color=style.MODEL)
    axes.set(xlabel="Generation", ylabel="Similarity of the two regions")
    axes.margins(x=0.01)
    layout.horizontal_grid(axes)
    layout.title(axes, "Search", "line: best; dashed: median kept; band: random batches")


def _draw_matrices(axes: Axes, search: SimilaritySearch) -> float:
    """The matrices, images in the order that puts like beside like in the first region; the baseline's correlation."""
    panels = layout.panels(axes, 2, 2, gap=(0.1, 0.32))
    limits = _limits(search.matrices)
    picture: Any = None
    correlations = []
    for row, both in enumerate(search.matrices):
        order = _alike_beside(both[0])
        upper = np.triu_indices(len(order), 1)
        correlations.append(float(np.corrcoef(both[0][upper], both[1][upper])[0, 1]))
        for column, matrix in enumerate(both):
            panel = panels[2 * row + column]
            shown = matrix[np.ix_(order, order)].copy()
            np.fill_diagonal(shown, np.nan)
            picture = panel.imshow(shown, cmap=style.DIVERGING, vmin=-limits, vmax=limits)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
            panel.set_title(search.rois[column], loc="left", pad=3, fontsize=style.SMALL)
        text = f"{('chosen', 'baseline')[row]}\nr = {number(correlations[-1])}"
        panels[2 * row].set_ylabel(text, fontsize=style.SMALL, color=style.MUTED, labelpad=3)
    style.colour_bar(panels[1], picture, "Similarity", (1.06, 0.0, 0.06, 1.0), horizontal=False)
    return correlations[1]


def _limits(matrices: NDArray[np.floating]) -> float:
    size = matrices.shape[-1]
    rows, columns = np.triu_indices(size, 1)
    return float(np.quantile(np.abs(matrices[..., rows, columns]), 0.99)) or 1.0


def _alike_beside(matrix: NDArray[np.floating]) -> NDArray[np.intp]:
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distances = np.clip(1 - matrix, 0, 2).astype(np.float64)
    distances = (distances + distances.T) / 2
    np.fill_diagonal(distances, 0)
    return np.asarray(leaves_list(linkage(squareform(distances, checks=False), "average")), np.intp)


def plot_similarity_confirmation(confirmation: SimilarityConfirmation, axes: Axes | None = None) -> Figure:
    """Draw the similarity of the chosen images in each held-out subject, beside that of random batches.

    Parameters
    ----------
    confirmation : SimilarityConfirmation
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = confirmation.table.rename(columns={"similarity": "effect"})
    subjects = rows["subject"].tolist()
    if len(subjects) > MOST_ROWS:
        raise InputValueError(f"{len(subjects)} subjects do not fit one figure; draw the table of some")
    level = confirmation.settings["level"]
    with style.styled():
        axes = style.single(axes, (5.2, max(2.0, 1.15 + ROW_HEIGHT * len(subjects))))
        _draw_rows(axes, rows, subjects, labelled=True)
        axes.axvline(confirmation.chosen_similarity, color=style.OTHER, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
        axes.set_xlabel("Similarity (dashed: where chosen; tick: random batches)")
        layout.title(axes, f"Held out: images that {confirmation.title}", f"tested on {confirmation.manner}")
        texts = [
            f"{_subject(row['subject'])}: {number(row['effect'])}"
            + (f" ({words})" if (words := interval(row["low"], row["high"], level)) else "")
            + f", random batches {number(row['floor'])}"
            for row in rows.to_dict("records")
        ]
        describe(
            axes,
            f"Similarity of regions in images that {confirmation.title}, tested on {confirmation.manner}. "
            f"{listed(texts, MOST_ROWS)}. Where they were chosen it was {number(confirmation.chosen_similarity)}.",
        )
    return style.root_figure(axes)


def plot_region_similarity(similarity: RegionSimilarity, axes: Axes | None = None) -> Figure:
    """Draw how alike every two regions represent the image set; on the diagonal, how alike subjects do.

    Parameters
    ----------
    similarity : RegionSimilarity
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputValueError
        With more regions than one figure holds.
    """
    rois = similarity.rois
    if len(rois) > MOST_REGIONS:
        raise InputValueError(f"a figure has at most {MOST_REGIONS} regions, not {len(rois)}; choose rois=[...]")
    shown = similarity.by_subject.mean(axis=0)
    np.fill_diagonal(shown, similarity.across)
    off = shown[~np.eye(len(rois), dtype=bool)]
    known = shown[np.isfinite(shown)]
    limits = (min(0.0, float(known.min())), max(float(known.max()), 0.1))
    side = max(3.4, 0.46 * len(rois) + 1.5)
    with style.styled():
        axes = style.single(axes, (side + 0.9, side), fixed=True)
        picture = axes.imshow(shown, cmap=style.SEQUENTIAL, vmin=limits[0], vmax=limits[1])
        axes.set(xticks=range(len(rois)), yticks=range(len(rois)))
        axes.set_xticklabels(rois, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticklabels(rois)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        _write_values(axes, shown, limits)
        style.colour_bar(axes, picture, "Similarity", (1.04, 0.2, 0.04, 0.6), horizontal=False)
        subjects = count(len(similarity.subjects), "subject")
        note = f"{count(int(similarity.settings['images']), 'image')}, {subjects}"
        note += "; diagonal: across subjects" if len(similarity.subjects) > 1 else ""
        layout.title(axes, "Similarity of what regions represent", note)
        pairs = similarity.table.sort_values("similarity", ascending=False)
        texts = [f"{row.roi_1} and {row.roi_2} {number(row.similarity)}" for row in pairs.itertuples()]
        across = ""
        if len(similarity.subjects) > 1:
            own = [f"{roi} {number(value)}" for roi, value in zip(rois, similarity.across, strict=True)]
            across = f" The same region across subjects: {listed(own)}."
        describe(
            axes,
            f"Similarity of {count(len(rois), 'region')} over {note.split(';')[0]}: {number(float(off.min()))} to "
            f"{number(float(off.max()))}. From the most alike: {listed(texts)}.{across}",
        )
    return style.root_figure(axes)


def _write_values(axes: Axes, shown: NDArray[np.float64], limits: tuple[float, float]) -> None:
    middle = limits[0] + 0.6 * (limits[1] - limits[0])
    for (row, column), value in np.ndenumerate(shown):
        if np.isfinite(value):
            colour = style.INK if value > middle else "white"
            axes.text(column, row, number(float(value)), ha="center", va="center", fontsize=style.TINY, color=colour)
