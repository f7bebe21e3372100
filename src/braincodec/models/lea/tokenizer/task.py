"""What a batch of images does to a tokenizer in training, and to the discriminator beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from braincodec.models.gradient_training import GradientTask, adamw, choose_precision, descend
from braincodec.models.gradient_training.optimisation import autocast
from braincodec.models.lea.tokenizer.codebook_usage import CodebookUsage
from braincodec.models.lea.tokenizer.discriminator import Discriminator, levels_for
from braincodec.models.lea.tokenizer.images import TrainingImages, as_values, varied
from braincodec.models.lea.tokenizer.losses import (
    adaptive_weight,
    adversarial_error,
    codebook_errors,
    discriminator_error,
    entropy_penalty,
    perplexity,
    reconstruction_error,
)
from braincodec.models.lea.tokenizer.network import Tokenized, Tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from braincodec.models.lea.tokenizer.perceptual import PerceptualDistance
    from braincodec.models.lea.tokenizer.settings import TokenizerSettings

BETAS = (0.5, 0.9)  # of Adam for both networks, as in VQGAN; codes move too slowly with more momentum


class TokenizerTask(GradientTask):
    """A tokenizer in training, with a discriminator where the settings have an adversarial term.

    Parameters
    ----------
    network : Tokenizer
    train, validation : TrainingImages
    settings : TokenizerSettings
    perceptual : PerceptualDistance, optional
    device : torch.device
    """

    criterion = "validation_error"
    kept = ("tokenizer",)

    def __init__(
        self,
        network: Tokenizer,
        train: TrainingImages,
        validation: TrainingImages,
        settings: TokenizerSettings,
        perceptual: PerceptualDistance | None,
        device: torch.device,
    ) -> None:
        self.network, self.train, self.validation, self.settings = network.to(device), train, validation, settings
        self.device, self.precision = device, choose_precision(settings.precision, device)
        self.examples = len(train)
        self.perceptual = None if perceptual is None else perceptual.to(device)
        self.usage = CodebookUsage(network.config.codebook_size, fresh=settings.start is None).to(device)
        self.optimiser: torch.optim.Optimizer = adamw([network], settings, BETAS)
        self.modules = {"tokenizer": network, "usage": self.usage}
        self.optimisers = {"tokenizer": self.optimiser}
        self.discriminator: Discriminator | None = None
        if settings.adversarial:
            levels = levels_for(min(train.height, train.width))
            self.discriminator = Discriminator(levels, settings.discriminator_width).to(device)
            self.discriminator_optimiser = torch.optim.Adam(
                self.discriminator.parameters(), lr=settings.learning_rate, betas=BETAS
            )
            self.modules["discriminator"] = self.discriminator
            self.optimisers["discriminator"] = self.discriminator_optimiser
        self.candidate = self.discriminator is None

    def step(self, rows: NDArray[np.int64], generator: torch.Generator, done: float) -> dict[str, float]:
        """Move tokenizer, codebook and discriminator by one batch."""
        settings = self.settings
        pixels = varied(self.train.pixels(rows), generator, flips=settings.flips, crops=settings.crops)
        truth = as_values(pixels, self.device)  # (batch, 3, height, width)
        judged = self.discriminator is not None and done >= settings.adversarial_start
        self.candidate = judged or self.discriminator is None
        terms: dict[str, torch.Tensor] = {}
        with autocast(self.device, self.precision):
            made = self.network(truth)
            errors = self._errors(made.images, truth)  # each (batch,)
            reference = self._weighted(errors).mean()
            loss = reference + self._codebook_loss(made, terms)
            if judged:
                loss = loss + self._adversarial_loss(reference, made.images, terms)
        descend(self.optimiser, loss, settings)
        if judged:
            terms["discriminator"] = self._move_discriminator(made.images.detach(), truth)
        self.usage.update(made.ids)
        if settings.restart:
            codebook = self.network.quantizer.embedding.weight
            moved = self.usage.restart(codebook, made.latents, settings.restart, self.optimiser, generator)
            terms["restarted"] = torch.tensor(moved)
        terms = {"loss": reference, **errors, **terms}
        return {name: float(value.detach().float().mean()) for name, value in terms.items()}

    def _errors(self, images: torch.Tensor, truth: torch.Tensor) -> dict[str, torch.Tensor]:
        """Errors of each image, shape (batch,), in pixels and in features."""
        errors = {"reconstruction": reconstruction_error(images, truth, self.settings.reconstruction)}
        if self.perceptual is not None:
            errors["perceptual"] = self.perceptual(images.float(), truth)
        return errors

    def _weighted(self, errors: dict[str, torch.Tensor]) -> torch.Tensor:
        weights = {"reconstruction": 1.0, "perceptual": self.settings.perceptual_weight}
        return torch.stack([weights[name] * error for name, error in errors.items()]).sum(0)

    def _codebook_loss(self, made: Tokenized, terms: dict[str, torch.Tensor]) -> torch.Tensor:
        settings = self.settings
        codebook, commitment = codebook_errors(made.latents, made.quantised)
        terms["codebook"] = codebook.detach()
        loss = settings.codebook * codebook + settings.commitment * commitment
        if settings.entropy:
            entropy = entropy_penalty(made.latents, self.network.codebook, settings.entropy_temperature)
            terms["entropy"] = entropy.detach()
            loss = loss + settings.entropy * entropy
        return loss

    def _adversarial_loss(
        self, reference: torch.Tensor, images: torch.Tensor, terms: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        assert self.discriminator is not None
        error = adversarial_error(self.discriminator(images))
        terms["adversarial"] = error.detach()
        weight = adaptive_weight(reference, error, self.network.decoder.conv_out.weight)
        return self.settings.adversarial * weight * error

    def _move_discriminator(self, images: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        assert self.discriminator is not None
        with autocast(self.device, self.precision):
            error = discriminator_error(self.discriminator(truth), self.discriminator(images))
        descend(self.discriminator_optimiser, error, self.settings)
        return error

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Errors of the validation images, in float32, and how much of the codebook they use."""
        sums: dict[str, float] = {}
        counts = torch.zeros(self.network.config.codebook_size, dtype=torch.int64, device=self.device)
        for truth in self._validation_batches():
            made = self.network(truth)
            counts += torch.bincount(made.ids.flatten(), minlength=len(counts))
            errors = self._errors(made.images, truth)
            for name, error in {"error": self._weighted(errors), **errors}.items():
                sums[name] = sums.get(name, 0.0) + float(error.double().sum())
        means = {f"validation_{name}": value / len(self.validation) for name, value in sums.items()}
        return {**means, "validation_perplexity": perplexity(counts)}

    def floor(self, mean: torch.Tensor) -> float:
        """Validation error of pixels where every image is `mean`, shape (3, height, width)."""
        errors = [
            reconstruction_error(mean.to(self.device).expand_as(truth), truth, self.settings.reconstruction)
            for truth in self._validation_batches()
        ]
        return float(torch.cat(errors).mean())

    def _validation_batches(self) -> Iterator[torch.Tensor]:
        rows = np.arange(len(self.validation))
        for begin in range(0, len(rows), self.settings.batch_size):
            yield as_values(self.validation.pixels(rows[begin : begin + self.settings.batch_size]), self.device)
