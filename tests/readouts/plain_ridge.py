"""Ridge regression as a textbook writes it: float64, one fold, one strength, one draw at a time."""

from __future__ import annotations

import numpy as np


def signal(stimuli: int, features: int, units: int, *, seed: int = 0, noise: float = 1.0, offset: float = 0.0):
    """Features whose strength falls, and responses that depend on them, of unit variance."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(stimuli, features)) * np.arange(1, features + 1) ** -0.5
    clean = matrix @ random.normal(size=(features, units))
    responses = clean / clean.std(axis=0) + noise * random.normal(size=(stimuli, units))
    responses = responses / responses.std(axis=0) + offset
    return (matrix + offset).astype(np.float32), responses.astype(np.float32)


def weights(features, responses, alpha):
    """Solution for one strength, shape (features, units)."""
    features, responses = np.float64(features), np.float64(responses)
    scatter = features.T @ features + alpha * np.eye(features.shape[1])
    return np.linalg.solve(scatter, features.T @ responses)


def scores(features, responses, alphas, folds, centre=True):
    """Negative mean squared error, averaged over folds, shape (alphas, units)."""
    features, responses = np.float64(features), np.float64(responses)
    total = np.zeros((len(alphas), responses.shape[1]))
    for fold in folds:
        x, y = features[fold.train], responses[fold.train]
        x_mean, y_mean = (x.mean(0), y.mean(0)) if centre else (0, 0)
        for number, alpha in enumerate(alphas):
            found = weights(x - x_mean, y - y_mean, alpha)
            error = (features[fold.validation] - x_mean) @ found + y_mean - responses[fold.validation]
            total[number] -= (error**2).mean(axis=0)
    return total / len(folds)
