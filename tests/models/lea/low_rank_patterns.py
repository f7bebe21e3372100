"""Patterns of a few hidden causes in three regions, and how much of them a reconstruction explains."""

from __future__ import annotations

import numpy as np

REGIONS = (9, 8, 7)
RANK = 4
TINY = {
    "tokens_per_region": 4,
    "width": 16,
    "depth": 1,
    "heads": 2,
    "latent": 16,
    "decoder_width": 16,
    "decoder_depth": 1,
    "batch_size": 16,
}


def world(*counts: int, voxels=REGIONS, seed: int = 0) -> list[np.ndarray]:
    """Sets of patterns with the same causes; a tenth of the variance is noise."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((RANK, sum(voxels)))
    weights /= np.linalg.norm(weights, axis=0)
    total = sum(counts)
    patterns = 0.9**0.5 * rng.standard_normal((total, RANK)) @ weights
    patterns += 0.1**0.5 * rng.standard_normal(patterns.shape)
    return np.split(patterns, np.cumsum(counts)[:-1])


def standardised(train: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    mean, deviation = train.mean(0), train.std(0)
    return [((one - mean) / deviation).astype(np.float32) for one in (train, *others)]


def principal_components(train: np.ndarray, patterns: np.ndarray) -> np.ndarray:
    _, _, axes = np.linalg.svd(train, full_matrices=False)
    return patterns @ axes[:RANK].T @ axes[:RANK]


def explained(patterns: np.ndarray, reconstructed: np.ndarray) -> float:
    return 1 - float(np.square(patterns - reconstructed).sum() / np.square(patterns).sum())
