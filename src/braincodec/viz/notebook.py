"""Figures that show themselves in a notebook, though pyplot does not know of them."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.figure import Figure

from braincodec.viz.alternative import text_alternative
from braincodec.viz.style import styled

# sharp on screens of twice the pixels; the width below is that in the page
RESOLUTION, PIXELS_PER_INCH = 192, 96


class ShownFigure(Figure):
    """A figure that IPython displays as a picture when it is what a cell ends with; nothing else keeps it alive.

    Examples
    --------
    >>> picture, facts = ShownFigure(figsize=(2, 1))._repr_png_()
    >>> picture[1:4], facts["width"]
    (b'PNG', 192)
    """

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        """PNG, and its width in the page and its text alternative, as IPython asks for them."""
        memory = io.BytesIO()
        with styled():
            self.savefig(memory, format="png", dpi=RESOLUTION)
        width, height = (round(inches * PIXELS_PER_INCH) for inches in self.get_size_inches())
        return memory.getvalue(), {"width": width, "height": height, "alt": text_alternative(self)}
