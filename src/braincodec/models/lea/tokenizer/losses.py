"""The terms of the tokenizer's loss, each a function of tensors.

Sources: VQ-VAE (van den Oord et al. 2017) for codebook and commitment; VQGAN (Esser et al. 2021) for the absolute error
of pixels, the hinge terms and the adaptive weight; MaskGIT (Chang et al. 2022) for the entropy.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F

Error = Literal["absolute", "squared"]
MOST_ADAPTIVE_WEIGHT = 1e4  # both numbers are VQGAN's
LENGTH_EPSILON = 1e-4
SMALLEST_SHARE = 1e-12  # whose logarithm is taken


def reconstruction_error(images: torch.Tensor, truth: torch.Tensor, kind: Error = "absolute") -> torch.Tensor:
    """Error of each image, the mean over its pixels and colours.

    Parameters
    ----------
    images, truth : torch.Tensor, shape (batch, 3, height, width)
    kind : {"absolute", "squared"}
        ``"absolute"`` as in VQGAN, ``"squared"`` as in VQ-VAE.

    Returns
    -------
    torch.Tensor, shape (batch,)

    Examples
    --------
    >>> reconstruction_error(torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.5), "squared")
    tensor([0.2500])
    """
    difference = images.float() - truth.float()
    return (difference.abs() if kind == "absolute" else difference.square()).mean((1, 2, 3))


def codebook_errors(latents: torch.Tensor, quantised: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """How far vectors are from their codebook entries: once to move the entries, once to move the encoder.

    Parameters
    ----------
    latents, quantised : torch.Tensor, shape (batch, code width, rows, columns)
        The encoder's output, and the entries nearest to it.

    Returns
    -------
    codebook, commitment : torch.Tensor
        Mean squared differences, equal in value. The gradient of the first reaches the entries alone, that of the
        second the encoder alone.

    Examples
    --------
    >>> codebook, commitment = codebook_errors(torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 2.0))
    >>> float(codebook), float(commitment)
    (4.0, 4.0)
    """
    latents, quantised = latents.float(), quantised.float()
    return (quantised - latents.detach()).square().mean(), (latents - quantised.detach()).square().mean()


def entropy_penalty(latents: torch.Tensor, codebook: torch.Tensor, temperature: float = 0.01) -> torch.Tensor:
    """Small where each vector is near one entry, and all entries are near some vector.

    Parameters
    ----------
    latents : torch.Tensor, shape (batch, code width, rows, columns)
    codebook : torch.Tensor, shape (entries, code width)
    temperature : float
        Of the softmax of negative squared distances that gives each vector a distribution over entries.

    Returns
    -------
    torch.Tensor
        Mean entropy of the vectors' distributions less the entropy of their mean; from minus the logarithm of the
        number of entries to 0.

    Examples
    --------
    >>> entries = torch.eye(4)
    >>> spread, gathered = entries.T[None, :, :, None], entries[:1].T[None, :, :, None]
    >>> [round(float(entropy_penalty(vectors, entries)), 3) for vectors in (spread, gathered)]
    [-1.386, 0.0]
    """
    vectors = latents.float().movedim(1, -1).flatten(0, -2)  # (vectors, code width)
    entries = codebook.float()
    # the part of the squared distance that all entries share does not change the softmax
    affinity = 2 * vectors @ entries.T - entries.square().sum(1)  # (vectors, entries)
    logs = F.log_softmax(affinity / temperature, -1)
    mean = logs.exp().mean(0)  # (entries,)
    each = -(logs.exp() * logs).sum(-1).mean()
    return each + (mean * mean.clamp_min(SMALLEST_SHARE).log()).sum()


def perplexity(counts: torch.Tensor) -> float:
    """How many entries are in use, had each been used as often: the exponential of the entropy of their shares.

    Parameters
    ----------
    counts : torch.Tensor, shape (entries,)
        How often each was used; not all zero.

    Examples
    --------
    >>> perplexity(torch.tensor([5, 5, 0, 0])), perplexity(torch.tensor([7, 0, 0, 0]))
    (2.0, 1.0)
    """
    shares = counts.double() / counts.sum()
    return float(torch.special.entr(shares).sum().exp())


def adversarial_error(judgement: torch.Tensor) -> torch.Tensor:
    """What the tokenizer pays where the discriminator does not take its reconstructions for images."""
    return -judgement.float().mean()


def discriminator_error(on_images: torch.Tensor, on_reconstructions: torch.Tensor) -> torch.Tensor:
    """Hinge loss of the discriminator: numbers above 1 for images and below -1 for reconstructions cost nothing.

    Examples
    --------
    >>> float(discriminator_error(torch.tensor([2.0]), torch.tensor([0.0])))
    0.5
    """
    return (F.relu(1 - on_images.float()).mean() + F.relu(1 + on_reconstructions.float()).mean()) / 2


def adaptive_weight(reference: torch.Tensor, adversarial: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    """The weight that makes the adversarial term pull as hard on the last layer as the reconstruction does.

    Parameters
    ----------
    reference, adversarial : torch.Tensor
        Losses of the same graph, which is kept.
    last : torch.Tensor
        Weight of the decoder's last convolution.

    Returns
    -------
    torch.Tensor
        Without a gradient; at most 10,000.

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> round(float(adaptive_weight((3 * weight).sum(), (2 * weight).sum(), weight)), 3)
    1.5
    """
    wanted, pulls = (torch.autograd.grad(loss, last, retain_graph=True)[0].norm() for loss in (reference, adversarial))
    return (wanted / (pulls + LENGTH_EPSILON)).clamp(max=MOST_ADAPTIVE_WEIGHT).detach()
