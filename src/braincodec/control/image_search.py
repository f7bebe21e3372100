"""Which images of a set drive or suppress regions, one against another where wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.control.found_images import Search
from braincodec.control.gathering import check_regions, gather, known_images
from braincodec.control.reading import Scale, Weights
from braincodec.control.rows import choice_rows, table_of
from braincodec.control.sources import Source, open_source
from braincodec.control.univariate import baseline_images, choose_images
from braincodec.errors import InputValueError
from braincodec.subjects import Subject

if TYPE_CHECKING:
    import xarray as xr

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
    >>> bool(checked.effect.low > 0.5), checked.effect.p
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
            f"{settings['images']:,} images were asked for, and there are {len(known):,} with responses; "
            "ask for fewer (--images, images=)"
        )
    signs = np.array([1.0] * len(drive) + [-1.0] * len(suppress))
    values = responses.values[:, :, known]
    mean = values.mean(axis=0)
    baseline = baseline_images(mean, settings["images"], settings["batches"], settings["seed"])
    level = mean[:, baseline].mean(axis=1)
    chosen = choose_images(mean, signs, settings["images"], level, settings["margin"])
    rows = choice_rows(values, signs, chosen, baseline, responses, settings, progress=progress)
    return Search(responses, drive, suppress, known[chosen], known[baseline], table_of(rows), settings, source)
