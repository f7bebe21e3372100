"""A linear support vector machine for each pair of stimuli."""

from __future__ import annotations

from collections.abc import Iterable
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
    partitions: Iterable[tuple[NDArray[Any], NDArray[Any]]], pairs: NDArray[np.int64], generalise: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How many pairs each stimulus is told apart in.

    Parameters
    ----------
    partitions : iterable of (training, test)
        Arrays (stimuli, repetitions, channels, times) and (stimuli, channels, times).
    pairs : array of int, shape (pairs, 2)
    generalise : bool
        Test at all times instead of the time of training.

    Returns
    -------
    correct : array, shape (stimuli, train times, test times or 1)
        A pattern on the border counts half.
    counted : array of int, shape (stimuli,)
        Tests of each stimulus at one time.

    Notes
    -----
    scikit-learn's ``SVC(kernel="linear")`` with C = 1, as the Neural Encoding Dataset trains for each pair and time.
    """
    from sklearn.svm import SVC

    machine = SVC(kernel="linear")
    correct, counted = np.zeros(0), np.zeros(0, np.int64)
    for training, test in partitions:
        stimuli, repetitions, _, times = training.shape
        if not counted.size:
            correct = np.zeros((stimuli, times, times if generalise else 1))
            counted = np.zeros(stimuli, np.int64)
        counted += np.bincount(pairs.ravel(), minlength=stimuli)
        labels = np.repeat([-1, 1], repetitions)
        for pair in pairs:
            samples = training[pair].reshape(len(labels), -1, times)  # (samples, channels, times)
            for time in range(times):
                machine.fit(samples[:, :, time], labels)
                at = slice(0, times) if generalise else slice(time, time + 1)
                sides = machine.coef_ @ test[pair][:, :, at] + machine.intercept_[0]  # (2, 1, times)
                correct[pair, time] += (np.sign(sides[:, 0]) * [[-1], [1]] + 1) / 2
    return correct, counted
