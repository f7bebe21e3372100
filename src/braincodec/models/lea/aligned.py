"""The trained LEA as an encoder: its parts put together, and images through them to responses."""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from braincodec.errors import InputValueError
from braincodec.image_generators.base import IMAGE_GENERATORS, ImageGenerator
from braincodec.models.backboned import BACKBONE, BackboneEncoder
from braincodec.models.lea.alignment import LatentMap, RetrievalHead
from braincodec.models.lea.alignment.scaling import check_rule
from braincodec.models.lea.config import DECODING, ENCODING, GENERATOR, HEAD, INVERSION, ORDER, SELECTED, LEAConfig
from braincodec.models.lea.fmri_latent import as_latent, stored_latent
from braincodec.models.lea.image_embedding import joined_layers, scaled_to_unit_length
from braincodec.models.lea.inversion import DifferentiableEmbedding, Inversion
from braincodec.models.lea.standardisation import Standardisation
from braincodec.models.tensors import add_tensor, check_tensor_shapes

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.device import Device, Dtype
    from braincodec.models.trainable import Parts
    from braincodec.stimuli import StimulusSet

# images in one call of the network that embeds them, whatever batch size is asked for: a processor is busy with one
# where the network has so many weights, and wants several where it has fewer
LARGE = 50_000_000
EMBEDDING_TILE = 8
EMBEDDING_TILE_ELSEWHERE = 16
BYTES_PER_IMAGE = 32 * 2**20

Rescale = Literal["training", "none", "transductive"]


class AlignedEncoder(BackboneEncoder):
    """Images to embeddings, to predicted fMRI latents, to responses; the map back and the generator are at hand.

    Attributes
    ----------
    latent_network : torch.nn.Module
        From patterns to latents and back.
    decoding_map, encoding_map : LatentMap
        From fMRI latents to image embeddings, and the other way.
    retrieval_head : RetrievalHead or None
        A space that was learnt for retrieval.
    latent_there : torch.nn.Module or None
        `latent_network` where the model was prepared.
    """

    config_class = LEAConfig
    preferred_batch_size = 32

    latent_there: Any
    _running: Any  # the extractor, where the model was prepared

    def _adopt(self, parts: Parts) -> None:
        self._shared_key: str | None = None
        self._rule: str | None = None
        super()._adopt(parts)

    def _check(self) -> None:
        voxels = sum(self.config.voxels)
        check_tensor_shapes(self._tensors, {ORDER: (voxels,)})
        order = self._tensors[ORDER].cpu().numpy()
        units = self._all_units
        if len(np.unique(order)) != voxels or not np.isin(order, np.arange(units)).all():
            raise InputValueError(f"{ORDER} must name {voxels} of {units} units, each once")
        self._order = order
        selected = self._tensors.get(SELECTED)
        self._selected = None if selected is None else selected.cpu().numpy()
        described = self.units.sizes.get("unit")
        predicted = units if self._selected is None else len(self._selected)
        if described != predicted:
            raise InputValueError(f"the table of units has {described}, the model predicts {predicted}")
        self._standardisation = Standardisation.from_tensors(self._tensors, voxels)
        self.latent_network = stored_latent(self.config.fmri_latent, self.config.autoencoder, voxels, self._tensors)
        self.decoding_map = LatentMap.from_tensors(self._own(DECODING))
        self.encoding_map = LatentMap.from_tensors(self._own(ENCODING))
        if self.decoding_map.weights.shape != self.encoding_map.weights.T.shape:
            raise InputValueError("the maps from and to the fMRI latent are of different sizes")
        head = self._own(HEAD)
        self.retrieval_head = RetrievalHead.from_tensors(head) if head else None
        inversion = self._own(INVERSION)
        self.inversion = Inversion.from_tensors(inversion) if inversion else None
        stored = self.config.generator
        kind: type[ImageGenerator] = IMAGE_GENERATORS.get(stored.kind)
        self._generator = kind.from_parts(stored.settings, self._own(GENERATOR))
        if self._generator.embedding.dimension != self.dimension:
            raise InputValueError(
                f"the {stored.kind} generator reads embeddings of {self._generator.embedding.dimension} values, the "
                f"model predicts {self.dimension}"
            )

    def _own(self, prefix: str) -> dict[str, torch.Tensor]:
        return {name.removeprefix(prefix): t for name, t in self._tensors.items() if name.startswith(prefix)}

    @property
    def measured(self) -> NDArray[np.int64]:
        """Place among the units of each voxel of a pattern; other units were NaN in training."""
        return self._order

    @property
    def _all_units(self) -> int:
        """Units of the model before any were selected."""
        return sum(self.config.voxels) + int(self.config.unmeasured)

    @property
    def dimension(self) -> int:
        """Values of an image embedding."""
        return len(self.decoding_map.offset)

    @property
    def generator(self) -> ImageGenerator:
        """What makes images of embeddings."""
        return self._generator

    def differentiable_embedding(self, device: torch.device) -> DifferentiableEmbedding:
        """What embeds images, on `device` in float32, with gradients."""
        import torch

        return DifferentiableEmbedding(self._extractor_on(device, torch.float32), self.config.unit_length)

    def standardised(self, responses: np.ndarray) -> np.ndarray:
        """Patterns (stimuli, voxels) as the latents take them, of responses (stimuli, units) as measured."""
        return self._standardisation.given(np.ascontiguousarray(responses[:, self._order]))

    def release(self) -> None:
        """Let go of what `prepare` made."""
        self._running = self.latent_there = self._prepared = None

    @property
    def response_dims(self) -> tuple[str, ...]:
        """Always ``("unit",)``."""
        return ("unit",)

    def _prepare(self, device: torch.device, dtype: torch.dtype) -> None:
        # the network that embeds follows when `shared` is first called: of models that share it, one does
        from braincodec.image_generators.sampling import placed

        self._running = None
        self._place = (device, dtype)
        self.latent_there = placed(self.latent_network, device, dtype)

    def shared(self, images: torch.Tensor) -> torch.Tensor:
        """Image embeddings (batch, dimension), float32, in tiles of one size."""
        import torch

        from braincodec.models.lea.tiles import in_tiles

        if self._running is None:
            self._running = self._extractor_on(*self._place)
        extractor = self._running
        found = in_tiles(lambda part: joined_layers(extractor(part)), images, tile=self._embedding_tile(images.device))
        if not self.config.unit_length:
            return found
        return torch.from_numpy(scaled_to_unit_length(found.cpu().numpy())).to(found.device)

    def _embedding_tile(self, device: torch.device) -> int:
        if device.type != "cpu":
            return EMBEDDING_TILE_ELSEWHERE
        weights = sum(weight.numel() for weight in self._network(0).module.parameters())
        return 1 if weights > LARGE else EMBEDDING_TILE

    def readout(self, shared: torch.Tensor) -> torch.Tensor:
        """Responses (batch, units) to images with these embeddings (batch, dimension)."""
        predicted = self.encoding_map.predict(shared.cpu().numpy())  # (batch, latent)
        rule = self._rule or self.config.encoding_rescale
        return self.responses_of(self.encoding_map.scaling.apply(predicted, rule))

    def responses_of(self, latents: np.ndarray) -> torch.Tensor:
        """Responses (rows, units) of fMRI latents (rows, latent), where the model was prepared."""
        import torch

        from braincodec.models.lea.tiles import in_tiles

        device, dtype = self._place
        given = torch.from_numpy(latents).to(device, dtype)
        patterns = in_tiles(as_latent(self.latent_there).decode, given).float().cpu().numpy()  # (batch, voxels)
        responses = np.full((len(patterns), self._all_units), np.nan, np.float32)
        responses[:, self._order] = self._standardisation.undo(patterns)
        return torch.from_numpy(responses if self._selected is None else responses[:, self._selected])

    def shared_key(self) -> str | None:
        """Hash of what embeds images."""
        if self._shared_key is None:
            digest = hashlib.sha256(f"{self.config.features.hash()} {self.config.unit_length}".encode())
            for name, tensor in sorted(self._tensors.items()):
                if name.startswith(BACKBONE):
                    add_tensor(digest, name, tensor)
            for backbone in self._given or ():
                digest.update(backbone.fingerprint().encode())
            self._shared_key = digest.hexdigest()
        return self._shared_key

    def shared_weights(self) -> tuple[str, ...]:
        """Those of the network that embeds images."""
        return tuple(name for name in self.tensors() if name.startswith(BACKBONE))

    def bytes_per_image(self) -> int:
        """Pixels and activations, latents and responses."""
        return BYTES_PER_IMAGE + 16 * (self.dimension + sum(self.config.voxels))

    def select(self, **indices: Any) -> Self:
        """See `Encoder.select`; what is left encodes, and can no longer decode, which takes all voxels."""
        chosen = self.choose(indices)["unit"]
        before = np.arange(self._all_units) if self._selected is None else self._selected
        if self._selected is None and len(chosen) == len(before):
            return self
        import torch

        tensors = dict(self._tensors) | {SELECTED: torch.from_numpy(before[chosen])}
        return self._with(self.config, tensors, self.units.isel(unit=chosen))

    def encode(
        self,
        stimuli: StimulusSet | Any,
        *,
        rescale: Rescale | None = None,
        device: Device = "auto",
        dtype: Dtype = "float32",
        batch_size: int | str = "auto",
        progress: bool | None = None,
        on_bad: Literal["raise", "skip"] = "raise",
    ) -> xr.DataArray:
        """Responses to images, held in memory.

        Parameters
        ----------
        rescale : {"training", "none", "transductive"}, optional
            How predicted fMRI latents are scaled; see `LEA.decode`. Default: the setting `encoding_rescale`.

        See Also
        --------
        Encoder.encode : the other parameters.
        """
        from braincodec.models.lea.encoding import encode_transductively

        options: dict[str, Any] = {"device": device, "dtype": dtype, "batch_size": batch_size, "progress": progress}
        if rescale == "transductive":
            return encode_transductively(self, stimuli, on_bad=on_bad, **options)
        return super(AlignedEncoder, self.scaling_by(rescale)).encode(stimuli, on_bad=on_bad, **options)

    def scaling_by(self, rule: str | None) -> Self:
        """The same model, which scales latents by another rule."""
        if rule is None:
            return self
        check_rule(rule)
        other = copy.copy(self)
        other._rule, other._prepared = rule, None
        return other

    def check_whole(self, what: str) -> None:
        """Raise unless the model is trained and has all its voxels."""
        if not self.trained:
            raise self._not_trained()
        if self._selected is not None:
            raise InputValueError(
                f"this model was cut to {len(self._selected):,} of {self._all_units:,} voxels by select, and "
                f"can only encode; to {what} takes the whole model"
            )
