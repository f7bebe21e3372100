"""Features pooled by a Gaussian receptive field for each unit, and a linear readout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from braincodec.config import Config
from braincodec.errors import InputValueError
from braincodec.features import Backbone, FeatureConfig
from braincodec.models.backboned import BACKBONE, BackboneEncoder
from braincodec.models.base import register_model
from braincodec.models.gaussian_fwrf.recipe import ALPHAS, GaussianFwRFRecipe
from braincodec.models.gaussian_fwrf.windows import (
    Nonlinearity,
    apply_nonlinearity,
    gaussian_windows,
    pooled_readout,
)
from braincodec.models.tensors import check_tensor_shapes
from braincodec.models.trainable import Parts

if TYPE_CHECKING:
    import torch

    from braincodec.features.preprocessing import Preprocessing
    from braincodec.models.training_data import Examples

BYTES_OF_A_BACKBONE = 24 * 2**20


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

    After the feature-weighted receptive-field model of St-Yves and Naselaris (2018): every field of a grid is tried
    for every unit, with a ridge regression on the channels that it pools; the best by cross-validation is moved off the
    grid to where it predicts best.

    Parameters
    ----------
    backbone : str or Backbone
        Name with its scheme, such as ``"efficientnet_lite:0"``, or the network itself.
    layers : str or sequence of str
        Names or wild-cards of layers that give maps.
    visual_angle : float, optional
        Width of the image, as the network sees it, in degrees. Default: what the recording's units state.
    layer_choice : {"concatenate", "best"}
        All layers for every unit, or for each unit the layer that predicts it best.
    nonlinearities : {"none", "absolute", "relu6"}, or one for each layer
        What happens to maps before they are pooled.
    sizes : int
        How many sizes the grid has, log-spaced.
    smallest_size, largest_size : float, optional
        Standard deviations in degrees. Default: a fortieth of the image's width, and 0.4 of it.
    spacing : float
        Largest distance of neighbouring centres, in standard deviations.
    most_centres : int
        Along each axis: small fields lie further apart where this is too few.
    extent : float, optional
        Width of the square that the centres fill, in degrees. Default: the image.
    refinements : int
        Rounds in which fields are moved off the grid; with 0 they stay on it. Small fields whose centres would lie far
        apart are on the grid only then.
    alphas : sequence of float
        Strengths to try, relative to the number of stimuli, for features of variance one.
    folds : int
        Of the cross-validation, within the training stimuli; a recording's groups stay together.
    standardise : bool
        Divide each pooled channel by its standard deviation; otherwise all by one number.
    seed : int
        Of the folds.
    channels_last : bool
        The network's maps come as (batch, height, width, channel), as in Swin.
    preprocessing : Preprocessing or dict, optional
        The backbone's own when left out.
    feature_dtype : {"auto", "float32", "float16"}
        As maps are kept while training. Default: single precision up to 16 GB, which makes what is fitted on them
        exact, else half.
    **unknown
        Refused, with the setting that may be meant.

    Notes
    -----
    A unit may read any of the layers; for each layer only the units that read it are stored. Trained, it consists of
    ``receptive_field`` (units, 3): x and y of the centre (positive to the right of and above the image's centre) and
    standard deviation, in degrees; for each layer ``<layer>.units`` (n,), int64, and ``<layer>.weight`` (n, channels);
    ``bias`` (units,); optionally ``backbone.*``, the network's own weights. Fitting adds to ``units``
    ``receptive_field_x``, ``receptive_field_y``, ``receptive_field_size`` (degrees) and ``training_r2``.

    Examples
    --------
    >>> import braincodec as bc
    >>> data = bc.load_dataset("simulated", n=30, backbone="gabor:bank", calibration=8)
    >>> model = GaussianFwRF("gabor:bank", "scales.3", sizes=3, most_centres=3, refinements=0).fit(data)
    >>> model.units["receptive_field_x"].attrs["units"]
    'degrees of visual angle'
    """

    kind: ClassVar[str] = "gaussian_fwrf"
    config_class = GaussianFwRFConfig
    recipe_class = GaussianFwRFRecipe
    preferred_batch_size = 16

    def __init__(
        self,
        backbone: str | Backbone,
        layers: str | Sequence[str],
        *,
        visual_angle: float | None = None,
        layer_choice: str = "concatenate",
        nonlinearities: str | Sequence[str] = "none",
        sizes: int = 7,
        smallest_size: float | None = None,
        largest_size: float | None = None,
        spacing: float = 1.5,
        most_centres: int = 9,
        extent: float | None = None,
        refinements: int = 2,
        alphas: Any = ALPHAS,
        folds: int = 5,
        standardise: bool = True,
        seed: int = 0,
        channels_last: bool = False,
        preprocessing: Preprocessing | dict[str, Any] | None = None,
        feature_dtype: str = "auto",
        **unknown: Any,
    ) -> None:
        given = dict(locals())
        settings = {name: given[name] for name in GaussianFwRFRecipe.model_fields} | unknown
        self._network_given = backbone if isinstance(backbone, Backbone) else None
        settings["backbone"] = getattr(backbone, "name", backbone)
        super().__init__(**settings)

    def _fit(self, data: Sequence[Examples], **options: Any) -> Parts:
        from braincodec.models.gaussian_fwrf.fit import fit_gaussian_fwrf

        assert isinstance(self.recipe, GaussianFwRFRecipe)
        return fit_gaussian_fwrf(self.recipe, self._network_given, data, **options)

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
