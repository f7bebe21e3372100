"""Images that were chosen by how regions respond to them: what a search gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from braincodec.control.batches import Positions
from braincodec.control.confirmation import Effect
from braincodec.control.rows import CONTRAST, effect_of
from braincodec.control.sources import Source
from braincodec.control.univariate import contrast
from braincodec.subjects import Subject

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from braincodec.control.confirmed import Confirmation

SHOWN = 25


@dataclass(frozen=True, eq=False)
class Search:
    """Images that were chosen, by how regions respond to them.

    Made by `search` or `load`.

    Attributes
    ----------
    responses : DataArray
        Mean responses (subject, roi, stimulus) of the subjects that the choice was made on, to all images.
    drive, suppress : tuple of str
    chosen, baseline_positions : array of int
        Positions of images in the stimulus set.
    effects : DataFrame
        Chosen minus baseline, of the contrast and of each region; see `braincodec.control.rows.COLUMNS`.
    settings : dict
    source : Source or None
        Where other subjects' responses are; None for a search that was read from disk.
    """

    responses: xr.DataArray
    drive: tuple[str, ...]
    suppress: tuple[str, ...]
    chosen: Positions
    baseline_positions: Positions
    effects: pd.DataFrame
    settings: dict[str, Any]
    source: Source | None = field(default=None, repr=False)

    @property
    def rois(self) -> list[str]:
        """Regions, those to drive first."""
        return [*self.drive, *self.suppress]

    @property
    def signs(self) -> NDArray[np.float64]:
        """1 for each region to drive, -1 for each to suppress."""
        return np.array([1.0] * len(self.drive) + [-1.0] * len(self.suppress))

    @property
    def subjects(self) -> list[str]:
        """Those that the choice was made on."""
        return self.responses["subject"].values.astype(str).tolist()

    @property
    def ids(self) -> NDArray[np.str_]:
        """Of all images, in their order."""
        return np.asarray(self.responses["stimulus"].values)

    @property
    def scores(self) -> NDArray[np.float64]:
        """Contrast of every image, in their order; NaN without responses."""
        return np.asarray(contrast(self.responses.values.mean(axis=0), self.signs))

    @property
    def stimuli(self) -> pd.DataFrame:
        """The chosen images, best first: rank, stimulus, score (contrast), mean response of each region."""
        return self._table(self.chosen)

    @property
    def baseline(self) -> pd.DataFrame:
        """The baseline images, in the order of the set; columns as `stimuli`."""
        return self._table(self.baseline_positions)

    @property
    def effect(self) -> Effect:
        """Contrast of the chosen minus that of the baseline images, on the data of the choice itself.

        It is large also where there is nothing to find, because the images were chosen for it: its floor says how
        large. Its p asks whether subjects agree more than shuffled ones; of one subject it is 1.
        """
        return effect_of(self.effects, self.settings["level"])

    @property
    def title(self) -> str:
        """What was looked for, in words."""
        parts = [
            f"{verb} {' and '.join(names)}"
            for verb, names in (("drive", self.drive), ("suppress", self.suppress))
            if names
        ]
        return " and ".join(parts)

    def _table(self, positions: Positions) -> pd.DataFrame:
        import pandas as pd

        means = self.responses.values.mean(axis=0)[:, positions]
        columns: dict[str, Any] = {
            "rank": np.arange(1, len(positions) + 1),
            "stimulus": self.ids[positions],
            "score": self.scores[positions],
        }
        return pd.DataFrame(columns | dict(zip(self.rois, means, strict=True)))

    def confirm(
        self,
        subject: Subject | Sequence[Subject] | None = None,
        *,
        by: Literal["subject", "units"] | None = None,
        source: Any = None,
        progress: bool | None = None,
    ) -> Confirmation:
        """Test the choice on data that had no part in it.

        Parameters
        ----------
        subject : int, str or sequence, optional
            Held-out subjects: the chosen images are looked at in their responses.
        by : {"subject", "units"}, optional
            Choose again and again instead: by all subjects but one, tested on that one; or, of a single subject, by
            half of the units, tested on the others (which are neighbours of the same brain: the weaker evidence).
        source : optional
            Responses of other subjects in any form that `search` takes, for a search that was read from disk.
        progress : bool, optional

        Returns
        -------
        Confirmation

        Raises
        ------
        InputValueError
            When a subject took part in the choice, or has the same responses as one that did.
        UnknownNameError
            For a subject that is not there.
        """
        from braincodec.control.confirmed import confirm

        return confirm(self, subject, by, source, progress)

    def plot(self, axes: Axes | None = None) -> Figure:
        """Draw all images by the responses of two regions (or one), the chosen and the baseline images marked."""
        from braincodec.control.figures import plot_search

        return plot_search(self, axes)

    def images(self, images: Any = None, *, shown: int = SHOWN, axes: Axes | None = None) -> Figure:
        """Draw the chosen images, best first, with their ranks, above the baseline images.

        Parameters
        ----------
        images : optional
            The stimulus set, or anything `StimulusSet.open` takes; default: where the store says they lie.
        shown : int
            At most so many of each.
        axes : matplotlib.axes.Axes, optional
        """
        from braincodec.control.sheet import plot_images

        return plot_images(self, images, shown, axes)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write to a folder of JSON, CSV and arrays; `load` reads it."""
        from braincodec.control.storage import save_search

        return save_search(self, folder, overwrite=overwrite)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the responses to all images."""
        about = self.source.about if self.source is not None else {}
        return {
            "kind": "univariate",
            "drive": list(self.drive),
            "suppress": list(self.suppress),
            "subjects": self.subjects,
            "settings": self.settings,
            "responses": about,
            "left_out": list(self.responses.attrs.get("left_out", [])),
            "stimuli": self.stimuli.to_dict("records"),
            "baseline": self.baseline.to_dict("records"),
            "effects": self.effects.to_dict("records"),
        }

    def __str__(self) -> str:
        effect = self.effect
        whose = f"subject{'s' if len(self.subjects) > 1 else ''} {', '.join(self.subjects)}"
        return (
            f"{len(self.chosen)} of {len(self.ids):,} images that {self.title}, chosen on {whose}: {CONTRAST} "
            f"{effect.value:.2f} above baseline, where choosing by itself gives {effect.floor:.2f}; not confirmed yet: "
            "see confirm()"
        )
