"""Which images of a set drive or suppress regions, one against another where wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from braincodec.control.batches import Positions
from braincodec.control.confirmation import Effect
from braincodec.control.gathering import check_regions, gather, known_images
from braincodec.control.reading import Scale, Weights
from braincodec.control.rows import CONTRAST, choice_rows, effect_of, table_of
from braincodec.control.sources import Source, open_source
from braincodec.control.univariate import baseline_images, choose_images, contrast
from braincodec.errors import InputValueError
from braincodec.subjects import Subject

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from braincodec.control.confirmed import Confirmation

IMAGES = 25


def search(
    responses: Any,
    model: str | None = None,
    *,
    stimuli: str | None = None,
    drive: str | Sequence[str] | None = None,
    suppress: str | Sequence[str] | None = None,
    subjects: Subject | Sequence[Subject] | None = None,
    images: int = IMAGES,
    scale: Scale = "zscored",
    weights: Weights = "equal",
    least_noise_ceiling: float = 0.0,
    margin: float | None = 0.0,
    batches: int = 10_000,
    draws: int = 1000,
    permutations: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    progress: bool | None = None,
) -> Search:
    """Find the images of a set that drive regions, suppress them, or drive some and suppress others.

    Of a pair of regions there are four such searches: ``drive=["V1", "V4"]``, ``suppress=["V1", "V4"]``, and each
    against the other.

    Parameters
    ----------
    responses : Store, path, DataArray or mapping
        A store with generated responses or where it lies (folders of NED, NEST and BERG too); labelled responses;
        or each subject's labelled responses or arrays of regions, ``{1: {"V1": array, "V4": array}}`` with arrays of
        shape (stimuli, units). Read in blocks: memory does not grow with the number of images or units.
    model, stimuli : str, optional
        Of a store: whose responses, to which stimulus set. May be left out where there is one.
    drive, suppress : str or sequence of str, optional
        Regions whose mean response is to be high, and low.
    subjects : int, str or sequence, optional
        Whose responses the choice is made on: their mean. Default: all. Those that are left can confirm it.
    images : int
        How many to choose.
    scale : {"zscored", "raw"}
        In standard deviations over the images, units and regions alike, so that each counts the same; or as they are.
    weights : {"equal", "noise_ceiling"}
        How much each unit counts in its region's mean.
    least_noise_ceiling : float
        Only units whose noise ceiling is above.
    margin : float, optional
        Only images that bring every region to its own side of the baseline, by this much. None ranks all of them by
        the contrast alone.
    batches : int
        How many random batches the baseline is looked for among.
    draws, permutations : int
        Of the interval over images, and of the test.
    level : float
        Coverage of intervals.
    seed : int
        Equal seeds give equal results.
    progress : bool, optional
        Default: a bar when stderr is a terminal.

    Returns
    -------
    Search
        Chosen on these data: `Search.confirm` tells whether others agree.

    Raises
    ------
    InputTypeError, InputValueError
        When there are fewer images than asked for, subjects answer to different stimuli, nothing varies, or no region
        is named.
    UnknownNameError
        For a region, subject, model or stimulus set that is not there, with those that are.

    Notes
    -----
    The contrast of an image is the mean over regions of their responses, those to suppress counted negative. Its
    baseline is the random batch of as many images whose mean responses are nearest to the mean of random batches.
    Source: Gifford, Jastrzebowska, Singer, Cichy 2024 (relational neural control); with ``scale="raw"`` and
    ``margin=0.04`` the choice is theirs, but for one baseline batch that all regions share.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> common = rng.normal(size=(2, 300, 1))  # what each region of every subject shares
    >>> people = {s: {r: common[k] + rng.normal(size=(300, 20)) for k, r in enumerate(["A", "B"])} for s in (1, 2, 3)}
    >>> found = search(people, drive="A", suppress="B", subjects=[1, 2], images=10, permutations=99)
    >>> found.stimuli.columns.tolist()
    ['rank', 'stimulus', 'score', 'A', 'B']
    >>> checked = found.confirm(subject=3)
    >>> bool(checked.effect.low > 1), checked.effect.p
    (True, 0.01)
    """
    driven, suppressed = check_regions(drive=drive, suppress=suppress)
    source = open_source(responses, model, stimuli)
    chosen_subjects = source.check_subjects(subjects)  # type: ignore[arg-type]
    if min(images, batches, draws, permutations) < 1:
        raise InputValueError(f"{images=}, {batches=}, {draws=} and {permutations=} must be at least 1")
    settings = {
        "images": images,
        "scale": scale,
        "weights": weights,
        "least_noise_ceiling": least_noise_ceiling,
        "margin": margin,
        "batches": batches,
        "draws": draws,
        "permutations": permutations,
        "level": level,
        "seed": seed,
    }
    means = gather(
        source,
        chosen_subjects,
        driven + suppressed,
        scale=scale,
        weights=weights,
        least_noise_ceiling=least_noise_ceiling,
        progress=progress,
    )
    return choose_on(means, driven, suppressed, settings, source, progress=progress)


def choose_on(
    responses: xr.DataArray,
    drive: tuple[str, ...],
    suppress: tuple[str, ...],
    settings: dict[str, Any],
    source: Source | None = None,
    progress: bool | None = None,
) -> Search:
    """A search over responses that were read already.

    Parameters
    ----------
    responses : DataArray
        From `gather`, regions to drive first.
    drive, suppress : tuple of str
    settings : dict
        Those of `search`.
    source : Source, optional
        Where other subjects are.
    progress : bool, optional
    """
    known = known_images(responses)
    if settings["images"] > len(known):
        raise InputValueError(
            f"{settings['images']:,} images were asked for, and there are {len(known):,} with responses"
        )
    signs = np.array([1.0] * len(drive) + [-1.0] * len(suppress))
    values = responses.values[:, :, known]
    mean = values.mean(axis=0)
    baseline = baseline_images(mean, settings["images"], settings["batches"], settings["seed"])
    level = mean[:, baseline].mean(axis=1)
    chosen = choose_images(mean, signs, settings["images"], level, settings["margin"])
    rows = choice_rows(values, signs, chosen, baseline, responses, settings, progress=progress)
    return Search(responses, drive, suppress, known[chosen], known[baseline], table_of(rows), settings, source)


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

    def images(self, images: Any = None, *, shown: int = IMAGES, axes: Axes | None = None) -> Figure:
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
