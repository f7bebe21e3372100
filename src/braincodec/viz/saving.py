"""Write figures with their text alternative inside the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.atomic import atomic_path
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.viz.alternative import text_alternative
from braincodec.viz.style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# where each format keeps a description; dates are left out, so that equal figures give equal files
DESCRIPTION = {".png": "Description", ".svg": "Description", ".pdf": "Subject"}
DATE = {".svg": "Date", ".pdf": "CreationDate"}


def save_figure(path: str | Path, figure: Figure, *, resolution: int = 150, transparent: bool = False) -> Path:
    """Write a figure, with its text alternative as the file's description.

    Parameters
    ----------
    path : str or Path
        Ends in ``.png``, ``.svg`` or ``.pdf``; an existing file is replaced, whole or not at all.
    figure : matplotlib.figure.Figure
    resolution : int
        Dots per inch; of SVG and PDF files, that of the images inside.
    transparent : bool
        No white behind the figure.

    Returns
    -------
    Path

    Raises
    ------
    UnknownNameError
        For another suffix.
    OutputError
        When the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> from matplotlib.figure import Figure
    >>> from braincodec.viz import describe
    >>> figure = Figure(figsize=(1, 1))
    >>> describe(figure, "An empty square.")
    >>> path = save_figure(Path(tempfile.mkdtemp()) / "empty.png", figure)
    >>> Image.open(path).text["Description"]
    'An empty square.'
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in DESCRIPTION:
        raise UnknownNameError("suffix of a figure", path.suffix, DESCRIPTION)
    if resolution <= 0:
        raise InputValueError(f"the resolution of a figure must be positive, not {resolution}")
    metadata: dict[str, Any] = {DESCRIPTION[suffix]: text_alternative(figure)}
    if suffix in DATE:
        metadata[DATE[suffix]] = None
    with styled(), atomic_path(path, overwrite=True) as temporary:
        figure.savefig(temporary, dpi=resolution, transparent=transparent, metadata=metadata)
    return path
