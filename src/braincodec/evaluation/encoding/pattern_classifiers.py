"""Classifiers that tell the patterns of two stimuli apart, for all pairs at once by matrix products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Discriminants:
    """One linear score for each stimulus: of two stimuli, a pattern is taken for the one whose score is higher.

    Parameters
    ----------
    weights : array, shape (stimuli, channels)
    offsets : array, shape (stimuli,)
    prepare : callable
        Applied to patterns (..., channels) before they are scored.
    """

    weights: Floats
    offsets: Floats
    prepare: Callable[[Floats], Floats]

    def share_identified(self, patterns: Floats) -> Floats:
        """Share of the other stimuli that each pattern is not mistaken for; ties count half.

        Parameters
        ----------
        patterns : array, shape (..., stimuli, channels)
            One of each stimulus, in the order of training.

        Returns
        -------
        array, shape (..., stimuli)
        """
        scores = self.prepare(patterns) @ self.weights.T - self.offsets  # (..., stimuli, stimuli)
        own = np.diagonal(scores, axis1=-2, axis2=-1)[..., None]
        # counted by a product, which is faster than summing booleans
        one = np.ones(scores.shape[-1], np.float32)
        below, not_above = (compare(scores, own).astype(np.float32) @ one for compare in (np.less, np.less_equal))
        # the score of the stimulus itself ties with itself
        share: Floats = ((below + not_above - 1) / 2).astype(np.float64) / (scores.shape[-1] - 1)
        return share

    def told_apart(self, patterns: Floats) -> Floats:
        """Whether each pattern is not mistaken for each other stimulus: 1 or 0; ties count half.

        Parameters
        ----------
        patterns : array, shape (stimuli, channels)
            One of each stimulus, in the order of training.

        Returns
        -------
        array, shape (stimuli, stimuli)
            Row: the stimulus that was shown; column: the one that it could be mistaken for.
        """
        scores = self.prepare(patterns) @ self.weights.T - self.offsets
        apart: Floats = (np.sign(np.diagonal(scores)[:, None] - scores) + 1) / 2
        return apart


def correlation_discriminants(training: Floats) -> Discriminants:
    """Take a pattern for the stimulus with whose mean training pattern it correlates better.

    Parameters
    ----------
    training : array, shape (stimuli, repetitions, channels)

    Notes
    -----
    Source: Haxby et al. 2001. A flat pattern correlates with nothing: its comparisons are ties.

    Examples
    --------
    >>> patterns = np.array([[[1.0, 2.0, 3.0]], [[3.0, 2.0, 1.0]]])
    >>> correlation_discriminants(patterns).share_identified(patterns[:, 0])
    array([1., 1.])
    """
    return Discriminants(_standardised(training.mean(axis=1)), np.zeros(len(training)), _standardised)


def linear_discriminants(training: Floats) -> Discriminants:
    """Linear discriminant analysis with equal priors: noise is taken to be alike for all stimuli.

    Parameters
    ----------
    training : array, shape (stimuli, repetitions, channels)

    Notes
    -----
    The covariance of the noise is pooled over all stimuli, so that it can be estimated from few repetitions of each,
    and shrunk as Ledoit, Wolf 2004. Where there is no noise to estimate it from (one repetition, or equal ones), the
    nearest mean wins.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> mean = rng.normal(size=(5, 1, 8))
    >>> training = mean + rng.normal(size=(5, 4, 8)) / 4
    >>> linear_discriminants(training).share_identified(mean[:, 0])
    array([1., 1., 1., 1., 1.])
    """
    means = training.mean(axis=1)
    centre = means.mean(axis=0)
    noise = (training - means[:, None]).reshape(-1, training.shape[2])
    covariance = ledoit_wolf(noise)
    weights = scipy.linalg.cho_solve(scipy.linalg.cho_factor(covariance), (means - centre).T).T
    offsets = np.einsum("sc,sc->s", weights, means - centre) / 2
    return Discriminants(weights, offsets, lambda patterns: patterns - centre)


def ledoit_wolf(noise: Floats) -> Floats:
    """Covariance of vectors with mean zero, shrunk towards a multiple of the identity by as much as is best for it.

    Parameters
    ----------
    noise : array, shape (samples, channels)

    Returns
    -------
    array, shape (channels, channels)
        The identity where all samples are zero.

    Notes
    -----
    Source: Ledoit, Wolf 2004, A well-conditioned estimator for large-dimensional covariance matrices.

    Examples
    --------
    >>> ledoit_wolf(np.array([[1.0, 1.0], [-1.0, -1.0]])).round(2)
    array([[1., 1.],
           [1., 1.]])
    """
    samples, channels = noise.shape
    sample_covariance = noise.T @ noise / samples
    scale = np.trace(sample_covariance) / channels
    if not scale > 0:
        return np.eye(channels)
    distance = ((sample_covariance - scale * np.eye(channels)) ** 2).sum()
    # mean squared distance of the samples' own products from their mean
    spread = (np.einsum("nc,nc->n", noise, noise) ** 2).mean() - (sample_covariance**2).sum()
    shrinkage = min(1.0, spread / samples / distance) if distance > 0 else 1.0
    covariance: Floats = (1 - shrinkage) * sample_covariance + shrinkage * scale * np.eye(channels)
    # keep it invertible where channels repeat one another exactly
    return covariance + 1e-10 * scale * np.eye(channels)


def _standardised(patterns: Floats) -> Floats:
    centred = patterns - patterns.mean(axis=-1, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=-1, keepdims=True))
    flat = length <= 1e-12 * np.abs(patterns).max(axis=-1, keepdims=True)
    result: Floats = np.where(flat, 0, centred / np.where(flat, 1, length))
    return result
