"""The feature-weighted receptive-field network of the Natural Scenes Dataset ("GNet").

AlexNet's first two stages, a small trunk, and for each voxel three learned pooling planes over three feature maps
(Allen et al. 2022, https://doi.org/10.1038/s41593-021-00962-x; the published weights are those of Gifford's NED).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from braincodec.config import Config
from braincodec.errors import InputTypeError, InputValueError
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
    squashed_by_position,
)
from braincodec.models.fwrf.recipe import FwRFRecipe
from braincodec.models.tensors import add_tensor, check_tensor_shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from braincodec.models.trainable import Parts
    from braincodec.models.training_data import Examples

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

    Made with these settings it is trained by `fit`: trunk and readouts together, from random weights or AlexNet's
    first convolutions, by the scheme of the published models. Several recordings share one trunk.

    Parameters
    ----------
    epochs : int
        At most. The epoch with the best correlation on validation stimuli (median over units) is kept.
    patience : int, optional
        Stop after so many epochs without a better one. Default: never.
    learning_rate : float
        Of Adam.
    batch_size : int
        Examples in one step.
    dropout : float
        Part of the channels that are left out before each convolution of the trunk.
    momentum : float
        Weight of a new batch in the running statistics of the batch norm.
    sparsity : float
        L1 penalty on the readout's weights.
    weight_decay : float
        L2 penalty on all weights.
    least_weight : float
        A unit's error counts by its squared correlation within the batch, at least by this.
    alternating : bool
        Each batch moves the trunk, and after another pass the readout, as published; otherwise one pass moves both.
    repetitions : {"single", "average"}
        Whether each repetition is an example of its own, as published, or each stimulus with the mean over them.
    prefilter : str
        Where the first two convolutions start: ``"alexnet"``, ``"random"``, the path of AlexNet's weights, or
        ``"auto"``: AlexNet where its weights have been downloaded, else at random; the description says which.
    train_prefilter, train_trunk : bool
        Whether the two first, and the other convolutions move.
    shift : int
        Augmentation: move images at random by up to so many pixels of 227.
    held_out : float
        Part of the training stimuli that only chooses the epoch, where there are no validation stimuli.
    rois : sequence of str
        A network for each of these regions, and one for all other units; a unit in several belongs to the first.
        Default: one network for all units.
    start : FwRF, str or Path, optional
        A trained model, or its artefact, that training goes on from: trunk and mean colour, and the readouts where its
        units are those of the data.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Of trunk and pooling in training; ``"auto"`` is bfloat16 on GPUs that have it, else float32.
    seed : int
        Equal seeds and settings give equal weights on the same machine with as many threads.

    Notes
    -----
    The published scheme: Adam with 0.001 for trunk and readouts, 75 epochs, batches of 128 trials, dropout of whole
    channels by half, no weight decay, L1 penalty 0.1; errors summed over the batch, weighted by the squared
    correlation within it (0.1 to 1) and divided by the mean weight (St-Yves and Naselaris, code of Allen et al. 2022,
    https://doi.org/10.1038/s41593-021-00962-x). Here examples are shuffled anew each epoch, the mean colour is that of
    the training images alone, and validation responses are means over repetitions. The published script starts the
    pre-filter at random unless told otherwise, that of the paper from AlexNet.

    Memory beyond the network's: images and responses stay on disk in the workspace (155 kB an image). A step of 128
    images takes about 2 GB for the trunk, and 0.1 MB a unit for its weights, gradients and moments: 10,000 units train
    in about 3.5 GB.

    Trained, it consists, for each part p from 1, of ``part-p.enc.*`` and ``part-p.pre.*`` (trunk, published names),
    ``part-p.mu`` (mean image), ``part-p.rf0..rf2`` (units, side, side), ``part-p.w`` (units, 768), ``part-p.b``
    (units,).

    Examples
    --------
    >>> FwRF(epochs=10, patience=3)
    <FwRF, not trained: epochs=10, patience=3, ...>
    """

    kind: ClassVar[str] = "fwrf"
    config_class = FwRFConfig
    recipe_class = FwRFRecipe
    preferred_batch_size = 16

    def __init__(
        self,
        *,
        epochs: int = 75,
        patience: int | None = None,
        learning_rate: float = 1e-3,
        batch_size: int = 128,
        dropout: float = 0.5,
        momentum: float = 0.25,
        sparsity: float = 0.1,
        weight_decay: float = 0.0,
        least_weight: float = 0.1,
        alternating: bool = True,
        repetitions: str = "single",
        prefilter: str = "auto",
        train_prefilter: bool = True,
        train_trunk: bool = True,
        shift: int = 0,
        held_out: float = 0.1,
        rois: Sequence[str] = (),
        start: FwRF | str | Path | None = None,
        precision: str = "auto",
        seed: int = 0,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in ("self", "__class__", "start")}
        if not isinstance(start, FwRF | str | Path | None):
            raise InputTypeError(f"start must be a FwRF or the path of its artefact, not {type(start).__name__}")
        self._start = start if isinstance(start, FwRF) else None
        named = start.identity() if isinstance(start, FwRF) else start
        super().__init__(**given | {"start": None if named is None else str(named)})

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

    def _fit(self, data: Sequence[Examples], **how: Any) -> Parts:
        from braincodec.models.fwrf.fitting import fit

        recipe, start = self.recipe, self._start
        assert isinstance(recipe, FwRFRecipe)
        if start is None and recipe.start is not None:
            loaded = Encoder.load(recipe.start)
            if not isinstance(loaded, FwRF):
                raise InputValueError(f"start: {recipe.start} is a {loaded.kind} model, not a FwRF")
            start = loaded
        preprocessing = FwRFConfig(parts=1).preprocessing if start is None else start.preprocessing
        return fit(data, recipe, preprocessing, start, **how)

    def networks(self) -> list[dict[str, torch.Tensor]]:
        """Weights of each network by their published names."""
        return self._parts()

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

    def _adopt(self, parts: Parts) -> None:
        self._shared_key: str | None = None
        super()._adopt(parts)

    def shared(self, images: torch.Tensor) -> torch.Tensor:
        """The trunks' maps (parts, positions, batch, 256) of images (batch, 3, 227, 227) in 0..1."""
        import torch

        found = [squashed_by_position(feature_maps(trunk, images)) for trunk, *_ in self._ready]
        return found[0][None] if len(found) == 1 else torch.stack(found)

    def readout(self, shared: torch.Tensor) -> torch.Tensor:
        """Responses (batch, units) from the trunks' maps."""
        import torch

        # each (batch, units of the part)
        responses = [pooled_readout(maps, *ready[1:]) for maps, ready in zip(shared, self._ready, strict=True)]
        return torch.cat(responses, 1)

    def shared_key(self) -> str:
        """Hash of preprocessing and trunks: equal for models that were fitted together."""
        if self._shared_key is None:
            digest = hashlib.sha256(self.config.hash().encode())
            for name in self.shared_weights():
                add_tensor(digest, name, self._tensors[name])
            self._shared_key = digest.hexdigest()
        return self._shared_key

    def shared_weights(self) -> tuple[str, ...]:
        """Those of the trunks."""
        return tuple(sorted(name for name in self._tensors if name.partition(".")[2] not in PER_UNIT))

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
