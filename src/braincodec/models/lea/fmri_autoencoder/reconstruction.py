"""The step of both trainings: patterns of which a part is hidden, and the error of all their voxels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from braincodec.models.gradient_training import GradientTask, adamw, choose_precision, descend
from braincodec.models.gradient_training.optimisation import autocast
from braincodec.models.gradient_training.task import shuffled
from braincodec.models.lea.fmri_autoencoder.masking import draw_hidden_voxels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.models.lea.fmri_autoencoder.network import FMRIAutoencoder
    from braincodec.models.lea.fmri_autoencoder.settings import FMRIAutoencoderSettings

# (patterns, network, generator of the CPU) to what the network is shown
Hide = Callable[[torch.Tensor, "FMRIAutoencoder", torch.Generator], torch.Tensor]


class SubjectInTraining(NamedTuple):
    """One subject's patterns, standardised, and the network that reads them.

    Parameters
    ----------
    network : FMRIAutoencoder
        May share its trunk with those of other subjects.
    train, validation : array of float32, shape (patterns, voxels)
    shown : tensor of float32, shape (patterns, voxels)
        The validation patterns as the network sees them.
    """

    network: FMRIAutoencoder
    train: NDArray[np.float32]
    validation: NDArray[np.float32]
    shown: torch.Tensor


class Reconstruction(GradientTask):
    """Autoencoders of one or several subjects learn to reconstruct patterns that they see a part of.

    Parameters
    ----------
    subjects : mapping of name to SubjectInTraining
    settings : FMRIAutoencoderSettings
    hide : callable
        What is shown of training patterns.
    device : torch.device
    """

    criterion = "validation_error"

    def __init__(
        self,
        subjects: Mapping[str, SubjectInTraining],
        settings: FMRIAutoencoderSettings,
        hide: Hide,
        device: torch.device,
    ) -> None:
        self.subjects, self.settings, self.hide, self.device = list(subjects.values()), settings, hide, device
        self.precision = choose_precision(settings.precision, device)
        self.modules = {name: subject.network.to(device) for name, subject in subjects.items()}
        self.optimisers = {"adamw": adamw(self.modules.values(), settings)}
        self.kept = tuple(self.modules)
        self.first_rows = np.cumsum([0, *(len(subject.train) for subject in self.subjects)])
        self.examples = int(self.first_rows[-1])

    def batches(self, rng: np.random.Generator, batch_size: int) -> list[NDArray[np.int64]]:
        """Batches of one subject each, in mixed order."""
        ranges = zip(self.first_rows[:-1], self.first_rows[1:], strict=True)
        batches = [batch for begin, end in ranges for batch in shuffled(np.arange(begin, end), rng, batch_size)]
        return [batches[place] for place in rng.permutation(len(batches))]

    def step(self, rows: NDArray[np.int64], generator: torch.Generator, done: float) -> dict[str, float]:
        """Move trunk and embeddings by a batch of one subject."""
        number = int(np.searchsorted(self.first_rows, rows[0], side="right")) - 1
        subject = self.subjects[number]
        patterns = torch.from_numpy(subject.train[rows - self.first_rows[number]])  # (batch, voxels)
        shown = self.hide(patterns, subject.network, generator)
        subject.network.train()
        with autocast(self.device, self.precision):
            reconstructed = subject.network(shown.to(self.device))
        loss = F.mse_loss(reconstructed.float(), patterns.to(self.device))
        descend(self.optimisers["adamw"], loss, self.settings)
        return {"error": float(loss.detach())}

    def validate(self) -> dict[str, float]:
        """Squared error as a share of the patterns' own squares, which the mean pattern has: mean over subjects."""
        return {self.criterion: float(np.mean([self._error(subject) for subject in self.subjects]))}

    @torch.no_grad()
    def _error(self, subject: SubjectInTraining) -> float:
        subject.network.eval()
        error = squares = 0.0
        for begin in range(0, len(subject.validation), self.settings.batch_size):
            rows = slice(begin, begin + self.settings.batch_size)
            patterns = torch.from_numpy(np.ascontiguousarray(subject.validation[rows])).to(self.device)
            with autocast(self.device, self.precision):
                reconstructed = subject.network(subject.shown[rows].to(self.device))
            error += float((reconstructed.float() - patterns).square().sum(dtype=torch.float64))
            squares += float(patterns.square().sum(dtype=torch.float64))
        return error / squares


def dropping_voxels(share: float) -> Hide:
    """Dropout of voxels; those that remain are scaled up, so that sums over voxels stay as they were on average.

    Parameters
    ----------
    share : float
        Of the voxels that are dropped, drawn for each pattern.
    """

    def hide(patterns: torch.Tensor, network: FMRIAutoencoder, generator: torch.Generator) -> torch.Tensor:
        dropped = torch.rand(patterns.shape, generator=generator) < share
        return patterns.masked_fill(dropped, 0.0) / (1 - share)

    return hide


def hiding_runs(share: float, run: int | None) -> Hide:
    """Runs of neighbouring voxels are hidden: set to zero, each voxel's mean.

    Voxels and not tokens, because each token of a region sees all of its voxels: other tokens would tell what a hidden
    one held.

    Parameters
    ----------
    share : float
        Of the runs.
    run : int, optional
        Voxels; None: whole regions.
    """

    def hide(patterns: torch.Tensor, network: FMRIAutoencoder, generator: torch.Generator) -> torch.Tensor:
        voxels = network.config.voxels
        hidden = draw_hidden_voxels(voxels, len(patterns), generator=generator, share=share, run=run)
        return patterns.masked_fill(hidden, 0.0)

    return hide
