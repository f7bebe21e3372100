"""Encoders that read a pretrained network."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, Self

from braincodec.errors import InputValueError
from braincodec.features import FeatureExtractor, get_backbone
from braincodec.features.preprocessing import Preprocessing
from braincodec.models.base import Encoder
from braincodec.models.trainable import Parts

if TYPE_CHECKING:
    import torch

    from braincodec.features.backbone import Backbone

BACKBONE = "backbone."


class BackboneEncoder(Encoder):
    """An encoder whose settings have `features`, and whose weights may hold the network's own as ``backbone.*``.

    The network stays as it was loaded: another device or dtype is computed with a copy, so that encoders can share
    it and what is saved is never less exact than what was read.
    """

    def _adopt(self, parts: Parts) -> None:
        self._given = parts.backbone
        self._loaded: Backbone | None = None
        self._extractor: FeatureExtractor | None = None
        super()._adopt(parts)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in the order of their features."""
        return tuple(self.config.features.layers)

    @property
    def preprocessing(self) -> Preprocessing:
        """Stored with the model, or else the backbone's own."""
        stored = self.config.features.preprocessing
        return stored if stored is not None else self.extractor.preprocessing

    @property
    def extractor(self) -> FeatureExtractor:
        """The feature extractor; loads the backbone when first asked for."""
        if self._extractor is None:
            if self._loaded is None:
                self._loaded = self._load_backbone()
            self._extractor = FeatureExtractor(self.config.features, self._loaded)
        return self._extractor

    def _load_backbone(self) -> Backbone:
        name = self.config.features.backbone
        own = {n.removeprefix(BACKBONE): t for n, t in self._tensors.items() if n.startswith(BACKBONE)}
        if self._given is None:
            # the name came with a file: it may choose a known network, but not code to import
            base = name.partition("@")[0] if own else name
            return get_backbone(base, weights=own or None, allow_import=False)
        if not own:
            return self._given
        backbone = dataclasses.replace(self._given, module=copy.deepcopy(self._given.module))
        try:
            backbone.module.load_state_dict(own, assign=True)
        except RuntimeError as error:
            raise InputValueError(f"the stored weights do not fit the backbone {name!r}: {error}") from error
        return backbone

    def _extractor_on(self, device: torch.device, dtype: torch.dtype) -> FeatureExtractor:
        """An extractor that computes on `device` in `dtype`; the network that was loaded stays as it is."""
        return FeatureExtractor(self.config.features, self.extractor.backbone).prepare(device, dtype)

    def _with(self, config: Any, tensors: dict[str, torch.Tensor], units: Any) -> Self:
        """The same kind of model over the same network."""
        other = type(self).from_parts(config, tensors, units, self.description, backbone=self._given)
        other._loaded = self._loaded
        return other

    def tensors(self) -> dict[str, torch.Tensor]:
        """All weights, the backbone's included, so that an artefact needs nothing else."""
        state = self.extractor.backbone.module.state_dict()
        return {f"{BACKBONE}{name}": tensor for name, tensor in state.items()} | self._tensors

    def identity(self) -> str:
        """See `Encoder.identity`; a network that is known by its name counts by its name."""
        own = super().identity()
        return own if self._given is None else f"{own}-{self._given.fingerprint()}"
