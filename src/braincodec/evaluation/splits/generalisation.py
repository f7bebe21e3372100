"""Splits that ask for more and more generalisation: random, distance, cluster, ood; one function each.

The scheme of the re:vision generalisation framework, as the data set LAION-fMRI ships it. Shirakawa et al. 2024
("Spurious reconstruction from brain activity") show why it matters: a random split of alike images lets a decoder
succeed by recognising which of its training images a test image resembles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.base import Recording
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.splits.distance import find_distant_test_set
from braincodec.evaluation.splits.dividing import check_shares, divided, random_split, with_validation
from braincodec.evaluation.splits.embedding import DEFAULT_FEATURES, Features
from braincodec.evaluation.splits.inputs import Stimuli, directions_of, ids_of, labels_of
from braincodec.evaluation.splits.storage import Splits

TEST_SHARE = 0.2
SEEDS = (0, 1, 2, 3, 4)
CLUSTERS = 5
KMEANS_STARTS = 10


def random_splits(
    stimuli: Stimuli,
    *,
    seeds: Iterable[int] = SEEDS,
    test: float = TEST_SHARE,
    validation: float = 0.0,
    groups: Sequence[object] | Mapping[str, object] | None = None,
) -> Splits:
    """Uniform splits: the usual, optimistic ones.

    Parameters
    ----------
    stimuli : Recording, StimulusSet or ids
    seeds : iterable of int
        One split for each.
    test, validation : float
        Shares of all stimuli; the rest trains.
    groups : sequence or mapping of id to group, optional
        Stimuli of one group (such as copies of one image) stay in one part; test sizes can then fall short of `test`
        by less than the largest group.

    Returns
    -------
    Splits of scheme "random"

    Raises
    ------
    InputValueError
        When shares are impossible, or leave a part without stimuli.

    Examples
    --------
    >>> splits = random_splits([f"image{number}" for number in range(100)])
    >>> len(splits), len(splits[0].train), len(splits[0].test)
    (5, 80, 20)
    """
    ids = ids_of(stimuli)
    check_shares(len(ids), test, validation)
    numbers = [int(seed) for seed in seeds]
    labels = None if groups is None else labels_of(groups, ids, "groups")
    made = [random_split(ids, seed, test, validation, labels) for seed in numbers]
    settings = {"seeds": numbers, "test": test, "validation": validation, "grouped": groups is not None}
    return Splits(made, "random", settings)


def distance_splits(
    stimuli: Stimuli,
    features: Features = DEFAULT_FEATURES,
    *,
    test: float = TEST_SHARE,
    validation: float = 0.0,
    level: float = 0.5,
    seed: int = 0,
    progress: bool | None = None,
) -> Splits:
    """A split in which every test image is far from its nearest training image, though both sides match as populations.

    Images nearer to each other than a radius are one group, and groups are never divided. The test set is the union
    of groups whose distribution of features matches that of the training set best. The radius is the largest at which
    their maximum mean discrepancy is no larger than that of random splits.

    Parameters
    ----------
    stimuli : Recording, StimulusSet or ids
    features : array of shape (stimuli, features), DataArray, backbone name, FeatureConfig or dict
        Rows in the order of the stimuli, or labelled by `stimulus`. With ids alone they must be given.
    test, validation : float
        Shares of all stimuli. Validation stimuli are drawn from the training side.
    level : float
        The discrepancy may reach this quantile of random splits'; 0.5 is their median.
    seed : int
        Draws the random splits compared with, and the order of search.
    progress : bool, optional
        Whether to show bars; default: when stderr is a terminal.

    Returns
    -------
    Splits of scheme "distance"
        One split. Its settings hold the radius and what `split_diagnostics` measures of it and of random splits.

    Raises
    ------
    InputValueError
        When shares are impossible, features do not fit, or there are fewer than ten stimuli.

    Notes
    -----
    Distance is 1 - cosine similarity of features minus their mean. Groups are the connected components of single
    linkage. The kernel is Gaussian, its width the median distance; the search uses 512 random Fourier features of it
    (Rahimi, Recht 2007) and kernel herding (Chen, Welling, Smola 2010), the final numbers the kernel itself (Gretton
    et al. 2012). Memory: a few kilobytes and the features for each image; time grows with the square of their
    number: about ten seconds on one core for 10,000 images.

    Examples
    --------
    >>> features = np.random.default_rng(0).standard_normal((60, 4))
    >>> splits = distance_splits(range(60), features)
    >>> len(splits[0].test), splits.settings["nearest_median"] > splits.settings["random_nearest_median"]
    (12, True)
    """
    ids = ids_of(stimuli)
    check_shares(len(ids), test, validation)
    if not 0 < level <= 1:
        raise InputValueError(f"level must be above 0 and at most 1, not {level}")
    unit, named = directions_of(stimuli, features, ids, progress)
    if not unit.any():
        raise InputValueError("features do not vary, so no image is nearer to another than to the rest")
    chosen, measured = find_distant_test_set(unit, round(test * len(ids)), level, seed, progress)
    split = with_validation(ids, chosen, validation, seed)
    settings = {"seed": seed, "test": test, "validation": validation, "level": level, "features": named} | measured
    return Splits([split], "distance", settings)


def cluster_splits(
    stimuli: Stimuli,
    features: Features = DEFAULT_FEATURES,
    *,
    k: int = CLUSTERS,
    validation: float = 0.0,
    seed: int = 0,
    progress: bool | None = None,
) -> Splits:
    """Hold out each of `k` clusters of images in turn: out of distribution by content.

    Parameters
    ----------
    stimuli : Recording, StimulusSet or ids
    features : array, DataArray, backbone name, FeatureConfig or dict
        As for `distance_splits`.
    k : int
    validation : float
        Share of all stimuli, drawn from the training side.
    seed : int
        Of k-means and of the validation stimuli.
    progress : bool, optional

    Returns
    -------
    Splits of scheme "cluster"
        The largest cluster first. Test sizes differ; together the test parts are all stimuli, each once.

    Raises
    ------
    InputValueError
        When there are fewer than two clusters or fewer distinct images than clusters.

    Notes
    -----
    k-means of scikit-learn, the best of 10 starts, on features minus their mean, each of length one.

    Examples
    --------
    >>> centres = 10 * np.eye(5).repeat(20, axis=0)
    >>> features = centres + np.random.default_rng(0).standard_normal((100, 5))
    >>> [len(split.test) for split in cluster_splits(range(100), features)]
    [20, 20, 20, 20, 20]
    """
    ids = ids_of(stimuli)
    if k < 2:
        raise InputValueError(f"k must be at least 2, not {k}: with one cluster nothing is left to train on")
    unit, named = directions_of(stimuli, features, ids, progress)
    distinct = len(np.unique(unit, axis=0))
    if distinct < k:
        raise InputValueError(f"{k} clusters need as many distinct images; there are {distinct} among {len(ids)}")
    from sklearn.cluster import KMeans

    labels = KMeans(k, n_init=KMEANS_STARTS, random_state=seed).fit_predict(unit)
    sizes = np.bincount(labels, minlength=k)
    made = []
    for cluster in np.argsort(-sizes, kind="stable"):
        check_shares(len(ids), float(sizes[cluster]) / len(ids), validation)
        made.append(with_validation(ids, labels == cluster, validation, seed))
    return Splits(made, "cluster", {"k": k, "seed": seed, "validation": validation, "features": named})


def ood_splits(
    stimuli: Stimuli,
    labels: str | Sequence[object] | Mapping[str, object] = "kind",
    held_out: object = None,
    *,
    separately: bool = False,
    validation: float = 0.0,
    seed: int = 0,
) -> Splits:
    """Test on the kind of image that a data set keeps apart, train on all others.

    Parameters
    ----------
    stimuli : Recording, StimulusSet or ids
    labels : str, sequence or mapping of id to label
        The kind of each stimulus; or, for a recording, the name of a coordinate of its responses over `stimulus`.
    held_out : label or collection of labels
        The kinds that test. With labels that are true or false it may be left out: true ones test.
    separately : bool
        One split for each kind held out, instead of one for all; every one trains on the same other stimuli.
    validation : float
        Share of all stimuli, drawn from the training side.
    seed : int
        Draws them.

    Returns
    -------
    Splits of scheme "ood"

    Raises
    ------
    UnknownNameError
        When no stimulus is of a kind held out.
    InputValueError
        When no labels are stated, or all stimuli are held out.

    Examples
    --------
    >>> kinds = ["photograph"] * 6 + ["sketch"] * 2
    >>> ood_splits(range(8), kinds, "sketch")[0].test
    ('6', '7')
    """
    ids = ids_of(stimuli)
    kinds = _stated_labels(stimuli, labels, ids)
    names = _held_out(kinds, held_out)
    every = np.isin(kinds, names)
    if every.all():
        raise InputValueError("all stimuli are of a kind held out, so nothing is left to train on")
    made = []
    for test in [kinds == name for name in names] if separately else [every]:
        check_shares(len(ids), float(every.mean()), validation)
        trains = [item for item, outside in zip(ids, every, strict=True) if not outside]
        held = [item for item, inside in zip(ids, test, strict=True) if inside]
        made.append(divided(trains, held, round(validation * len(ids)), seed))
    settings = {"held_out": [str(name) for name in names], "separately": separately, "validation": validation}
    return Splits(made, "ood", settings | {"seed": seed})


def _stated_labels(stimuli: Stimuli, labels: Any, ids: Sequence[str]) -> NDArray[Any]:
    if not isinstance(labels, str):
        return labels_of(labels, ids, "labels")
    if not isinstance(stimuli, Recording):
        raise InputValueError("give a label for each stimulus; only a recording can state them in a coordinate")
    responses = stimuli.responses
    stated = [str(name) for name in responses.coords if responses.coords[name].dims == ("stimulus",)]
    if labels not in stated:
        raise UnknownNameError("coordinate of the responses", labels, stated)
    return np.asarray(responses.coords[labels].values)


def _held_out(kinds: NDArray[Any], held_out: object) -> list[Any]:
    if held_out is None:
        if kinds.dtype != bool:
            raise InputValueError("say which kinds are held out: held_out='...'")
        held_out = True
    names = [held_out] if isinstance(held_out, str | bool) or not isinstance(held_out, Iterable) else list(held_out)
    known = np.unique(kinds)
    for name in names:
        if not (known == name).any():
            raise UnknownNameError("kind of stimulus", name, known.tolist())
    return names
