"""The network of the token generator: a masked transformer that reads an image embedding before the tokens.

MaskGIT's bidirectional transformer (Chang et al. 2022) as LEA conditions it (Qian et al. 2024, TMLR), with the names of
its published weights. It says for each place how likely each codebook entry is, given the tokens that are not masked.
"""

from __future__ import annotations

from typing import Annotated, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import nn

from braincodec.config import Config
from braincodec.errors import InputValueError

CLASSES = 1000  # ids between codebook and mask that MaskGIT uses for ImageNet's classes, and LEA not at all
MLP_RATIO = 4
EPSILON = 1e-12  # of the layer norms behind the first
INITIAL_DEVIATION = 0.02

Count = Annotated[int, Field(ge=1)]


class TokenGeneratorConfig(Config):
    """Sizes of the token generator; the defaults are the published ones.

    Attributes
    ----------
    codebook_size : int
        Entries of the tokenizer's codebook.
    tokens : int
        Of an image: rows times columns of the tokenizer's grid.
    embedding : int
        Values of the image embedding.
    width, depth, heads : int
        Channels of a token, transformer layers, attention heads.
    dropout : float
        While training.
    """

    shown_as = "token generator"

    codebook_size: int = Field(1024, ge=2)
    tokens: Count = 256
    embedding: Count = 1024
    width: Count = 768
    depth: Count = 24
    heads: Count = 16
    dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared by {self.heads} heads equally")
        return self

    @property
    def mask_id(self) -> int:
        """The id that stands for a masked token."""
        return self.codebook_size + CLASSES


class TokenGenerator(nn.Module):
    """Logits of image tokens, given some of them and an image embedding.

    Parameters
    ----------
    config : TokenGeneratorConfig

    Examples
    --------
    >>> config = TokenGeneratorConfig(codebook_size=8, tokens=4, embedding=6, width=16, depth=2, heads=2)
    >>> network = TokenGenerator(config)
    >>> masked = torch.full((3, 4), network.config.mask_id)
    >>> network(masked, torch.zeros(3, 6)).shape
    torch.Size([3, 4, 8])
    """

    def __init__(self, config: TokenGeneratorConfig) -> None:
        super().__init__()
        self.config = config
        vocabulary, width = config.mask_id + 1, config.width
        self.decoder_embed = nn.Linear(config.embedding, width)
        self.token_emb = nn.Embedding(vocabulary, width)
        self.de_pos_emb = nn.Embedding(1 + config.tokens, width)
        self.ln = nn.LayerNorm(width)
        self.decoder = nn.ModuleList(Layer(width, config.heads, config.dropout) for _ in range(config.depth))
        self.mlps = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width, eps=EPSILON))
        self.mlps_bias = nn.Parameter(torch.zeros(vocabulary))
        self.apply(_initialise)

    def forward(self, ids: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """Logits of every place.

        Parameters
        ----------
        ids : torch.Tensor of int64, shape (batch, tokens)
            Codebook entries, or ``config.mask_id``.
        embedding : torch.Tensor, shape (batch, embedding)

        Returns
        -------
        torch.Tensor, shape (batch, tokens, codebook size)
        """
        x = self._but_last_layer(ids, embedding)
        return self._logits(self.decoder[-1](x[:, 1:], x))

    def logits_at(self, ids: torch.Tensor, embedding: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Logits of some places: the last layer and the output leave out the others.

        Parameters
        ----------
        ids, embedding : torch.Tensor
            As for a call of the network.
        places : torch.Tensor of int64, shape (batch, places)
            Which tokens, from 0.

        Returns
        -------
        torch.Tensor, shape (batch, places, codebook size)
        """
        x = self._but_last_layer(ids, embedding)
        rows = x.gather(1, (places + 1)[..., None].expand(-1, -1, x.shape[-1]))  # (batch, places, width)
        return self._logits(self.decoder[-1](rows, x))

    def _but_last_layer(self, ids: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        if ids.ndim != 2 or ids.shape[1] != self.config.tokens or embedding.shape != (len(ids), self.config.embedding):
            raise InputValueError(
                f"ids must have shape (batch, {self.config.tokens}) and embeddings (batch, {self.config.embedding}); "
                f"got {tuple(ids.shape)} and {tuple(embedding.shape)}"
            )
        prefix = self.decoder_embed(embedding)[:, None]  # (batch, 1, width)
        x = torch.cat([prefix, self.token_emb(ids)], 1)  # (batch, 1 + tokens, width)
        x = F.dropout(self.ln(x + self.de_pos_emb.weight), self.config.dropout, self.training)
        for layer in self.decoder[:-1]:
            x = layer(x, x)
        return x

    def _logits(self, x: torch.Tensor) -> torch.Tensor:  # (batch, places, width)
        # the embedding is also the output; rows behind the codebook are never read
        entries = self.config.codebook_size
        return F.linear(self.mlps(x), self.token_emb.weight[:entries], self.mlps_bias[:entries])


class Layer(nn.Module):
    """One post-norm transformer layer: attention, then an MLP, each added and normalised.

    Parameters
    ----------
    width, heads : int
    dropout : float
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.self_attn = Attention(width, heads, dropout)
        self.linear1 = nn.Linear(width, MLP_RATIO * width)
        self.linear2 = nn.Linear(MLP_RATIO * width, width)
        self.norm1 = nn.LayerNorm(width, eps=EPSILON)
        self.norm2 = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, rows: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """The rows (batch, rows, width) after the layer; they attend to `context` (batch, tokens, width)."""
        gathered = self.self_attn(rows, context)  # (batch, rows, width)
        x = self.norm1(rows + F.dropout(gathered, self.dropout, self.training))
        hidden = F.gelu(self.linear1(x))  # (batch, rows, 4 width)
        return self.norm2(x + F.dropout(self.linear2(hidden), self.dropout, self.training))


class Attention(nn.Module):
    """Multi-head attention of rows to a context."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.key = nn.Linear(width, width)
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def forward(self, rows: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """What the rows gather, shape (batch, rows, width)."""
        query, key, value = (
            linear(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (batch, head, rows or tokens, width of head)
            for linear, x in ((self.query, rows), (self.key, context), (self.value, context))
        )
        gathered = F.scaled_dot_product_attention(query, key, value, dropout_p=self.dropout if self.training else 0.0)
        return self.proj(gathered.transpose(1, 2).flatten(2))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.trunc_normal_(module.weight, std=INITIAL_DEVIATION)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
