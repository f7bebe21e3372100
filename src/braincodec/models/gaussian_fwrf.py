"""Features pooled by a Gaussian receptive field for each unit, and a linear readout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from braincodec.config import Config
from braincodec.errors import InputValueError
from braincodec.features import FeatureConfig
from braincodec.models.backboned import BACKBONE, BackboneEncoder
from braincodec.models.base import register_model
from braincodec.models.tensors import check_tensor_shapes

if TYPE_CHECKING:
    import torch

BYTES_OF_A_BACKBONE = 24 * 2**20

Nonlinearity = Literal["none", "absolute", "relu6"]


class GaussianFwRFConfig(Config):
    """Settings of a Gaussian feature-weighted receptive-field model.

    Attributes
    ----------
    features : FeatureConfig
        Backbone, layers that give maps, ``pooling="none"``.
    nonlinearities : tuple of {"none", "absolute", "relu6"}
        What happens to the maps of each layer before pooling.
    visual_angle : float
        Width of the image in degrees; receptive fields are given in degrees from its centre.
    """

    features: FeatureConfig
    nonlinearities: tuple[Nonlinearity, ...]
    visual_angle: float = Field(gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.features.pooling != "none":
            raise ValueError("features.pooling must be 'none': receptive fields need maps")
        if len(self.nonlinearities) != len(self.features.layers):
            raise ValueError("nonlinearities needs one entry for each layer")
        return self


@register_model("gaussian_fwrf")
class GaussianFwRF(BackboneEncoder):
    """Each unit sees feature maps through its own Gaussian window and weighs them linearly.

    After the feature-weighted receptive-field model of St-Yves and Naselaris (2018). A unit may read any of the
    layers; for each layer only the units that read it are stored.

    Parameters
    ----------
    config : GaussianFwRFConfig or dict
    tensors : mapping
        ``receptive_field`` (units, 3): x and y of the centre (positive to the right of and above the image's centre)
        and standard deviation, in degrees. For each layer ``<layer>.units`` (n,), int64, and ``<layer>.weight``
        (n, channels). ``bias`` (units,). Optionally ``backbone.*``, the network's own weights.
    units, description
        See `Encoder`.
    backbone : Backbone, optional
        The network, when it is at hand already.
    """

    kind: ClassVar[str] = "gaussian_fwrf"
    config_class = GaussianFwRFConfig
    preferred_batch_size = 16

    @property
    def response_dims(self) -> tuple[str, ...]:
        """Always ``("unit",)``."""
        return ("unit",)

    def _check(self) -> None:
        units = self.units.sizes["unit"]
        expected: dict[str, tuple[int | None, ...]] = {"receptive_field": (units, 3), "bias": (units,)}
        for layer in self.layers:
            expected |= {f"{layer}.units": (None,), f"{layer}.weight": (None, None)}
        check_tensor_shapes(self._tensors, expected)
        for layer in self.layers:
            chosen, weight = self._tensors[f"{layer}.units"], self._tensors[f"{layer}.weight"]
            if len(chosen) != len(weight):
                raise InputValueError(f"{layer} lists {len(chosen)} units but has weights for {len(weight)}")
            if len(chosen) and not 0 <= int(chosen.min()) <= int(chosen.max()) < units:
                raise InputValueError(f"{layer} names units outside 0..{units - 1}")
        if not bool((self._tensors["receptive_field"][:, 2] > 0).all()):
            raise InputValueError("receptive_field: every standard deviation must be positive")

    def _prepare(self, device: torch.device, dtype: torch.dtype) -> None:
        self._running = self._extractor_on(device, dtype)
        self._fields = self._tensors["receptive_field"].to(device).float()
        self._bias = self._tensors["bias"].to(device).float()
        self._readouts = {
            layer: (
                nonlinearity,
                self._tensors[f"{layer}.units"].to(device),
                self._tensors[f"{layer}.weight"].to(device).float(),
            )
            for layer, nonlinearity in zip(self.layers, self.config.nonlinearities, strict=True)
        }
        # windows depend on the size of the maps, which the first batch tells
        self._windows: dict[tuple[str, int, int], torch.Tensor] = {}

    def shared(self, images: torch.Tensor) -> torch.Tensor:
        """The images themselves: maps are consumed as they are produced, so there is nothing to keep."""
        return images

    def readout(self, shared: torch.Tensor) -> torch.Tensor:
        """Responses (batch, units) to images (batch, 3, height, width)."""
        responses = self._bias.repeat(len(shared), 1)  # (batch, units)

        def add(layer: str, maps: torch.Tensor) -> None:
            nonlinearity, chosen, weight = self._readouts[layer]
            if maps.dim() != 4:
                raise InputValueError(
                    f"layer {layer!r} gives {tuple(maps.shape)}; receptive fields need maps (b, c, h, w)"
                )
            maps = apply_nonlinearity(maps.float(), nonlinearity)
            responses[:, chosen] += pooled_readout(maps, self._window(layer, *maps.shape[2:]), weight)

        self._running.stream(shared, add)
        return responses

    def _window(self, layer: str, height: int, width: int) -> torch.Tensor:
        key = (layer, height, width)
        if key not in self._windows:
            fields = self._fields[self._readouts[layer][1]]
            self._windows[key] = gaussian_windows(fields, height, width, self.config.visual_angle)
        return self._windows[key]

    def select(self, **indices: Any) -> GaussianFwRF:
        """See `Encoder.select`; layers that no remaining unit reads are not computed."""
        import torch

        chosen = self.choose(indices)["unit"]
        tensors = {name: tensor for name, tensor in self._tensors.items() if name.startswith(BACKBONE)}
        tensors |= {name: self._tensors[name][chosen] for name in ("receptive_field", "bias")}
        layers, nonlinearities = [], []
        for layer, nonlinearity in zip(self.layers, self.config.nonlinearities, strict=True):
            kept = np.isin(self._tensors[f"{layer}.units"].numpy(), chosen)
            if kept.any():
                layers.append(layer)
                nonlinearities.append(nonlinearity)
                units = np.searchsorted(chosen, self._tensors[f"{layer}.units"].numpy()[kept])
                tensors[f"{layer}.units"] = torch.from_numpy(units)
                tensors[f"{layer}.weight"] = self._tensors[f"{layer}.weight"][kept]
        features = self.config.features.model_copy(update={"layers": tuple(layers)})
        config = self.config.model_copy(update={"features": features, "nonlinearities": tuple(nonlinearities)})
        return self._with(config, tensors, self.units.isel(unit=chosen))

    def bytes_per_image(self) -> int:
        """Activations of the backbone, and one layer's maps weighed for its units."""
        widest = max(self._tensors[f"{layer}.weight"].numel() for layer in self.layers)
        return BYTES_OF_A_BACKBONE + 4 * (widest + 2 * self.units.sizes["unit"])


def gaussian_windows(fields: torch.Tensor, height: int, width: int, visual_angle: float) -> torch.Tensor:
    """Gaussian receptive fields on a grid of map positions.

    Parameters
    ----------
    fields : torch.Tensor, shape (units, 3)
        Centre x (right), centre y (up) and standard deviation, in degrees from the image's centre.
    height, width : int
        Size of the map, which covers the whole image; pixels are square.
    visual_angle : float
        Width of the image in degrees.

    Returns
    -------
    torch.Tensor, shape (units, height * width)
        Rows sum to one, also where a receptive field is smaller than a position or lies outside the image.

    Examples
    --------
    >>> import torch
    >>> windows = gaussian_windows(torch.tensor([[-2.0, 2.0, 0.1]]), 4, 4, visual_angle=8.0)
    >>> windows.reshape(4, 4)[:2, :2]  # upper left: shared by the four positions around it
    tensor([[0.2500, 0.2500],
            [0.2500, 0.2500]])
    """
    import torch

    step = visual_angle / width
    x = (torch.arange(width, device=fields.device) + 0.5 - width / 2) * step
    y = (height / 2 - torch.arange(height, device=fields.device) - 0.5) * step
    # a Gaussian is separable; the soft maximum keeps rows finite far outside the image
    across, down = ((axis - centre[:, None]) for axis, centre in ((x, fields[:, 0]), (y, fields[:, 1])))
    scale = -0.5 / fields[:, 2, None] ** 2
    across, down = (scale * across**2).softmax(1), (scale * down**2).softmax(1)
    return (down[:, :, None] * across[:, None, :]).flatten(1)  # (units, height * width)


def apply_nonlinearity(maps: torch.Tensor, nonlinearity: Nonlinearity) -> torch.Tensor:
    """Rectify maps: not at all, ``abs``, or clip to 0..6."""
    if nonlinearity == "absolute":
        return maps.abs()
    return maps.clamp(0, 6) if nonlinearity == "relu6" else maps


def pooled_readout(maps: torch.Tensor, windows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Pool maps by each unit's window and weigh the channels.

    Parameters
    ----------
    maps : torch.Tensor, shape (batch, channels, height, width)
    windows : torch.Tensor, shape (units, height * width)
    weight : torch.Tensor, shape (units, channels)

    Returns
    -------
    torch.Tensor, shape (batch, units)
    """
    flat = maps.flatten(2)  # (batch, channels, positions)
    if flat.shape[1] <= flat.shape[2]:
        return ((flat @ windows.T) * weight.T).sum(1)  # pool first: (batch, channels, units)
    return ((flat.transpose(1, 2) @ weight.T) * windows.T).sum(1)  # weigh first: (batch, positions, units)
