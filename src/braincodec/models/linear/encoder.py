"""Features of pretrained networks, an affine reduction, and a linear readout."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from braincodec.features.backbone import Backbone
from braincodec.models.backboned import BACKBONE, BackboneEncoder
from braincodec.models.base import register_model
from braincodec.models.linear.config import BIAS, INTERCEPT, REDUCTION, WEIGHT, LinearConfig, check_tensors
from braincodec.models.linear.contributions import layer_contributions, layer_variance_partition
from braincodec.models.linear.projection import LayerProjection
from braincodec.models.linear.recipe import LinearRecipe, named_networks
from braincodec.models.tensors import add_tensor
from braincodec.models.trainable import Parts

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from braincodec.datasets.base import Recording
    from braincodec.models.training_data import Examples

SENSOR_DIMS = ("repetition", "channel", "time")


@register_model("linear")
class LinearEncoder(BackboneEncoder):
    """Responses as a linear function of features of pretrained networks.

    Parameters
    ----------
    backbone : str or Backbone
        Network, by its name (see `get_backbone`) or at hand.
    layers : str or sequence of str
        Names or wild-cards; features of several layers are taken together.
    readout : {"ridge", "least_squares", "banded", "best_layer", "kernel_sum", "fields"}
        - ``ridge``: each unit's strength chosen by cross-validation
        - ``least_squares``: without regularisation, of components, as published for EEG
        - ``banded``: each unit weighs the layers by itself, found by random search
        - ``best_layer``: ridge on the one layer that is best for the unit in cross-validation
        - ``kernel_sum``: ridge on all layers, each scaled to the same total variance
        - ``fields``: smooth weights of feature maps within a window over the image, averaged over the three windows
          that predict the unit best

        From ``banded`` on, each layer is a feature space of its own.
    pooling : {"flatten", "spatial_mean", "class_token"}
    channels_last : bool
        As in `FeatureConfig`.
    image_size : int or (int, int), optional
        Bring images to this size in place of the network's own.
    preprocessing : Preprocessing, optional
        In place of the network's own.
    features : sequence of dict or FeatureChoice, optional
        Several networks, or sizes of images, in one encoder, in place of `backbone`, `layers` and what else
        `FeatureChoice` has.
    components : int, optional
        Reduce features to so many principal components, found out of core; of each layer where layers are spaces.
        Default: features as they are.
    standardise : bool, optional
        Divide each feature by its standard deviation. Default: only where components are found.
    alphas : sequence of float, optional
        Strengths to try; see `ridge_cv`. With several spaces each is scaled to a total variance of 1 first, except by
        ``best_layer``.
    one_alpha : bool
        One strength for all units.
    folds : int
        Of the cross-validation, within the training stimuli; a recording's groups stay together.
    draws : int
        Of ``banded``: random weights of the layers.
    smoothness : float
        Of ``fields``: distance in image widths over which weights are alike.
    windows : sequence of (float, float, float), optional
        Of ``fields``: x, y and standard deviation of those to try, in image widths; default: `field_windows`.
    seed : int
        Of folds, draws and components.
    repetitions : {"average", "separate"}
        Fit the mean over repetitions, or one readout for each, as published for EEG.
    feature_dtype : {"auto", "float32", "float16"}
        As features are kept while training. Default: single precision up to 4 GB, which makes what is fitted on them
        exact, else half.
    **unknown
        Refused, with the setting that may be meant.

    Notes
    -----
    Standardisation and PCA are kept as one affine map, cut into one block for each layer, so that a layer's
    features are projected as soon as they exist and the concatenated features never do. Where features that are not
    reduced outnumber the stimuli, the fit runs in the space that the training stimuli span, which changes nothing;
    kept is then a projection onto it or a weight of each feature for each unit, whichever is smaller.

    Trained, it consists of the tensors ``reduction.<layer>`` (reductions * components, features of the layer) for each
    layer, ``reduction.bias`` (reductions * components,), ``readout.weight`` (repetitions, outputs, components),
    ``readout.bias`` (repetitions, outputs), and optionally ``backbone.*``, the network's own weights. Outputs are
    units, or channels x times in C order, one set for each repetition. With several networks a layer is called
    ``<number>.<layer>``. Where ``config.projection`` is ``outputs``, rows of the reduction are repetitions x outputs
    and there is no readout.

    Examples
    --------
    >>> import braincodec as bc
    >>> data = bc.load_dataset("simulated", n=30, backbone="gabor:bank", calibration=8)
    >>> model = LinearEncoder("gabor:bank", "scales.*", pooling="spatial_mean").fit(data)
    >>> model.encode(data.subject("1").part("test")[0]).sizes["stimulus"]
    3
    """

    kind: ClassVar[str] = "linear"
    config_class = LinearConfig
    recipe_class = LinearRecipe
    preferred_batch_size = 48

    def __init__(
        self,
        backbone: str | Backbone | None = None,
        layers: str | Sequence[str] | None = None,
        *,
        readout: str = "ridge",
        pooling: str = "flatten",
        channels_last: bool = False,
        image_size: int | tuple[int, int] | None = None,
        preprocessing: Any = None,
        features: Any = None,
        components: int | None = None,
        standardise: bool | None = None,
        alphas: Any = None,
        one_alpha: bool = False,
        folds: int = 5,
        draws: int = 100,
        smoothness: float = 0.15,
        windows: Any = None,
        seed: int = 0,
        repetitions: str = "average",
        feature_dtype: str = "auto",
        **unknown: Any,
    ) -> None:
        given = dict(locals())
        settings = {name: given[name] for name in LinearRecipe.model_fields} | unknown
        settings, self._networks = named_networks(settings)
        super().__init__(**settings)

    def _fit(self, data: Sequence[Examples], **options: Any) -> Parts:
        from braincodec.models.linear.fit import fit_linear

        assert isinstance(self.recipe, LinearRecipe)
        return fit_linear(self.recipe, self._networks, data, **options)

    def _adopt(self, parts: Parts) -> None:
        self._shared_key: str | None = None
        self._running: LayerProjection | None = None
        super()._adopt(parts)

    @property
    def response_dims(self) -> tuple[str, ...]:
        """``("unit",)``, or repetition, channel and time where the units have them."""
        return SENSOR_DIMS if "time" in self.units.sizes else ("unit",)

    def _check(self) -> None:
        described = {str(name): size for name, size in self.units.sizes.items()}
        if self.response_dims == ("unit",):
            expected = (1, described.get("unit", 0))
        else:
            expected = (described.get("repetition", 0), described.get("channel", 0) * described["time"])
        check_tensors(self.config, self._tensors, *expected)

    def _prepare(self, device: torch.device, dtype: torch.dtype) -> None:
        # the network and the reduction follow when `shared` is first called: of encoders that share it, one does
        self._running = None
        self._place = (device, dtype)
        if self.config.projection != "outputs":
            self._weight = self._tensors[WEIGHT].to(device).float()
            self._bias = self._tensors[INTERCEPT].to(device).float()

    def _prepare_shared(self) -> LayerProjection:
        extractors = [self._extractor_on(*self._place, number) for number in range(len(self.feature_sets))]
        return LayerProjection(self.config, self._tensors, extractors, self.preprocessings, *self._place)

    def shared(self, *images: torch.Tensor) -> torch.Tensor:
        """Components (batch, reductions * components), or the outputs where there are none; float32."""
        return self.projection(*images)

    @property
    def projection(self) -> LayerProjection:
        """The affine maps of all layers, where the encoder was prepared."""
        if self._running is None:
            self._running = self._prepare_shared()
        return self._running

    def predict(self, *images: torch.Tensor) -> torch.Tensor:
        """See `Encoder.predict`."""
        return self.readout(self.shared(*images))

    def contributions(self, stimuli: Any, **options: Any) -> xr.DataArray:
        """What each layer adds to the predicted responses; see `layer_contributions`."""
        return layer_contributions(self, stimuli, **options)

    def variance_partition(self, recording: Recording, part: str = "test", **options: Any) -> xr.DataArray:
        """How much of the measured responses each layer explains; see `layer_variance_partition`."""
        return layer_variance_partition(self, recording, part, **options)

    def readout(self, shared: torch.Tensor) -> torch.Tensor:
        """Responses ``(batch, *response_shape)`` from components."""
        import torch

        if self.config.projection == "outputs":
            return shared.reshape(shared.shape[0], *self.response_shape)
        repetitions, _, components = self._weight.shape
        if self.config.reductions == 1:
            weight = self._weight.flatten(0, 1)  # (repetitions * outputs, components)
            responses = torch.addmm(self._bias.flatten(), shared, weight.T)
        else:
            scores = shared.unflatten(1, (repetitions, components)).transpose(0, 1)  # (repetitions, batch, components)
            responses = torch.baddbmm(self._bias[:, None], scores, self._weight.transpose(1, 2)).transpose(0, 1)
        return responses.reshape(shared.shape[0], *self.response_shape)

    def shared_key(self) -> str | None:
        """Hash of backbone, layers, preprocessing and reduction; None where images come in several preprocessings."""
        if len(self.preprocessings) > 1:
            return None
        if self._shared_key is None:
            digest = hashlib.sha256(self.config.hash().encode())
            for name, tensor in sorted(self._tensors.items()):
                if name.startswith((REDUCTION, BACKBONE)):
                    add_tensor(digest, name, tensor)
            for backbone in self._given or ():
                digest.update(backbone.fingerprint().encode())
            self._shared_key = digest.hexdigest()
        return self._shared_key

    def shared_weights(self) -> tuple[str, ...]:
        """Those of the networks and of the reduction."""
        if self.shared_key() is None:
            return ()
        return tuple(name for name in self.tensors() if name.startswith((REDUCTION, BACKBONE)))

    def bytes_per_image(self) -> int:
        """Pixels and activations of the backbone, the largest layer's features, and the response."""
        names = [name for name in self._tensors if name.startswith(REDUCTION) and name != BIAS]
        largest = max(self._tensors[name].shape[1] for name in names)
        return 8 * 2**20 + 4 * (4 * largest + int(np.prod(self.response_shape)))

    def select(self, **indices: Any) -> LinearEncoder:
        """See `Encoder.select`."""
        chosen = self.choose(indices)
        shape = self.response_shape if self.response_dims != ("unit",) else (1, *self.response_shape)
        repetition = chosen.get("repetition", np.arange(1))
        rows = chosen.get("unit")
        if rows is None:
            rows = np.arange(shape[1] * shape[2]).reshape(shape[1:])[np.ix_(chosen["channel"], chosen["time"])].ravel()
        config, tensors = self.config, dict(self._tensors)
        if config.projection == "outputs":
            outputs = (repetition[:, None] * int(np.prod(shape[1:])) + rows).ravel()
            tensors |= {name: tensors[name][outputs] for name in tensors if name.startswith(REDUCTION)}
        else:
            tensors |= {name: tensors[name][repetition][:, rows].contiguous() for name in (WEIGHT, INTERCEPT)}
            if config.reductions > 1:
                tensors |= self._reductions_of(repetition)
                config = config.model_copy(update={"reductions": len(repetition)})
        return self._with(config, tensors, self.units.isel(chosen))

    def _reductions_of(self, repetitions: np.ndarray) -> dict[str, torch.Tensor]:
        names = [name for name in self._tensors if name.startswith(REDUCTION)]
        sets = {name: self._tensors[name].unflatten(0, (self.config.reductions, -1)) for name in names}
        return {name: tensor[repetitions].flatten(0, 1).contiguous() for name, tensor in sets.items()}
