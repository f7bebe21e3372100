"""The feature-weighted receptive-field network of the Natural Scenes Dataset ("GNet").

AlexNet's first two stages, a small trunk, and for each voxel three learned pooling planes over three feature maps
(Allen et al. 2022, https://doi.org/10.1038/s41593-021-00962-x; the published weights are those of Gifford's NED).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from braincodec.config import Config
from braincodec.errors import InputValueError
from braincodec.features.preprocessing import Preprocessing
from braincodec.models.base import Encoder, register_model
from braincodec.models.fwrf.network import (
    CHANNELS,
    FEATURES,
    IMAGE_SIZE,
    MAP_SIDES,
    PER_UNIT,
    TRUNK_SHAPES,
    feature_maps,
    pooled_readout,
)
from braincodec.models.tensors import check_tensor_shapes

if TYPE_CHECKING:
    import torch

BYTES_PER_IMAGE = 16 * 2**20


class FwRFConfig(Config):
    """Settings of the network.

    Attributes
    ----------
    parts : int
        Networks whose units follow one another: published ventral and lateral models come in two.
    preprocessing : Preprocessing
        Must end in 227 x 227 pixels.
    """

    parts: int = Field(1, ge=1)
    preprocessing: Preprocessing = Preprocessing(square_crop=True, resize=(IMAGE_SIZE, IMAGE_SIZE))


@register_model("fwrf")
class FwRF(Encoder):
    """Responses of voxels as a linear readout of features that each voxel pools in its own way.

    Notes
    -----
    Trained, it consists, for each part p from 1, of ``part-p.enc.*`` and ``part-p.pre.*`` (trunk, published names),
    ``part-p.mu`` (mean image), ``part-p.rf0..rf2`` (units, side, side), ``part-p.w`` (units, 768), ``part-p.b``
    (units,).
    """

    kind: ClassVar[str] = "fwrf"
    config_class = FwRFConfig
    preferred_batch_size = 16

    @property
    def preprocessing(self) -> Preprocessing:
        """Resize to 227 x 227 as uint8, then divide by 255."""
        return self.config.preprocessing

    @property
    def response_dims(self) -> tuple[str, ...]:
        """Always ``("unit",)``."""
        return ("unit",)

    def _check(self) -> None:
        if self.config.preprocessing.output_size != (IMAGE_SIZE, IMAGE_SIZE):
            raise InputValueError(f"the network sees {IMAGE_SIZE} x {IMAGE_SIZE} pixels; the preprocessing does not")
        found = 0
        for part in self._parts():
            check_tensor_shapes(
                part,
                {
                    "mu": (1, 3, None, None),
                    **TRUNK_SHAPES,
                    **{f"rf{m}": (None, side, side) for m, side in enumerate(MAP_SIDES)},
                    "w": (None, FEATURES),
                    "b": (None,),
                },
            )
            if part["mu"].shape[2:] not in ((1, 1), (IMAGE_SIZE, IMAGE_SIZE)):
                raise InputValueError(f"mean image must be 1 x 1 or {IMAGE_SIZE} square, got {tuple(part['mu'].shape)}")
            if len({part[name].shape[0] for name in PER_UNIT}) > 1:
                raise InputValueError("pooling planes, weights and biases are for different numbers of units")
            found += len(part["b"])
        if found != self.units.sizes["unit"]:
            raise InputValueError(
                f"the weights predict {found} units, the table of units has {self.units.sizes['unit']}"
            )

    def _parts(self) -> list[dict[str, torch.Tensor]]:
        prefixes = [f"part-{number}." for number in range(1, self.config.parts + 1)]
        return [{n.removeprefix(p): t for n, t in self._tensors.items() if n.startswith(p)} for p in prefixes]

    def _prepare(self, device: torch.device, dtype: torch.dtype) -> None:
        import torch

        self._ready = []
        for part in self._parts():
            trunk = {n: t.to(device, dtype) for n, t in part.items() if n.startswith(("pre.", "enc.")) or n == "mu"}
            for name, weight in trunk.items():
                if weight.ndim == 4:
                    trunk[name] = weight.contiguous(memory_format=torch.channels_last)
            pooling = [part[f"rf{m}"].to(device).float().flatten(1).softmax(1).to(dtype) for m in range(len(MAP_SIDES))]
            weight = part["w"].to(device).float().unflatten(1, (len(MAP_SIDES), 1, CHANNELS)).contiguous()
            self._ready.append((trunk, pooling, weight, part["b"].to(device).float()))

    def shared(self, images: torch.Tensor) -> torch.Tensor:
        """Published trunks are all different, so nothing is shared but the images."""
        return images

    def readout(self, shared: torch.Tensor) -> torch.Tensor:
        """Responses (batch, units) to images (batch, 3, 227, 227) in 0..1."""
        import torch

        responses = []
        for trunk, pooling, weight, bias in self._ready:
            maps = feature_maps(trunk, shared)
            responses.append(pooled_readout(maps, pooling, weight, bias))  # (batch, units of the part)
        return torch.cat(responses, 1)

    def select(self, **indices: Any) -> FwRF:
        """See `Encoder.select`; parts that lose all their units are dropped."""
        chosen = self.choose(indices)["unit"]
        begin, number = 0, 0
        tensors: dict[str, torch.Tensor] = {}
        for part in self._parts():
            count = len(part["b"])
            own = chosen[(chosen >= begin) & (chosen < begin + count)] - begin
            begin += count
            if len(own):
                number += 1
                tensors |= {f"part-{number}.{n}": t[own] if n in PER_UNIT else t for n, t in part.items()}
        config = self.config.model_copy(update={"parts": number})
        return FwRF.from_parts(config, tensors, self.units.isel(unit=chosen), self.description)

    def bytes_per_image(self) -> int:
        """Activations of the trunk, three maps, and one tile of pooled features."""
        return BYTES_PER_IMAGE + 4 * self.units.sizes["unit"]
