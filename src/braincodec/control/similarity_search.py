"""Batches of images in which two regions represent alike, or differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from braincodec.control.batches import Positions, nearest_batch, random_batches
from braincodec.control.found_batch import SimilaritySearch
from braincodec.control.gathering import check_regions
from braincodec.control.multivariate import Evolution, Goal, batch_similarity, evolve
from braincodec.control.patterns import Patterns, gather_patterns
from braincodec.control.reading import Scale, check_choices
from braincodec.control.sources import Source, open_source
from braincodec.errors import InputValueError
from braincodec.progress import progress_bar
from braincodec.subjects import Subject

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
