"""Seconds of one step of training of each of LEA's networks, at published and at reduced size."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from braincodec.device import fast_matmul
from braincodec.models.gradient_training import GradientTask
from braincodec.models.lea.fmri_autoencoder import FMRIAutoencoder
from braincodec.models.lea.fmri_autoencoder.reconstruction import Reconstruction, SubjectInTraining, dropping_voxels
from braincodec.models.lea.fmri_autoencoder.settings import FMRIAutoencoderSettings
from braincodec.models.lea.token_generator import TokenGenerator, TokenGeneratorSettings
from braincodec.models.lea.token_generator.tokenized import TokenizedImages
from braincodec.models.lea.token_generator.training import TokenGeneratorTask
from braincodec.models.lea.tokenizer import Tokenizer
from braincodec.models.lea.tokenizer.images import TrainingImages
from braincodec.models.lea.tokenizer.settings import TokenizerSettings
from braincodec.models.lea.tokenizer.task import TokenizerTask
from braincodec.stimuli import StimulusSet

VOXELS = (1004, 801, 476, 588, 431, 249, 157, 760)  # of subject 1 of GOD
EXAMPLES = 1200  # of an epoch: the training images of a subject of GOD
EMBEDDING = 1024
LATE = 0.99  # of all steps: the discriminator takes part

Settings = dict[str, Any]


def fmri_autoencoder(settings: Settings, batch: int, device: torch.device) -> GradientTask:
    """Patterns of 4,466 voxels in eight regions."""
    chosen = FMRIAutoencoderSettings.parse(settings)
    network = FMRIAutoencoder(chosen.network(VOXELS))
    patterns = np.random.default_rng(0).normal(size=(batch, sum(VOXELS))).astype(np.float32)
    subject = SubjectInTraining(network, patterns, patterns, torch.from_numpy(patterns))
    return Reconstruction({"network": subject}, chosen, dropping_voxels(chosen.voxel_dropout), device)


def tokenizer(side: int, settings: Settings, batch: int, device: torch.device) -> GradientTask:
    """Square images, without a perceptual term, whose network's weights may be absent."""
    chosen = TokenizerSettings.parse({**settings, "perceptual": "none"})
    pixels = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8)
    images = TrainingImages(StimulusSet.open(pixels))
    return TokenizerTask(Tokenizer(chosen.network(side, side)), images, images, chosen, None, device)


def token_generator(places: int, settings: Settings, batch: int, device: torch.device) -> GradientTask:
    """Tokens of as many places, and embeddings of 1,024 values."""
    chosen = TokenGeneratorSettings.parse(settings)
    network = TokenGenerator(chosen.network(codebook_size=1024, tokens=places, embedding=EMBEDDING))
    images = TokenizedImages(torch.randint(1024, (batch, places)), torch.randn(batch, EMBEDDING))
    return TokenGeneratorTask(network.to(device), images, images, chosen, device)


CASES: dict[tuple[str, str], Callable[[int, torch.device], GradientTask]] = {
    ("fMRI autoencoder", "published"): lambda n, on: fmri_autoencoder({"size": "published"}, n, on),
    ("fMRI autoencoder", "small"): lambda n, on: fmri_autoencoder({"size": "small"}, n, on),
    ("tokenizer, 256 px", "published"): lambda n, on: tokenizer(256, {}, n, on),
    ("tokenizer, 64 px", "small"): lambda n, on: tokenizer(64, {"size": "small", "adversarial": 0.0}, n, on),
    ("token generator, 256 tokens", "published"): lambda n, on: token_generator(256, {}, n, on),
    ("token generator, 64 tokens", "small"): lambda n, on: token_generator(64, {"size": "small"}, n, on),
}
BATCHES = {  # on a processor, on a GPU
    ("fMRI autoencoder", "published"): (4, 64), ("fMRI autoencoder", "small"): (16, 64),
    ("tokenizer, 256 px", "published"): (1, 8), ("tokenizer, 64 px", "small"): (16, 64),
    ("token generator, 256 tokens", "published"): (2, 64), ("token generator, 64 tokens", "small"): (32, 64),
}  # fmt: skip


def steps(device: torch.device, *, quick: bool = False) -> list[dict[str, object]]:
    """A row a network and size: a step, and an epoch of 1,200 examples at that pace."""
    rows = []
    for (name, size), make in CASES.items():
        if quick and size == "published":
            continue
        batch = 2 if quick else BATCHES[name, size][device.type != "cpu"]
        torch.manual_seed(0)
        task = make(batch, device)
        took = median_step(task, batch, device, runs=1 if quick else 3)
        weights = sum(weight.numel() for name in task.kept for weight in task.modules[name].parameters())
        rows.append(
            {
                "network": name,
                "size": size,
                "million weights": weights / 1e6,
                "batch": batch,
                "precision": str(getattr(task, "precision", torch.float32)).removeprefix("torch."),
                "s a step": took,
                "s an example": took / batch,
                f"minutes an epoch of {EXAMPLES:,}": took / batch * EXAMPLES / 60,
            }
        )
    return rows


def median_step(task: GradientTask, batch: int, device: torch.device, runs: int) -> float:
    """Median seconds of a step, the first one left out."""
    times = []
    for number in range(runs + 1):
        begin = time.perf_counter()
        with fast_matmul(device):
            task.step(np.arange(batch), torch.Generator().manual_seed(number), LATE)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])
