"""n-way top-k classification accuracy of decoded images: its exact expectation, and the random trials behind it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from braincodec.errors import InputTypeError, InputValueError

TRIAL_BLOCK_BYTES = 64 * 2**20


def n_way_top_k(logits_prediction: Any, truth: Any, n: int = 50, k: int = 1) -> NDArray[np.float64]:
    """Probability that the true class is among the `k` highest of `n` classes: itself and n - 1 random others.

    Parameters
    ----------
    logits_prediction : array, shape (stimuli, classes)
        A classifier's logits (or probabilities) of the predicted images.
    truth : array of int, shape (stimuli,), or array of float, shape (stimuli, classes)
        The data set's own labels; or the classifier's logits of the true images, whose argmax is then the true class
        (as MinD-Vis and LEA do). Say which with the number.
    n : int
        Classes to choose from, at least 2.
    k : int
        Of them, 1 to n - 1.

    Returns
    -------
    array of float64, shape (stimuli,)
        The exact expectation over all choices of the other classes; chance is k / n.

    Raises
    ------
    InputTypeError, InputValueError
        When `n` or `k` are impossible, shapes do not fit, a logit is NaN, or a label is no class.

    Notes
    -----
    With m other classes whose logit is at least as high as that of the true class (ties count against it), the number
    of these among the n - 1 drawn is hypergeometric, and the answer is the probability that it is below k. The
    published figures (MinD-Vis, Chen et al. 2023; LEA, Qian et al. 2023) estimate it from random trials.

    Examples
    --------
    >>> logits = [[0.1, 0.9, 0.5, 0.0], [0.1, 0.9, 0.5, 0.0]]
    >>> n_way_top_k(logits, [1, 2], n=2).round(6)
    array([1.      , 0.666667])
    """
    logits, classes = _checked(logits_prediction, truth, n, k)
    others = logits.shape[1] - 1
    return below_k_by_competitors(others, n - 1, k)[competitors(logits, classes)]


def n_way_top_k_simulated(
    logits_prediction: Any, truth: Any, n: int = 50, k: int = 1, *, trials: int = 1000, seed: int = 0
) -> NDArray[np.float64]:
    """The same accuracy from random trials, as it is published; for comparison.

    Parameters
    ----------
    logits_prediction, truth, n, k
        As for `n_way_top_k`.
    trials : int
        Random choices of other classes for each stimulus.
    seed : int

    Returns
    -------
    array of float64, shape (stimuli,)
        The share of trials in which fewer than `k` of the drawn classes have a logit at least as high.

    Raises
    ------
    InputTypeError, InputValueError
        See `n_way_top_k`.

    Notes
    -----
    MinD-Vis (Chen et al. 2023), LEA (Qian et al. 2023).

    Examples
    --------
    >>> n_way_top_k_simulated([[0.1, 0.9, 0.5, 0.0]], [1], n=2, trials=10)
    array([1.])
    """
    logits, classes = _checked(logits_prediction, truth, n, k)
    check_count("trials", trials, 1)
    random = np.random.default_rng(seed)
    won = np.zeros(len(logits), np.int64)
    rows = max(1, TRIAL_BLOCK_BYTES // (16 * logits.shape[1]))  # 4 bytes a key, 8 an index, and a copy
    for stimulus, (row, true) in enumerate(zip(logits, classes, strict=True)):
        others = np.delete(row, true)  # (classes - 1,)
        for start in range(0, trials, rows):
            keys = random.random((min(rows, trials - start), len(others)), np.float32)
            # the places of the n - 1 smallest keys are a random choice without replacement
            drawn = np.argpartition(keys, n - 2, axis=1)[:, : n - 1]
            won[stimulus] += ((others[drawn] >= row[true]).sum(1) < k).sum()
    return won / trials


def true_class(logits_truth: Any) -> NDArray[np.int64]:
    """The classifier's own answer on each true image, shape (stimuli,): the first of the highest logits.

    Examples
    --------
    >>> true_class([[0.1, 0.9], [0.5, 0.2]])
    array([1, 0])
    """
    return np.asarray(logits_truth).argmax(1)


def competitors(logits: NDArray[Any], classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many other classes have a logit at least as high as the true class, shape (stimuli,).

    Examples
    --------
    >>> import numpy as np
    >>> competitors(np.array([[3, 1, 3, 2]]), np.array([0]))
    array([1])
    """
    own = np.take_along_axis(logits, classes[:, None], 1)  # (stimuli, 1)
    return (logits >= own).sum(1) - 1


def below_k_by_competitors(population: int, drawn: int, k: int) -> NDArray[np.float64]:
    """Probability that fewer than `k` of the drawn are competitors, for every number of competitors.

    Parameters
    ----------
    population, drawn : int
        Out of how many, and how many are drawn without replacement.
    k : int

    Returns
    -------
    array of float64, shape (population + 1,)
        Hypergeometric distribution function at k - 1; entry m for m competitors in the population.

    Examples
    --------
    >>> below_k_by_competitors(3, 1, 1).round(6)
    array([1.      , 0.666667, 0.333333, 0.      ])
    """
    among = np.arange(population + 1)[:, None]  # competitors in the population
    found = np.arange(k)  # competitors among the drawn
    possible = (found <= among) & (drawn - found <= population - among) & (found <= drawn)
    logarithm = (
        _log_binomial(among, found)
        + _log_binomial(population - among, drawn - found)
        - _log_binomial(np.int64(population), np.int64(drawn))
    )
    return np.minimum(np.where(possible, np.exp(np.where(possible, logarithm, 0)), 0).sum(1), 1)


def _log_binomial(whole: Any, part: Any) -> NDArray[np.float64]:
    # where `part` does not fit, the caller ignores the value
    part = np.clip(part, 0, whole)
    return gammaln(whole + 1) - gammaln(part + 1) - gammaln(whole - part + 1)


def _checked(logits_prediction: Any, truth: Any, n: int, k: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    logits, truth = np.asarray(logits_prediction), np.asarray(truth)
    if logits.ndim != 2 or logits.shape[1] < 2 or not len(logits):
        raise InputValueError(
            f"logits have the shape {logits.shape}; expected (stimuli, classes), at least two classes"
        )
    if logits.dtype.kind not in "uif":
        raise InputTypeError(f"logits have dtype {logits.dtype}; expected numbers")
    check_count("n", n, 2, logits.shape[1])
    check_count("k", k, 1, n - 1)
    for values, name in ((logits, "predicted"), (truth, "true")):
        bad = np.isnan(values.reshape(len(values), -1)).any(1) if values.dtype.kind == "f" else np.zeros(1, bool)
        if bad.any():
            raise InputValueError(
                f"logits of {bad.sum()} of {len(bad)} {name} images hold NaN, the first is {bad.argmax()}"
            )
    if truth.ndim == 2:
        if truth.shape != logits.shape:
            raise InputValueError(f"logits have the shapes {logits.shape} (predicted) and {truth.shape} (true)")
        return logits, true_class(truth)
    if truth.shape != (len(logits),):
        raise InputValueError(f"there are {len(logits)} predicted images, and labels of the shape {truth.shape}")
    if truth.dtype.kind not in "ui":
        raise InputTypeError(f"labels have dtype {truth.dtype}; expected whole numbers")
    if truth.min() < 0 or truth.max() >= logits.shape[1]:
        raise InputValueError(f"labels reach from {truth.min()} to {truth.max()}; there are {logits.shape[1]} classes")
    return logits, truth.astype(np.int64)


def check_count(name: str, value: int, lowest: int, highest: int | None = None) -> None:
    """Refuse what is no whole number within bounds.

    Examples
    --------
    >>> check_count("k", 3, 1, 2)
    Traceback (most recent call last):
    braincodec.errors.InputValueError: k is 3; expected a whole number from 1 to 2
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < lowest or (highest is not None and value > highest):
        bounds = f"from {lowest} to {highest}" if highest is not None else f"of at least {lowest}"
        raise InputValueError(f"{name} is {value!r}; expected a whole number {bounds}")
