"""The usual, plain ways of scoring: whole copies, loops over pairs, random trials.

They stand for published code in the benchmarks, and tests hold ours against their answers.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def unit_correlation(batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Correlation of each unit from sums over float64 copies of batches (stimuli, units)."""
    count = 0
    sums: np.ndarray | float = 0.0
    for prediction, response in batches:
        x, y = prediction.astype(np.float64), response.astype(np.float64)
        count += len(x)
        sums = sums + np.stack([v.sum(0) for v in (x, y, x * x, y * y, x * y)])
    x, y, xx, yy, xy = sums / count
    return (xy - x * y) / np.sqrt((xx - x * x) * (yy - y * y))


def n_way_top_k(logits: np.ndarray, classes: np.ndarray, n: int, k: int, trials: int, seed: int = 0) -> np.ndarray:
    """Share of random choices of n - 1 other classes in which the true one is among the k highest, for each image."""
    random = np.random.default_rng(seed)
    won = np.zeros(len(logits))
    for image, (row, true) in enumerate(zip(logits, classes, strict=True)):
        others = np.delete(np.arange(len(row)), true)
        for _ in range(trials):
            chosen = np.concatenate([[true], random.choice(others, n - 1, replace=False)])
            won[image] += 0 in np.argsort(-row[chosen])[:k]
    return won / trials


def two_way_by_corrcoef(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Two-way identification from `numpy.corrcoef` of all rows of both arrays (stimuli, features)."""
    count = len(prediction)
    r = np.corrcoef(prediction, truth)[:count, count:]
    return (r < np.diagonal(r)[:, None]).sum(1) / (count - 1)


def two_way_by_pairs(prediction: np.ndarray, truth: np.ndarray, images: int) -> np.ndarray:
    """Two-way identification of the first `images`, a pair at a time."""
    rates = []
    for image in range(images):
        r = np.array([np.corrcoef(prediction[image], other)[0, 1] for other in truth])
        rates.append((r < r[image]).sum() / (len(truth) - 1))
    return np.array(rates)


def resampled_correlation(prediction: np.ndarray, response: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Correlation of each unit over each sample, in which a stimulus is copied as often as its weight says."""
    found = []
    for counts in weights:
        rows = np.repeat(np.arange(len(prediction)), counts.astype(int))
        x, y = prediction[rows].astype(np.float64), response[rows].astype(np.float64)
        x -= x.mean(0)
        y -= y.mean(0)
        found.append((x * y).sum(0) / np.sqrt((x * x).sum(0) * (y * y).sum(0)))
    return np.array(found)
