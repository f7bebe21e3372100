"""Simulated units whose noise ceiling is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest


def repeated_responses(seed: int, counts: np.ndarray | int, ceilings: np.ndarray, stimuli: int = 200) -> np.ndarray:
    """Responses (stimuli, repetitions, units) whose mean over `counts` repetitions has these ceilings; NaN-padded."""
    rng = np.random.default_rng(seed)
    counts = np.broadcast_to(counts, stimuli)
    noise_variance = (1 / ceilings - 1) / (1 / counts).mean()
    signal = rng.normal(size=(stimuli, 1, len(ceilings)))
    responses = signal + np.sqrt(noise_variance) * rng.normal(size=(stimuli, counts.max(), len(ceilings)))
    responses[np.arange(counts.max()) >= counts[:, None]] = np.nan
    return responses


@pytest.fixture
def repeated() -> Callable[..., np.ndarray]:
    return repeated_responses
