"""MaskGIT behind the interface: tokens drawn for an embedding, and decoded into images."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from numpy.typing import NDArray
from pydantic import model_validator
from torch import nn

from braincodec.device import fast_matmul
from braincodec.errors import InputValueError, NotTrainedError
from braincodec.image_generators.base import GeneratorConfig, ImageGenerator
from braincodec.image_generators.images import ImageSize
from braincodec.image_generators.latent_autoencoder import as_pixels
from braincodec.image_generators.request import Request
from braincodec.image_generators.sampling import Copies, Network
from braincodec.models.lea.checkpoints import load_token_generator, load_tokenizer, load_tokenizer_of
from braincodec.models.lea.tiles import in_tiles
from braincodec.models.lea.token_generator import (
    SamplingConfig,
    TokenGenerator,
    TokenGeneratorConfig,
    TokenGeneratorSettings,
    sample_tokens,
)
from braincodec.models.lea.tokenizer import Tokenizer, TokenizerConfig
from braincodec.models.lea.tokenizer.settings import TokenizerSettings

if TYPE_CHECKING:
    import numpy as np

    from braincodec.stimuli import StimulusSet

PARTS = ("tokenizer", "token_generator")


class MaskGITConfig(GeneratorConfig):
    """Settings of `MaskGIT`.

    Attributes
    ----------
    tokenizer_checkpoint, token_generator_checkpoint : str, optional
        Published files to read; of a stored generator, their names. One file may hold both.
    tokenizer_training, token_generator_training : TokenizerSettings, TokenGeneratorSettings, optional
        How `fit` trains a network that comes from no file. Where neither files nor trainings are named, both are
        trained at the small size, on images of 64 x 64 pixels.
    image_size : int or (int, int), optional
        Of what is learnt and given back, multiples of the tokenizer's patch; an int makes squares. Default: that of
        the images, which must all have one.
    sampling : SamplingConfig
        How tokens are drawn.
    rows : int, optional
        Of the grid of tokens; default: as many as columns, or as the images have that are trained on.
    tokenizer, token_generator : TokenizerConfig, TokenGeneratorConfig, optional
        Sizes of the networks, filled in when there are any.
    """

    shown_as = "maskgit"

    tokenizer_checkpoint: str | None = None
    token_generator_checkpoint: str | None = None
    tokenizer_training: TokenizerSettings | None = None
    token_generator_training: TokenGeneratorSettings | None = None
    image_size: ImageSize | None = None
    sampling: SamplingConfig = SamplingConfig.parse({})
    rows: int | None = None
    tokenizer: TokenizerConfig | None = None
    token_generator: TokenGeneratorConfig | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for part in ("tokenizer", "token_generator"):
            if getattr(self, f"{part}_checkpoint") is not None and getattr(self, f"{part}_training") is not None:
                raise ValueError(
                    f"{part}_checkpoint and {part}_training exclude each other; to go on from a checkpoint, name it as "
                    f"start in {part}_training"
                )
        if self.tokenizer_training is not None and self.token_generator_checkpoint is not None:
            raise ValueError(
                "a token generator only knows the tokens of its own tokenizer; leave out tokenizer_training, or give "
                "token_generator_training (with start) in place of token_generator_checkpoint"
            )
        if self.tokenizer_training is not None and self.token_generator_training is None:
            raise ValueError("token_generator_training is missing beside tokenizer_training")
        sizes = {size for size in (self.image_size, self._trained_size) if size is not None}
        if len(sizes) > 1:
            raise ValueError(
                f"image_size {self.image_size} and that of tokenizer_training, {self._trained_size}, differ"
            )
        return self

    @property
    def _trained_size(self) -> ImageSize | None:
        return None if self.tokenizer_training is None else self.tokenizer_training.image_size

    @property
    def size(self) -> ImageSize | None:
        """Of the images, where it is set."""
        return self._trained_size if self.image_size is None else self.image_size


class MaskGIT(ImageGenerator):
    """Images of a token generator and a tokenizer (Chang et al. 2022, as LEA conditions it).

    Each comes trained, from a published checkpoint or from `over`, or is trained by `fit`: the tokenizer on images, the
    token generator on their tokens and embeddings. Where both come trained, `fit` only compares the width of the
    embeddings.

    Parameters
    ----------
    **settings
        Those of `MaskGITConfig`; checkpoints are read at once.

    Attributes
    ----------
    history : dict
        After `fit`, the ``curve`` and ``best_epoch`` of each network that was trained; not stored.

    Examples
    --------
    >>> tokenizer = Tokenizer(TokenizerConfig(base_width=32, multipliers=(1, 2), blocks=1, codebook_size=8))
    >>> sizes = TokenGeneratorConfig(codebook_size=8, tokens=4, embedding=6, width=16, depth=1, heads=2)
    >>> MaskGIT.over(tokenizer, TokenGenerator(sizes)).generate([[0.0] * 6], n_samples=3).shape
    (1, 3, 4, 4, 3)
    """

    kind, config_class = "maskgit", MaskGITConfig
    config: MaskGITConfig
    history: dict[str, dict[str, Any]]
    _tokenizer: Tokenizer | None = None
    _token_generator: TokenGenerator | None = None
    _decoder: Tokenizer
    _copies: Copies

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.history, self._copies = {}, Copies()
        config = self.config
        generator_file = config.token_generator_checkpoint
        tokenizer_file = config.tokenizer_checkpoint
        if tokenizer_file is None and generator_file is None:
            return
        if generator_file is None and config.token_generator_training is None:
            raise InputValueError(
                "maskgit: token_generator_checkpoint is missing beside tokenizer_checkpoint; or give "
                "token_generator_training, to train one"
            )
        if generator_file is None:
            self._take(load_tokenizer(str(tokenizer_file)), None)
        else:
            token_generator = load_token_generator(generator_file)
            self._take(load_tokenizer_of(generator_file, tokenizer_file), token_generator)
        names = {
            name: Path(path).name if path else None
            for name in ("tokenizer_checkpoint", "token_generator_checkpoint")
            for path in (getattr(config, name),)
        }
        self.config = self.config.model_copy(update=names)

    @classmethod
    def over(cls, tokenizer: Tokenizer, token_generator: TokenGenerator | None = None, **settings: Any) -> Self:
        """A generator over trained networks in memory, or over a tokenizer for which `fit` trains a token generator.

        Raises
        ------
        InputValueError
            When the networks do not fit together.
        """
        generator = cls(**settings)
        generator._take(tokenizer, token_generator)
        return generator

    def _take(self, tokenizer: Tokenizer, token_generator: TokenGenerator | None) -> None:
        ours = tokenizer.config
        self._tokenizer, self._token_generator, self._copies = tokenizer.eval(), None, Copies()
        self._decoder = _without_encoder(tokenizer)
        self.config = self.config.model_copy(update={"tokenizer": ours, "token_generator": None})
        if token_generator is None:
            return
        theirs = token_generator.config
        if ours.codebook_size != theirs.codebook_size:
            raise InputValueError(
                f"the tokenizer's codebook has {ours.codebook_size} entries, the token generator draws from "
                f"{theirs.codebook_size}; they were not trained together"
            )
        rows = math.isqrt(theirs.tokens) if self.config.rows is None else self.config.rows
        if rows < 1 or theirs.tokens % rows or (self.config.rows is None and rows**2 != theirs.tokens):
            raise InputValueError(f"{theirs.tokens} tokens make no grid of {rows} rows; set rows")
        self._token_generator = token_generator.eval()
        self.config = self.config.model_copy(update={"token_generator": theirs, "rows": rows})
        self._dimension = theirs.embedding

    def _fit(
        self,
        images: StimulusSet,
        embeddings: NDArray[np.float32],
        *,
        workspace: Path | None,
        device: torch.device,
        progress: bool | None,
    ) -> None:
        self.history = {}
        if self._token_generator is not None and self.config.token_generator_training is None:
            self._dimension = expected = self._token_generator.config.embedding
            if embeddings.shape[1] != expected:
                raise InputValueError(
                    f"the token generator reads embeddings of {expected} values, got {embeddings.shape[1]}; "
                    "choose the image embedding that it was trained with"
                )
            return
        from braincodec.image_generators.maskgit_training import REDUCED, Means, train_networks

        config = self.config
        if self._tokenizer is None and config.token_generator_training is None:
            config = config.model_copy(update=REDUCED)
        if config.token_generator_training is None:
            raise NotTrainedError("maskgit has no token generator; give token_generator_training, to train one")
        first = config.tokenizer_training or self._tokenizer
        if first is None:
            raise NotTrainedError("maskgit has no tokenizer; give tokenizer_checkpoint or tokenizer_training")
        trained = train_networks(
            images, embeddings, first, config.token_generator_training, config.size, Means(workspace, device, progress)
        )
        self.config = config.model_copy(update={"rows": trained.rows})
        self._take(trained.tokenizer, trained.token_generator)
        self.history = trained.history

    def tensors(self) -> dict[str, torch.Tensor]:
        """Weights of both networks."""
        return {
            f"{part}.{name}": value
            for part, network in zip(PARTS, self._networks(), strict=True)
            for name, value in network.state_dict().items()
        }

    def _networks(self) -> tuple[Tokenizer, TokenGenerator]:
        _ = self.embedding
        assert self._tokenizer is not None
        assert self._token_generator is not None
        return self._tokenizer, self._token_generator

    def _load(self, tensors: dict[str, torch.Tensor]) -> int:
        if self.config.tokenizer is None or self.config.token_generator is None:
            raise InputValueError("maskgit: the stored settings lack the sizes of the networks")
        self.history = {}
        with torch.device("meta"):
            tokenizer, token_generator = Tokenizer(self.config.tokenizer), TokenGenerator(self.config.token_generator)
        networks: tuple[nn.Module, nn.Module] = (tokenizer, token_generator)
        for part, network in zip(PARTS, networks, strict=True):
            weights = {n.removeprefix(f"{part}."): t for n, t in tensors.items() if n.startswith(f"{part}.")}
            try:
                network.load_state_dict(weights, assign=True)
            except RuntimeError as error:
                raise InputValueError(f"maskgit: the stored {part} does not fit its settings: {error}") from None
        self._take(tokenizer.to_channels_last(), token_generator)
        return token_generator.config.embedding

    def _generate(self, request: Request) -> NDArray[np.uint8]:
        tokens = self._tokens(request)  # (n, n_samples, tokens)
        network = self._on_device(self._decoder, request)
        grid = tokens.flatten(0, 1).unflatten(-1, (self.config.rows or 1, -1))  # (n * n_samples, rows, columns)

        def render(ids: torch.Tensor) -> torch.Tensor:
            return as_pixels(network.decode_ids(ids))

        with torch.inference_mode(), fast_matmul(request.device):
            images = in_tiles(render, grid)
        return images.view(*tokens.shape[:2], *images.shape[1:]).numpy()

    def _tokens(self, request: Request) -> torch.Tensor:
        return sample_tokens(
            self._on_device(self._networks()[1], request),
            request.embeddings,
            n_samples=request.n_samples,
            seed=request.seed,
            stimuli=request.stimuli,
            config=self.config.sampling,
            on_tile=request.advance,
        )

    def _on_device(self, network: Network, request: Request) -> Network:
        return self._copies.of(network, request.device, request.dtype, keep=not request.one_network_at_a_time)


def _without_encoder(tokenizer: Tokenizer) -> Tokenizer:
    """The same network for decoding alone."""
    half = copy.copy(tokenizer)
    half._modules = {name: module for name, module in tokenizer._modules.items() if name != "encoder"}
    return half
