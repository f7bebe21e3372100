"""Decode which of two stimuli was seen from the pattern over channels, at each time, and across times."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.checks import check_finite, tiles
from braincodec.evaluation.encoding.pairwise_svm import draw_pairs, svm_correct, svm_share_of_pairs
from braincodec.evaluation.encoding.pattern_classifiers import correlation_discriminants, linear_discriminants
from braincodec.evaluation.encoding.pseudo_repetitions import pseudo_repetitions

Floats = NDArray[np.float64]
Classifier = Literal["lda", "correlation", "svm"]
DISCRIMINANTS = {"lda": linear_discriminants, "correlation": correlation_discriminants}
CLASSIFIERS = (*DISCRIMINANTS, "svm")
# scores of all pairs at so many times stay in the processor's cache
CACHE_BYTES = 2 * 2**20


def pairwise_decoding(
    responses: Any,
    classifier: Classifier = "lda",
    test: ArrayLike | None = None,
    folds: int | None = None,
    pairs: int | None = None,
    seed: int = 0,
) -> Floats:
    """Share of pairs of stimuli that are told apart at each time, cross-validated over repetitions.

    Parameters
    ----------
    responses : array, shape (stimuli, repetitions, channels, times)
        NaN where a repetition is missing, for all channels and times. In memory, or lazily opened.
    classifier : {"lda", "correlation", "svm"}
        Linear discriminant analysis with one noise covariance for all stimuli, shrunk by Ledoit-Wolf; the better
        correlation with the mean training pattern; or a linear support vector machine (scikit-learn's ``SVC`` with
        C = 1) for each pair, which is what the Neural Encoding Dataset uses. The first two score all pairs at once by
        matrix products; the last fits one machine for each pair, time and fold (about half a millisecond each).
    test : array_like, shape (stimuli, channels, times), optional
        Patterns to test on instead of left-out repetitions, such as a model's predictions: training then uses all
        repetitions.
    folds : int, optional
        Repetitions are averaged, in random groups of equal size, into so many pseudo-repetitions; each is tested
        in turn after training on the others. Default: every repetition by itself (leave-one-repetition-out, as the
        Neural Encoding Dataset does with its four), or ten pseudo-repetitions where there are more.
    pairs : int, optional
        For "svm" only: how many pairs, drawn at random. Default: all.
    seed : int
        Decides groups and pairs.

    Returns
    -------
    array, shape (times,)
        In 0 to 1, chance 0.5.

    Raises
    ------
    InputTypeError, InputValueError, UnknownNameError
        When shapes or values do not fit, a stimulus has fewer repetitions than folds, or there is no such classifier.

    See Also
    --------
    pairwise_decoding_by_stimulus : the share of each stimulus, to bootstrap over.
    pairwise_decoding_by_pair : the accuracy of each pair, as a dissimilarity matrix over time.
    time_generalisation : train at one time, test at another.

    Notes
    -----
    Source: Cichy, Pantazis, Oliva 2014; Gifford et al. 2022, where the classifier trained on recorded responses is
    tested on predicted ones. Pooled covariance: Guggenmos, Sterzer, Cichy 2018.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> pattern = rng.normal(size=(10, 1, 5, 2)) * [0, 2]  # from the second time on, stimuli differ
    >>> pairwise_decoding(pattern + rng.normal(size=(10, 4, 5, 2))).round(1)
    array([0.6, 1. ])
    """
    correct, counted = _correct(responses, classifier, test, folds, pairs, seed, generalise=False)
    share: Floats = correct.sum(axis=0)[:, 0] / counted.sum()
    return share


def pairwise_decoding_by_stimulus(
    responses: Any,
    classifier: Classifier = "lda",
    test: ArrayLike | None = None,
    folds: int | None = None,
    pairs: int | None = None,
    seed: int = 0,
) -> Floats:
    """Share of the other stimuli that each stimulus is told apart from, at each time.

    Parameters
    ----------
    responses, classifier, test, folds, pairs, seed
        As in `pairwise_decoding`.

    Returns
    -------
    array, shape (stimuli, times)
        Its mean over stimuli is `pairwise_decoding`. NaN for a stimulus in none of the drawn pairs.

    Raises
    ------
    InputTypeError, InputValueError, UnknownNameError
        As `pairwise_decoding`.

    Examples
    --------
    >>> pattern = np.random.default_rng(0).normal(size=(10, 1, 5, 3))
    >>> pairwise_decoding_by_stimulus(pattern.repeat(2, axis=1)).shape
    (10, 3)
    """
    correct, counted = _correct(responses, classifier, test, folds, pairs, seed, generalise=False)
    with np.errstate(invalid="ignore"):
        share: Floats = correct[:, :, 0] / counted[:, None]
    return share


def pairwise_decoding_by_pair(
    responses: Any,
    classifier: Classifier = "lda",
    test: ArrayLike | None = None,
    folds: int | None = None,
    pairs: int | None = None,
    seed: int = 0,
) -> Floats:
    """How often the two stimuli of each pair are told apart, at each time: a dissimilarity matrix over time.

    Parameters
    ----------
    responses, classifier, test, folds, pairs, seed
        As in `pairwise_decoding`.

    Returns
    -------
    array, shape (pairs, times)
        In 0 to 1, chance 0.5; its mean over pairs is `pairwise_decoding`. Pairs are in the order of
        `scipy.spatial.distance.pdist`, so that a column is a matrix for `braincodec.viz.plot_rdm`, and
        `scipy.spatial.distance.squareform` makes it square. NaN for a pair that was not drawn.

    Raises
    ------
    InputTypeError, InputValueError, UnknownNameError
        As `pairwise_decoding`.

    Notes
    -----
    Source: Cichy, Pantazis, Oliva 2014.

    Examples
    --------
    >>> pattern = np.zeros((3, 1, 2, 1))
    >>> pattern[2] = 1  # the first two are the same
    >>> pairwise_decoding_by_pair(pattern.repeat(4, axis=1))[:, 0]
    array([0.5, 1. , 1. ])
    """
    _check_classifier(classifier, pairs)
    repetitions = pseudo_repetitions(responses, folds, seed)
    partitions = _partitions(repetitions, test)
    stimuli, times = len(repetitions), repetitions.shape[3]
    first, second = np.triu_indices(stimuli, 1)
    if classifier == "svm":
        drawn = draw_pairs(stimuli, pairs, seed)
        place = np.zeros((stimuli, stimuli), np.int64)
        place[first, second] = np.arange(len(first))
        share: Floats = np.full((len(first), times), np.nan)
        share[place[drawn[:, 0], drawn[:, 1]]] = svm_share_of_pairs(partitions, drawn, times)
        return share
    told, tested = np.zeros((len(first), times)), 0
    for training, patterns in partitions:
        tested += 1
        for time in range(times):
            fitted = DISCRIMINANTS[classifier](training[..., time].astype(np.float64))
            apart = fitted.told_apart(patterns[..., time].astype(np.float64))
            told[:, time] += (apart[first, second] + apart[second, first]) / 2
    return told / tested


def time_generalisation(
    responses: Any,
    classifier: Classifier = "lda",
    test: ArrayLike | None = None,
    folds: int | None = None,
    pairs: int | None = None,
    seed: int = 0,
) -> Floats:
    """Share of pairs of stimuli that a classifier trained at one time tells apart at another.

    Parameters
    ----------
    responses, classifier, test, folds, pairs, seed
        As in `pairwise_decoding`.

    Returns
    -------
    array, shape (train times, test times)
        In 0 to 1, chance 0.5; the diagonal is `pairwise_decoding`. A square says that a representation lasts, a
        diagonal that it changes.

    Raises
    ------
    InputTypeError, InputValueError, UnknownNameError
        As `pairwise_decoding`.

    Notes
    -----
    Source: King, Dehaene 2014.

    Examples
    --------
    >>> pattern = np.random.default_rng(0).normal(size=(10, 1, 5, 1)) * [0, 1, 1]  # the same at the last two times
    >>> noise = np.random.default_rng(1).normal(size=(10, 4, 5, 3)) / 4
    >>> time_generalisation(pattern + noise).round(1)
    array([[0.5, 0.6, 0.6],
           [0.5, 1. , 1. ],
           [0.5, 1. , 1. ]])
    """
    correct, counted = _correct(responses, classifier, test, folds, pairs, seed, generalise=True)
    share: Floats = correct.sum(axis=0) / counted.sum()
    return share


def _correct(
    responses: Any,
    classifier: Classifier,
    test: ArrayLike | None,
    folds: int | None,
    pairs: int | None,
    seed: int,
    generalise: bool,
) -> tuple[Floats, NDArray[np.int64]]:
    """Pairs told apart (stimuli, train times, test times or 1), and pairs tested, of each stimulus."""
    _check_classifier(classifier, pairs)
    repetitions = pseudo_repetitions(responses, folds, seed)
    partitions = _partitions(repetitions, test)
    stimuli, _, _, times = repetitions.shape
    shape = (stimuli, times, times if generalise else 1)
    if classifier == "svm":
        return svm_correct(partitions, draw_pairs(stimuli, pairs, seed), shape)
    correct = np.zeros(shape)
    counted = 0
    for training, tested in partitions:
        counted += stimuli - 1
        ordered = training.transpose(3, 0, 1, 2).astype(np.float64)  # (times, stimuli, repetitions, channels)
        targets = tested.transpose(2, 0, 1).astype(np.float64)  # (times, stimuli, channels)
        for time in range(times):
            fitted = DISCRIMINANTS[classifier](ordered[time])
            first, last = (0, times) if generalise else (time, time + 1)
            for part in tiles(last - first, 8 * stimuli**2, CACHE_BYTES):
                share = fitted.share_identified(targets[first:last][part])  # (test times, stimuli)
                correct[:, time, part] += share.T * (stimuli - 1)
    return correct, np.full(stimuli, counted)


def _check_classifier(classifier: str, pairs: int | None) -> None:
    if classifier not in CLASSIFIERS:
        raise UnknownNameError("classifier", classifier, CLASSIFIERS)
    if pairs is not None and (classifier != "svm" or pairs < 1):
        raise InputValueError(f"pairs ({pairs}) must be at least one, and only the classifier 'svm' draws them")


def _partitions(repetitions: NDArray[Any], test: ArrayLike | None) -> Iterable[tuple[NDArray[Any], NDArray[Any]]]:
    """Training repetitions (stimuli, repetitions, channels, times) and test patterns (stimuli, channels, times)."""
    stimuli, folds, channels, times = repetitions.shape
    if test is None:
        return ((np.delete(repetitions, fold, axis=1), repetitions[:, fold]) for fold in range(folds))
    patterns = np.asarray(test)
    if patterns.shape != (stimuli, channels, times):
        raise InputValueError(f"test has shape {patterns.shape}, but the responses ask for {stimuli, channels, times}")
    if check_finite("test", patterns).any():
        raise InputValueError("test has channels and times that are NaN for every stimulus")
    return [(repetitions, patterns)]
