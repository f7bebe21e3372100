"""Batches of images in which two regions represent alike, or differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from braincodec.control.batches import Positions, nearest_batch, random_batches
from braincodec.control.gathering import check_regions
from braincodec.control.image_search import IMAGES as SHOWN
from braincodec.control.multivariate import Evolution, Goal, batch_similarity, evolve
from braincodec.control.patterns import Patterns, gather_patterns
from braincodec.control.reading import Scale, check_choices
from braincodec.control.sources import Source, open_source
from braincodec.errors import InputValueError
from braincodec.progress import progress_bar
from braincodec.subjects import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from braincodec.control.similarity_confirmed import SimilarityConfirmation

IMAGES, CANDIDATES, GENERATIONS = 50, 5_000, 500


def search_similarity(
    responses: Any,
    model: str | None = None,
    *,
    stimuli: str | None = None,
    align: Sequence[str] | None = None,
    disentangle: Sequence[str] | None = None,
    subjects: Subject | Sequence[Subject] | None = None,
    images: int = IMAGES,
    candidates: int = CANDIDATES,
    generations: int = GENERATIONS,
    batches: int = 200,
    newcomers: int = 200,
    patience: int | None = 100,
    scale: Scale = "zscored",
    least_noise_ceiling: float = 0.0,
    draws: int = 1000,
    permutations: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    progress: bool | None = None,
) -> SimilaritySearch:
    """Find a batch of images in which two regions' similarity matrices agree, or have nothing in common.

    Parameters
    ----------
    responses, model, stimuli, subjects
        As in `search`; similarity matrices are averaged over subjects.
    align, disentangle : (str, str), optional
        Two regions whose matrices are to correlate as highly as possible over the pairs of a batch's images, or as
        near to zero. One of the two.
    images : int
        In a batch.
    candidates : int
        At most so many images are searched, drawn at random where there are more: what is kept in memory grows with
        their square.
    generations, batches, newcomers, patience
        Of the genetic search; see `evolve`.
    scale : {"zscored", "raw"}
        Units in standard deviations over the candidates, or as they are.
    least_noise_ceiling : float
        Only units whose noise ceiling is above.
    draws, permutations : int
        Of intervals over images; how many random batches are the floor.
    level : float
        Coverage of intervals.
    seed : int
    progress : bool, optional

    Returns
    -------
    SimilaritySearch
        Chosen on these data: `SimilaritySearch.confirm` tells whether others agree.

    Raises
    ------
    InputTypeError, InputValueError, UnknownNameError
        As `search`; also when not two regions are named, or the matrices do not fit in memory.

    Notes
    -----
    A region's similarity matrix holds the correlation over units of the responses to each pair of images. Source:
    Gifford, Jastrzebowska, Singer, Cichy 2024 (relational neural control).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a = rng.normal(size=(120, 30))
    >>> b = a @ rng.normal(size=(30, 30)) / 5
    >>> found = search_similarity({"A": a, "B": b}, align=("A", "B"), images=10, generations=20, permutations=99)
    >>> bool(found.similarity > found.floor), len(found.stimuli)
    (True, 10)
    """
    rois, goal = _pair_of_regions(align, disentangle)
    check_choices(scale)
    source = open_source(responses, model, stimuli)
    chosen = source.check_subjects(subjects)  # type: ignore[arg-type]
    settings = {
        "images": images, "candidates": candidates, "generations": generations, "batches": batches,
        "newcomers": newcomers, "patience": patience, "scale": scale, "least_noise_ceiling": least_noise_ceiling,
        "draws": draws, "permutations": permutations, "level": level, "seed": seed,
    }  # fmt: skip
    if min(images, candidates, draws, permutations) < 1:
        raise InputValueError(f"{images=}, {candidates=}, {draws=} and {permutations=} must be at least 1")
    patterns = gather_patterns(
        source, chosen, rois, candidates=candidates, scale=scale, least_noise_ceiling=least_noise_ceiling, seed=seed,
        progress=progress,
    )  # fmt: skip
    pair = patterns.pair()
    evolution = evolve_with_bar(pair, goal, settings, progress)
    return found_by(evolution, pair, patterns, rois, goal, settings, source)


def _pair_of_regions(align: Any, disentangle: Any) -> tuple[tuple[str, str], Goal]:
    if (align is None) == (disentangle is None):
        raise InputValueError("give either align=(region, region) or disentangle=(region, region)")
    goal: Goal = "align" if align is not None else "disentangle"
    (names,) = check_regions(**{goal: align if align is not None else disentangle})
    if len(names) != 2:
        raise InputValueError(f"{goal} takes two regions, got {', '.join(names)}")
    return (names[0], names[1]), goal


def evolve_with_bar(
    pair: NDArray[np.complex64], goal: Goal, settings: dict[str, Any], progress: bool | None, title: str = ""
) -> Evolution:
    """`evolve` by the settings of a search, with a bar."""
    options = {name: settings[name] for name in ("generations", "batches", "newcomers", "patience", "seed")}
    with progress_bar(title or goal, settings["generations"], show=progress) as advance:
        return evolve(pair, settings["images"], goal, on_generation=advance, **options)


def random_of(pair: NDArray[np.complex64], settings: dict[str, Any]) -> tuple[Positions, NDArray[np.float64]]:
    """Random batches, and how alike the regions are in each."""
    rng = np.random.default_rng([settings["seed"], 8])
    drawn = random_batches(settings["permutations"], settings["images"], len(pair), rng)
    return drawn, batch_similarity(pair, drawn)


def found_by(
    evolution: Evolution,
    pair: NDArray[np.complex64],
    patterns: Patterns,
    rois: tuple[str, str],
    goal: Goal,
    settings: dict[str, Any],
    source: Source | None,
) -> SimilaritySearch:
    """The result of a genetic search."""
    drawn, similarity = random_of(pair, settings)
    # each random batch is a value of its own
    nearest = nearest_batch(similarity[None], np.arange(len(drawn))[:, None])
    chosen, baseline = evolution.batches[-1], np.sort(drawn[nearest])
    return SimilaritySearch(
        rois=rois,
        goal=goal,
        subjects=patterns.subjects,
        ids=patterns.ids,
        pool=patterns.pool,
        chosen=patterns.pool[chosen],
        baseline_positions=patterns.pool[baseline],
        batches=patterns.pool[evolution.batches],
        history=pd.DataFrame(
            {
                "generation": np.arange(1, len(evolution.similarity) + 1),
                "similarity": evolution.similarity,
                "kept": evolution.kept,
            }
        ),
        random=similarity,
        matrices=np.stack([[part[np.ix_(batch, batch)] for part in (pair.real, pair.imag)]
                           for batch in (chosen, baseline)]),
        units=sum(patterns.units(place) for place in range(len(patterns.subjects))),
        settings=settings,
        source=source,
    )  # fmt: skip


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
