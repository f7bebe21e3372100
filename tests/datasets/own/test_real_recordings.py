"""Real recordings opened as anybody's are what the reader written for them gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from braincodec.datasets import load_dataset
from braincodec.evaluation import check_leakage

SESSION = "210325"


@pytest.fixture(scope="module")
def recordings(shared_data: Path):
    root = shared_data / "macaque_v4"
    own = load_dataset(
        "own",
        images=root / "images" / f"images_{SESSION}.zip",
        responses=root / "responses_raw" / f"responses_{SESSION}.npy",
        layout="neuron,image,repetition",
        modality="spikes",
    )
    return own.subject("1"), load_dataset("macaque_v4", root).subject(SESSION)


def test_values_and_ids_are_the_same(recordings):
    own, published = recordings
    assert own.responses["stimulus"].values.tolist() == published.responses["stimulus"].values.tolist()
    np.testing.assert_array_equal(own.responses.values, published.responses.values)


def test_near_copies_are_those_that_were_listed_by_hand(recordings):
    own, published = recordings
    assert own.responses["group"].values.tolist() == published.responses["group"].values.tolist()
    assert check_leakage(own).passed
