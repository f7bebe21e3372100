"""Small data sets in the true layouts, and settings that run in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from braincodec.datasets.bold5000.dataset import Bold5000
from braincodec.datasets.god.dataset import GenericObjectDecoding
from braincodec.evaluation import Scores
from braincodec.simulate.layouts.bold5000 import write_bold5000
from braincodec.simulate.layouts.god import write_god

SIDE = 32
# no network is trained, and the network that embeds images has no weights to fetch
QUICK: dict[str, Any] = {
    "image_embedding": "gabor:bank",
    "settings": {
        "generator": "retrieval", "fmri_latent": "components", "embedding_layer": "scales.3", "image_size": 64,
    },
    "metrics": ("correlation", "pattern_correlation", "pixel_correlation", "two_way_pixels", "two_way_embedding"),
    "samples": 2,
    "draws": 20,
    "permutations": 20,
    "leakage": "off",
    "progress": False,
}  # fmt: skip


# LEA's own networks, at sizes and trainings that take a second each
NETWORKS = {
    "embedding_layer": "scales.3", "image_size": 64,
    "autoencoder.epochs": 2, "autoencoder.width": 16, "autoencoder.depth": 1, "autoencoder.latent": 12,
    "autoencoder.decoder_width": 8, "autoencoder.decoder_depth": 1,
    "generator.tokenizer_training": "{size: small, epochs: 1, perceptual: none, image_size: 32}",
    "generator.token_generator_training": "{size: small, epochs: 1, width: 32, depth: 1, heads: 2}",
    "generator.sampling.steps": 3,
}  # fmt: skip


def quick_options(settings: dict[str, Any] | None = None) -> list[str]:
    """The same on the command line, or other settings."""
    chosen = [f"--set={name}={value}" for name, value in (settings or QUICK["settings"]).items()]
    return [
        "--image-embedding", QUICK["image_embedding"], *chosen, "--metrics", ",".join(QUICK["metrics"]),
        "--samples", "2", "--draws", "20", "--permutations", "20", "--leakage", "off", "--no-progress",
    ]  # fmt: skip


@contextmanager
def of_any_size() -> Iterator[None]:
    """Let the readers take data sets that are smaller than the published ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GenericObjectDecoding, "expected", {})
        patch.setattr(Bold5000, "expected", {})
        patch.setattr(Bold5000, "voxels", {})
        yield


def without_pictures(patch: pytest.MonkeyPatch) -> None:
    """Leave out what takes most of the time; one run draws everything."""
    patch.setattr("braincodec.published_lea.run.draw_figures", lambda *_: [])
    patch.setattr(Scores, "to_html", lambda _, path, **__: path)


def write_small_god(folder: Path) -> Path:
    return write_god(
        folder, subjects=2, categories=16, per_category=4, test=6, repetitions=4, voxels=60, size=SIDE, seed=3
    )


def write_small_bold5000(folder: Path) -> Path:
    return write_bold5000(folder, subjects=("CSI1", "CSI4"), pictures=70, repeated=6, size=SIDE, seed=3)
