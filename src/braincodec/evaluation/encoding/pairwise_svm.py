"""A linear support vector machine for each pair of stimuli."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError


def draw_pairs(stimuli: int, pairs: int | None, seed: int) -> NDArray[np.int64]:
    """All pairs of stimuli, or some at random, shape (pairs, 2).

    Raises
    ------
    InputValueError
        When there are fewer pairs than asked for.

    Examples
    --------
    >>> draw_pairs(3, None, seed=0).tolist()
    [[0, 1], [0, 2], [1, 2]]
    """
    every = np.array(list(combinations(range(stimuli), 2)), np.int64)
    if pairs is None:
        return every
    if pairs > len(every):
        raise InputValueError(f"{stimuli} stimuli have {len(every)} pairs, fewer than the {pairs} asked for")
    return np.random.default_rng(seed).permutation(every)[:pairs]


def svm_correct(
    partitions: Iterable[tuple[NDArray[Any], NDArray[Any]]], pairs: NDArray[np.int64], shape: tuple[int, int, int]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How many pairs each stimulus is told apart in.

    Parameters
    ----------
    partitions, pairs
        As of `svm_tests`.
    shape : (stimuli, train times, test times or 1)

    Returns
    -------
    correct : array of `shape`
    counted : array of int, shape (stimuli,)
        Tests of each stimulus at one time.
    """
    correct, counted = np.zeros(shape), np.zeros(shape[0], np.int64)
    for number, time, right in svm_tests(partitions, pairs, generalise=shape[2] > 1):
        correct[pairs[number], time] += right
        counted[pairs[number]] += time == 0
    return correct, counted


def svm_share_of_pairs(
    partitions: Iterable[tuple[NDArray[Any], NDArray[Any]]], pairs: NDArray[np.int64], times: int
) -> NDArray[np.float64]:
    """Share of tests in which the stimuli of each pair are told apart, shape (pairs, times).

    Parameters
    ----------
    partitions, pairs
        As of `svm_tests`.
    times : int
    """
    correct, counted = np.zeros((len(pairs), times)), np.zeros(len(pairs), np.int64)
    for number, time, right in svm_tests(partitions, pairs, generalise=False):
        correct[number, time] += right.mean()
        counted[number] += time == 0
    share: NDArray[np.float64] = correct / counted[:, None]
    return share


def svm_tests(
    partitions: Iterable[tuple[NDArray[Any], NDArray[Any]]], pairs: NDArray[np.int64], generalise: bool
) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
    """Fit a machine for each pair, time and partition, and test it.

    Parameters
    ----------
    partitions : iterable of (training, test)
        Arrays (stimuli, repetitions, channels, times) and (stimuli, channels, times).
    pairs : array of int, shape (pairs, 2)
    generalise : bool
        Test at all times instead of the time of training.

    Yields
    ------
    number : int
        Of the pair.
    time : int
        Of training.
    correct : array, shape (2, test times or 1)
        1 or 0 for each of the two; a pattern on the border counts half.

    Notes
    -----
    scikit-learn's ``SVC(kernel="linear")`` with C = 1, as the Neural Encoding Dataset trains for each pair and time.
    """
    from sklearn.svm import SVC

    machine = SVC(kernel="linear")
    for training, test in partitions:
        times = training.shape[3]
        labels = np.repeat([-1, 1], training.shape[1])
        for number, pair in enumerate(pairs):
            samples = training[pair].reshape(len(labels), -1, times)  # (samples, channels, times)
            for time in range(times):
                machine.fit(samples[:, :, time], labels)
                at = slice(0, times) if generalise else slice(time, time + 1)
                sides = machine.coef_ @ test[pair][:, :, at] + machine.intercept_[0]  # (2, 1, times)
                yield number, time, (np.sign(sides[:, 0]) * [[-1], [1]] + 1) / 2
