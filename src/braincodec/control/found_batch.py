"""A batch of images that was chosen by how alike two regions represent them: what a multivariate search gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from braincodec.control.batches import Positions
from braincodec.control.found_images import SHOWN
from braincodec.control.multivariate import Goal
from braincodec.control.sources import Source
from braincodec.subjects import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from braincodec.control.similarity_confirmed import SimilarityConfirmation


@dataclass(frozen=True, eq=False)
class SimilaritySearch:
    """A batch of images that was chosen by how alike two regions represent them.

    Made by `search_similarity` or `load`.

    Attributes
    ----------
    rois : (str, str)
    goal : {"align", "disentangle"}
    subjects : list of str
        Those that the choice was made on.
    ids : array of str
        Of all images of the set.
    pool : array of int
        Positions of those that were searched.
    chosen, baseline_positions : array of int
        Positions of the batch, and of the random batch whose similarity is nearest to the mean of random ones.
    batches : array of int, shape (generations, images)
        The best batch of each generation.
    history : DataFrame
        ``generation``, ``similarity`` of the best batch, ``kept``: median of those that went on.
    random : array
        Similarity in random batches.
    matrices : array, shape (2, 2, images, images)
        Similarity matrices of the chosen and of the baseline batch in each region.
    units : int
        Of both regions and all subjects.
    settings : dict
    source : Source or None
    """

    rois: tuple[str, str]
    goal: Goal
    subjects: list[str]
    ids: NDArray[np.str_]
    pool: Positions
    chosen: Positions
    baseline_positions: Positions
    batches: Positions
    history: pd.DataFrame
    random: NDArray[np.float64]
    matrices: NDArray[np.floating]
    units: int
    settings: dict[str, Any]
    source: Source | None = field(default=None, repr=False)

    @property
    def similarity(self) -> float:
        """Correlation of the two regions' similarity matrices in the chosen batch, on the data of the choice."""
        return float(self.history["similarity"].iloc[-1])

    @property
    def floor(self) -> float:
        """Mean of that correlation over random batches."""
        return float(self.random.mean())

    @property
    def title(self) -> str:
        """What was looked for, in words."""
        return f"{self.goal} {self.rois[0]} and {self.rois[1]}"

    @property
    def stimuli(self) -> pd.DataFrame:
        """The chosen images in the order of the set: their ids."""
        return pd.DataFrame({"stimulus": self.ids[self.chosen]})

    @property
    def baseline(self) -> pd.DataFrame:
        """The baseline images: their ids."""
        return pd.DataFrame({"stimulus": self.ids[self.baseline_positions]})

    def confirm(
        self,
        subject: Subject | Sequence[Subject] | None = None,
        *,
        by: Literal["subject", "units"] | None = None,
        source: Any = None,
        progress: bool | None = None,
    ) -> SimilarityConfirmation:
        """Test the choice on data that had no part in it; see `braincodec.control.Search.confirm`.

        Parameters
        ----------
        subject : int, str or sequence, optional
        by : {"subject", "units"}, optional
            Here the genetic search is made again for each subject, or each half of the units, that is left out.
        source : optional
        progress : bool, optional

        Returns
        -------
        SimilarityConfirmation
        """
        from braincodec.control.similarity_confirmed import confirm

        return confirm(self, subject, by, source, progress)

    def plot(self, axes: Axes | None = None) -> Figure:
        """Draw the search over generations, and both regions' similarity of the chosen and of the baseline images."""
        from braincodec.control.figures_similarity import plot_similarity_search

        return plot_similarity_search(self, axes)

    def images(self, images: Any = None, *, shown: int = SHOWN, axes: Axes | None = None) -> Figure:
        """Draw the chosen above the baseline images; see `braincodec.control.Search.images`."""
        from braincodec.control.sheet import plot_images

        return plot_images(self, images, shown, axes)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write to a folder of JSON, CSV and arrays; `load` reads it."""
        from braincodec.control.storage import write_folder

        names = ("ids", "pool", "chosen", "baseline_positions", "batches", "random", "matrices")
        arrays = {name: getattr(self, name) for name in names}
        return write_folder(folder, self.to_dict(), arrays, self.stimuli, overwrite)

    @classmethod
    def restored(cls, about: dict[str, Any], arrays: dict[str, Any]) -> SimilaritySearch:
        """From what `save` wrote."""
        history = pd.DataFrame(about["history"])
        first, second = about["rois"]
        return cls(
            rois=(first, second), goal=about["goal"], subjects=about["subjects"], history=history,
            units=about["units"], settings=about["settings"], **arrays,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Everything but matrices and the batches of all generations."""
        return {
            "kind": "multivariate",
            "goal": self.goal,
            "rois": list(self.rois),
            "subjects": self.subjects,
            "settings": self.settings,
            "responses": self.source.about if self.source is not None else {},
            "similarity": self.similarity,
            "floor": self.floor,
            "units": self.units,
            "searched": len(self.pool),
            "stimuli": self.stimuli.to_dict("records"),
            "baseline": self.baseline.to_dict("records"),
            "history": self.history.to_dict("list"),
        }

    def __str__(self) -> str:
        whose = f"subject{'s' if len(self.subjects) > 1 else ''} {', '.join(self.subjects)}"
        return (
            f"{len(self.chosen)} of {len(self.pool):,} images that {self.title}, chosen on {whose}: similarity "
            f"{self.similarity:.2f}, in random batches {self.floor:.2f}; not confirmed yet: see confirm()"
        )
