"""The chosen images of a search, above the baseline images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braincodec.control.batches import Positions
from braincodec.errors import InputValueError, MissingFileError
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from braincodec.control.found_batch import SimilaritySearch
    from braincodec.control.found_images import Search
    from braincodec.stimuli import StimulusSet

COLUMNS, MOST_SHOWN = 9, 100
THUMBNAIL = 160  # pixels of the longer side
CHOSEN, BASELINE = "chosen", "baseline"


def plot_images(
    search: Search | SimilaritySearch, images: Any = None, shown: int = 25, axes: Axes | None = None
) -> Figure:
    """Draw the chosen images, best first, and below them the baseline images.

    Parameters
    ----------
    search : Search or SimilaritySearch
    images : optional
        The stimulus set, or anything `StimulusSet.open` takes; default: where the store says they lie.
    shown : int
        At most so many of each, 1 to 100.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputValueError
        When an image is not among those given, or another number is to be shown.
    MissingFileError
        When it is not known where the images lie.
    """
    if not 1 <= shown <= MOST_SHOWN:
        raise InputValueError(f"a sheet shows 1 to {MOST_SHOWN} images, not {shown}")
    stimuli = open_images(search, images)
    groups = {CHOSEN: search.chosen[:shown], BASELINE: search.baseline_positions[:shown]}
    amount = max(map(len, groups.values()))
    columns = min(COLUMNS, amount)
    rows = -(-amount // columns)
    cell = style.WIDTH / COLUMNS
    with style.styled():
        root = style.single(axes, (style.WIDTH, 2 * (rows * cell + 0.3) + 0.5))
        title, ordered = f"Images that {search.title}", hasattr(search, "scores")
        of = f"{count(len(search.chosen), 'image')} of {len(search.ids):,}"
        layout.heading(root, title, f"{of}{', best first' if ordered else ''}", above=24)
        panels = layout.panels(root, 2 * rows, columns, gap=(0.04, 0.04), pairs=0.3, together=rows)
        for place, (what, positions) in enumerate(groups.items()):
            first = panels[place * rows * columns]
            first.set_title(what, loc="left", pad=3, fontsize=style.SMALL, color=style.MUTED, fontweight="normal")
            for number, pixels in enumerate(thumbnails(stimuli, search.ids[positions])):
                panel = panels[(place * rows + number // columns) * columns + number % columns]
                panel.imshow(pixels)
                panel.set(xticks=[], yticks=[])
                panel.spines[:].set_visible(False)
        for panel in panels:
            if not panel.images:
                panel.remove()
        names = "; ".join(f"{what}: {listed(search.ids[at].tolist())}" for what, at in groups.items())
        describe(root, f"{title}, {of}, above baseline images. {names}.")
    return style.root_figure(root)


def open_images(search: Search | SimilaritySearch, images: Any) -> StimulusSet:
    """The stimulus set of a search."""
    from braincodec.stimuli import StimulusSet

    if images is not None:
        stimuli = StimulusSet.open(images)
    elif search.source is not None:
        stimuli = search.source.images()
    else:
        raise MissingFileError("images", "stimulus set of a search read from disk", "give images=, a folder or a set")
    wanted = np.concatenate([search.ids[search.chosen], search.ids[search.baseline_positions]])
    absent = wanted[~np.isin(wanted, stimuli.ids)]
    if len(absent):
        raise InputValueError(
            f"{len(absent)} images of the search are not among the {len(stimuli):,} given, such as {str(absent[0])!r}; "
            f"theirs are named as {str(stimuli.ids[0])!r}"
        )
    return stimuli


def thumbnails(stimuli: StimulusSet, ids: Positions | NDArray[np.str_]) -> list[NDArray[np.uint8]]:
    """Small copies of some images."""
    from PIL import Image

    small = []
    for name in ids:
        picture = Image.fromarray(np.ascontiguousarray(stimuli[str(name)]))
        picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        small.append(np.asarray(picture))
    return small
