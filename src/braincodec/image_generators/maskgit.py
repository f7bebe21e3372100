"""MaskGIT behind the interface: tokens drawn for an embedding, and decoded into images."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from numpy.typing import NDArray
from torch import nn

from braincodec.device import fast_matmul
from braincodec.errors import InputValueError, NotTrainedError
from braincodec.image_generators.base import GeneratorConfig, ImageGenerator, Request
from braincodec.image_generators.latent_autoencoder import as_pixels
from braincodec.image_generators.sampling import placed
from braincodec.models.lea.checkpoints import load_token_generator, load_tokenizer
from braincodec.models.lea.tiles import in_tiles
from braincodec.models.lea.token_generator import SamplingConfig, TokenGenerator, TokenGeneratorConfig, sample_tokens
from braincodec.models.lea.tokenizer import Tokenizer, TokenizerConfig

if TYPE_CHECKING:
    import numpy as np

    from braincodec.stimuli import StimulusSet


class MaskGITConfig(GeneratorConfig):
    """Settings of `MaskGIT`.

    Attributes
    ----------
    tokenizer_checkpoint, token_generator_checkpoint : str, optional
        Published files to read; of a stored generator, their names. One file may hold both.
    sampling : SamplingConfig
        How tokens are drawn.
    rows : int, optional
        Of the grid of tokens; default: as many as columns.
    tokenizer, token_generator : TokenizerConfig, TokenGeneratorConfig, optional
        Sizes of the networks, filled in when there are any.
    """

    shown_as = "maskgit"

    tokenizer_checkpoint: str | None = None
    token_generator_checkpoint: str | None = None
    sampling: SamplingConfig = SamplingConfig.parse({})
    rows: int | None = None
    tokenizer: TokenizerConfig | None = None
    token_generator: TokenGeneratorConfig | None = None


class MaskGIT(ImageGenerator):
    """Images of a pretrained token generator and tokenizer (Chang et al. 2022, as LEA conditions it).

    Both come trained, from published checkpoints or from `over`; `fit` only compares the width of the embeddings.

    Parameters
    ----------
    **settings
        Those of `MaskGITConfig`; checkpoints are read at once.

    Examples
    --------
    >>> tokenizer = Tokenizer(TokenizerConfig(base_width=32, multipliers=(1, 2), blocks=1, codebook_size=8))
    >>> sizes = TokenGeneratorConfig(codebook_size=8, tokens=4, embedding=6, width=16, depth=1, heads=2)
    >>> MaskGIT.over(tokenizer, TokenGenerator(sizes)).generate([[0.0] * 6], n_samples=3).shape
    (1, 3, 4, 4, 3)
    """

    kind, config_class = "maskgit", MaskGITConfig
    config: MaskGITConfig
    _tokenizer: Tokenizer
    _token_generator: TokenGenerator

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        config = self.config
        generator_file = config.token_generator_checkpoint
        tokenizer_file = config.tokenizer_checkpoint or generator_file
        if generator_file is None or tokenizer_file is None:
            if config.tokenizer_checkpoint is not None:
                raise InputValueError("maskgit: token_generator_checkpoint is missing beside tokenizer_checkpoint")
            return
        self._take(load_tokenizer(tokenizer_file), load_token_generator(generator_file))
        names = {
            name: Path(path).name if path else None
            for name in ("tokenizer_checkpoint", "token_generator_checkpoint")
            for path in (getattr(config, name),)
        }
        self.config = self.config.model_copy(update=names)

    @classmethod
    def over(cls, tokenizer: Tokenizer, token_generator: TokenGenerator, **settings: Any) -> Self:
        """A generator over trained networks in memory.

        Raises
        ------
        InputValueError
            When the networks do not fit together.
        """
        generator = cls(**settings)
        generator._take(tokenizer, token_generator)
        return generator

    def _take(self, tokenizer: Tokenizer, token_generator: TokenGenerator) -> None:
        ours, theirs = tokenizer.config, token_generator.config
        if ours.codebook_size != theirs.codebook_size:
            raise InputValueError(
                f"the tokenizer's codebook has {ours.codebook_size} entries, the token generator draws from "
                f"{theirs.codebook_size}; they were not trained together"
            )
        rows = math.isqrt(theirs.tokens) if self.config.rows is None else self.config.rows
        if rows < 1 or theirs.tokens % rows or (self.config.rows is None and rows**2 != theirs.tokens):
            raise InputValueError(f"{theirs.tokens} tokens make no grid of {rows} rows; set rows")
        self._tokenizer, self._token_generator = tokenizer.eval(), token_generator.eval()
        self.config = self.config.model_copy(update={"tokenizer": ours, "token_generator": theirs, "rows": rows})
        self._dimension = theirs.embedding

    def _fit(
        self, images: StimulusSet, embeddings: NDArray[np.float32], device: torch.device, progress: bool | None
    ) -> None:
        if self.config.token_generator is None:
            raise NotTrainedError(
                "maskgit has no networks; give token_generator_checkpoint (and tokenizer_checkpoint), or trained "
                "ones to MaskGIT.over"
            )
        self._dimension = expected = self.config.token_generator.embedding
        if embeddings.shape[1] != expected:
            raise InputValueError(
                f"the token generator reads embeddings of {expected} values, got {embeddings.shape[1]}; "
                "choose the image embedding that it was trained with"
            )

    def tensors(self) -> dict[str, torch.Tensor]:
        """Weights of both networks."""
        _ = self.embedding
        return {
            f"{part}.{name}": value
            for part, network in (("tokenizer", self._tokenizer), ("token_generator", self._token_generator))
            for name, value in network.state_dict().items()
        }

    def _load(self, tensors: dict[str, torch.Tensor]) -> int:
        if self.config.tokenizer is None or self.config.token_generator is None:
            raise InputValueError("maskgit: the stored settings lack the sizes of the networks")
        with torch.device("meta"):
            tokenizer, token_generator = Tokenizer(self.config.tokenizer), TokenGenerator(self.config.token_generator)
        networks: tuple[tuple[str, nn.Module], ...] = (("tokenizer", tokenizer), ("token_generator", token_generator))
        for part, network in networks:
            weights = {n.removeprefix(f"{part}."): t for n, t in tensors.items() if n.startswith(f"{part}.")}
            try:
                network.load_state_dict(weights, assign=True)
            except RuntimeError as error:
                raise InputValueError(f"maskgit: the stored {part} does not fit its settings: {error}") from None
        self._take(tokenizer.to_channels_last(), token_generator)
        return self.config.token_generator.embedding

    def _generate(self, request: Request) -> NDArray[np.uint8]:
        # one after the other, so that a GPU holds one network at a time
        tokens = sample_tokens(
            placed(self._token_generator, request.device, request.dtype),
            request.embeddings,
            n_samples=request.n_samples,
            seed=request.seed,
            stimuli=request.stimuli,
            config=self.config.sampling,
            on_tile=request.advance,
        )  # (n, n_samples, tokens)
        network = placed(self._tokenizer, request.device, request.dtype)
        grid = tokens.flatten(0, 1).unflatten(-1, (self.config.rows or 1, -1))  # (n * n_samples, rows, columns)

        def render(ids: torch.Tensor) -> torch.Tensor:
            return as_pixels(network.decode_ids(ids))

        with torch.inference_mode(), fast_matmul(request.device):
            images = in_tiles(render, grid)
        return images.view(*tokens.shape[:2], *images.shape[1:]).numpy()
