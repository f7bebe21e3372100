"""How alike regions represent a whole image set: representational similarity of every pair of regions."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braincodec.control.confirmation import correlation_interval_over_subjects
from braincodec.control.gathering import check_regions
from braincodec.control.patterns import gather_patterns
from braincodec.control.reading import Scale, check_choices
from braincodec.control.rows import OVER_IMAGES, OVER_SUBJECTS
from braincodec.control.sources import open_source
from braincodec.errors import InputValueError
from braincodec.progress import progress_bar
from braincodec.subjects import Subject

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from braincodec.evaluation.encoding.rdm import Distance
    from braincodec.evaluation.encoding.rsa import Comparison

IMAGES = 300
COLUMNS = ("roi_1", "roi_2", "similarity", "low", "high", "over", "p", "floor", "images", "subjects")


@dataclass(frozen=True, eq=False)
class RegionSimilarity:
    """How alike regions represent an image set.

    Attributes
    ----------
    table : DataFrame
        A row for each pair of regions:
        ``similarity`` of their dissimilarity matrices, mean over subjects; ``low`` and ``high``, what the interval is
        ``over``; ``p`` and ``floor`` of shuffled images.
    by_subject : array, shape (subjects, regions, regions)
        Each subject's similarities; 1 on the diagonal.
    across : array, shape (regions,)
        How alike a region represents in one subject and in the mean of the others, mean over subjects: what the
        similarity of two regions could reach. NaN for a single subject.
    rois, subjects : list of str
    settings : dict
    """

    table: pd.DataFrame
    by_subject: NDArray[np.float64]
    across: NDArray[np.float64]
    rois: list[str]
    subjects: list[str]
    settings: dict[str, Any]

    @property
    def matrix(self) -> pd.DataFrame:
        """Similarity of each pair of regions, mean over subjects."""
        import pandas as pd

        return pd.DataFrame(self.by_subject.mean(axis=0), index=self.rois, columns=self.rois)

    def plot(self, axes: Axes | None = None) -> Figure:
        """Draw the similarity of each pair of regions."""
        from braincodec.control.figures_similarity import plot_region_similarity

        return plot_region_similarity(self, axes)

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary."""
        return {
            "rois": self.rois,
            "subjects": self.subjects,
            "settings": self.settings,
            "pairs": self.table.to_dict("records"),
            "across_subjects": dict(zip(self.rois, self.across.tolist(), strict=True)),
        }

    def __str__(self) -> str:
        best = self.table.loc[self.table["similarity"].idxmax()]
        least = self.table.loc[self.table["similarity"].idxmin()]
        subjects = f"{len(self.subjects)} subject{'s' if len(self.subjects) > 1 else ''}"
        return (
            f"{len(self.rois)} regions, {int(best['images'])} images, {subjects}: most alike {best['roi_1']} and "
            f"{best['roi_2']} ({best['similarity']:.2f}), least {least['roi_1']} and {least['roi_2']} "
            f"({least['similarity']:.2f})"
        )


def response_similarity(
    responses: Any,
    model: str | None = None,
    *,
    stimuli: str | None = None,
    rois: Sequence[str] | None = None,
    subjects: Subject | Sequence[Subject] | None = None,
    images: int = IMAGES,
    distance: Distance = "correlation",
    comparison: Comparison = "spearman",
    scale: Scale = "zscored",
    least_noise_ceiling: float = 0.0,
    draws: int = 300,
    permutations: int = 300,
    level: float = 0.95,
    seed: int = 0,
    progress: bool | None = None,
) -> RegionSimilarity:
    """Compare what every two regions represent: representational similarity analysis over an image set.

    Parameters
    ----------
    responses, model, stimuli, subjects
        As in `search`.
    rois : sequence of str, optional
        Default: all of the first subject's.
    images : int
        At most so many of the set, drawn at random where there are more.
    distance, comparison : str
        Of patterns and of matrices; see `braincodec.evaluation.rdm` and `braincodec.evaluation.compare_rdms`.
    scale, least_noise_ceiling
        As in `search_similarity`.
    draws, permutations : int
        Of intervals and tests.
    level : float
    seed : int
    progress : bool, optional

    Returns
    -------
    RegionSimilarity
        Similarities are means over subjects. Their interval is over subjects where there are at least three, else
        over images; p and floor come from shuffling the images of one region, alike in all subjects.

    Raises
    ------
    InputTypeError, InputValueError, UnknownNameError
        As `search`; also with fewer than two regions.

    Notes
    -----
    Regions that share units are alike because of them: overlapping regions say little. Source: Kriegeskorte, Mur,
    Bandettini 2008.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a = rng.normal(size=(60, 20))
    >>> regions = {"A": a, "B": a + rng.normal(size=(60, 20)), "C": rng.normal(size=(60, 20))}
    >>> found = response_similarity(regions, draws=50, permutations=50)
    >>> bool(found.matrix.loc["A", "B"] > 0.3), bool(abs(found.matrix.loc["A", "C"]) < 0.2)
    (True, True)
    """
    from braincodec.evaluation.encoding.rdm import rdm
    from braincodec.evaluation.encoding.rsa import check_distance, compare_rdms, comparison_function

    check_choices(scale)
    check_distance(distance)
    comparison_function(comparison)
    source = open_source(responses, model, stimuli)
    chosen = source.check_subjects(subjects)  # type: ignore[arg-type]
    (names,) = check_regions(rois=rois if rois is not None else source.rois(chosen[0]))
    if len(names) < 2:
        raise InputValueError(f"similarity needs at least two regions, got {', '.join(names)}")
    patterns = gather_patterns(
        source, chosen, names, candidates=images, scale=scale, least_noise_ceiling=least_noise_ceiling, seed=seed,
        progress=progress,
    )  # fmt: skip
    matrices = [[rdm(one, distance) for one in own] for own in patterns.values]  # (subjects)(regions)(pairs)
    count = len(names)
    similar = np.ones((len(chosen), count, count))
    for own, found in zip(matrices, similar, strict=True):
        for i in range(count):
            for j in range(i):
                found[i, j] = found[j, i] = compare_rdms(own[i], own[j], comparison)
    settings = {
        "images": len(patterns.pool), "distance": distance, "comparison": comparison, "scale": scale,
        "least_noise_ceiling": least_noise_ceiling, "draws": draws, "permutations": permutations, "level": level,
        "seed": seed,
    }  # fmt: skip
    rows = []
    with progress_bar("compare regions", count * (count - 1) // 2, show=progress) as advance:
        for i in range(count):
            for j in range(i + 1, count):
                rows.append(
                    _row(names[i], names[j], similar[:, i, j], [(own[i], own[j]) for own in matrices], settings)
                )
                advance(1)
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(COLUMNS))
    across = _across_subjects(matrices, comparison)
    return RegionSimilarity(table, similar, across, list(names), patterns.subjects, settings)


def _row(
    first: str,
    second: str,
    similarities: NDArray[np.float64],
    matrices: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """One pair of regions: mean over subjects, interval, test."""
    from braincodec.evaluation.encoding.rsa_statistics import rsa_bootstrap, rsa_permutation
    from braincodec.evaluation.statistics import bootstrap_weights, percentile_interval, permutation_p_value

    images, comparison, seed = settings["images"], settings["comparison"], settings["seed"]
    # equal seeds: subjects are shuffled alike
    null = np.mean([rsa_permutation(a, b, settings["permutations"], seed, comparison) for a, b in matrices], axis=0)
    similarity = float(similarities.mean())
    over = OVER_SUBJECTS if len(similarities) > 2 else OVER_IMAGES
    if over == OVER_SUBJECTS:
        low, high = correlation_interval_over_subjects(similarities, settings["level"])
    else:
        weights = bootstrap_weights(images, settings["draws"], seed)
        replicates = np.mean([rsa_bootstrap(a, b, weights, comparison) for a, b in matrices], axis=0)
        low, high = (float(one) for one in percentile_interval(replicates, settings["level"]))
    p = float(permutation_p_value(similarity, null))
    values = (first, second, similarity, low, high, over, p, float(null.mean()), images, len(similarities))
    return dict(zip(COLUMNS, values, strict=True))


def _across_subjects(matrices: list[list[NDArray[np.float64]]], comparison: Any) -> NDArray[np.float64]:
    from braincodec.evaluation.encoding.rsa_ceiling import rsa_noise_ceiling

    regions = len(matrices[0])
    if len(matrices) < 2:
        return np.full(regions, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # undefined pairs were told of where the matrices were made
        return np.array([
            rsa_noise_ceiling([own[region] for own in matrices], comparison).lower for region in range(regions)
        ])  # fmt: skip
