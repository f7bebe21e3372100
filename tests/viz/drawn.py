"""Reading figures: what is written in them, and where their points are."""

from __future__ import annotations

import numpy as np


def texts(figure) -> list[str]:
    """Everything that is written in a figure, also inside panels."""
    from matplotlib.text import Text

    return [item.get_text() for item in figure.findobj(Text) if item.get_text() and item.get_visible()]


def points(axes) -> np.ndarray:
    """Positions of all points of a scatter, (n, 2)."""
    return np.concatenate([np.asarray(collection.get_offsets()) for collection in axes.collections])


def panels(figure) -> list:
    """All axes that show something, also those inside others."""
    from matplotlib.axes import Axes

    return [item for item in figure.findobj(Axes) if item.axison or item.images]


def bars(axes) -> list[tuple[float, float, float]]:
    """Left, width and middle of each bar that lies."""
    return [(bar.get_x(), bar.get_width(), bar.get_y() + bar.get_height() / 2) for bar in axes.patches]
