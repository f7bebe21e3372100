"""Encoders that read pretrained networks."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, Self

from braincodec.errors import InputValueError
from braincodec.features import FeatureConfig, FeatureExtractor, get_backbone
from braincodec.features.preprocessing import Preprocessing
from braincodec.models.base import Encoder
from braincodec.models.trainable import Parts

if TYPE_CHECKING:
    import torch

    from braincodec.features.backbone import Backbone

BACKBONE = "backbone."


class BackboneEncoder(Encoder):
    """An encoder whose settings have `features`, and whose weights may hold the network's own as ``backbone.*``.

    `features` are one `FeatureConfig`, or several of as many networks or sizes of images; then weights of the network
    of the n-th are ``backbone.<n>.*``, where the name of a network is first met.

    A network stays as it was loaded: another device or dtype is computed with a copy, so that encoders can share
    it and what is saved is never less exact than what was read.
    """

    def _adopt(self, parts: Parts) -> None:
        given = parts.backbone
        self._given = given if given is None or isinstance(given, tuple) else (given,)
        self._loaded: dict[int, Backbone] = {}
        self._extractors: dict[int, FeatureExtractor] = {}
        super()._adopt(parts)
        if self._given is not None and len(self._given) != len(self.feature_sets):
            raise InputValueError(f"{len(self.feature_sets)} networks are needed, {len(self._given)} are given")

    @property
    def feature_sets(self) -> tuple[FeatureConfig, ...]:
        """Which features come from which network: one entry, or several."""
        features = self.config.features
        return features if isinstance(features, tuple) else (features,)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in the order of their features; those of one network after those of another."""
        return tuple(layer for one in self.feature_sets for layer in one.layers)

    @property
    def preprocessing(self) -> Preprocessing:
        """Stored with the model, or else the backbone's own; of the first network, where there are several."""
        return self._preprocessing_of(0)

    @property
    def preprocessings(self) -> tuple[Preprocessing, ...]:
        """The distinct preprocessings of all networks."""
        return tuple(dict.fromkeys(map(self._preprocessing_of, range(len(self.feature_sets)))))

    @property
    def extractor(self) -> FeatureExtractor:
        """The (first) feature extractor; loads the backbone when first asked for."""
        return self._extractor_of(0)

    def _preprocessing_of(self, number: int) -> Preprocessing:
        stored = self.feature_sets[number].preprocessing
        return stored if stored is not None else self._extractor_of(number).preprocessing

    def _extractor_of(self, number: int) -> FeatureExtractor:
        if number not in self._extractors:
            self._extractors[number] = FeatureExtractor(self.feature_sets[number], self._network(number))
        return self._extractors[number]

    def _network(self, number: int) -> Backbone:
        first = self._first_of_name(number)
        if first not in self._loaded:
            self._loaded[first] = self._load_backbone(first)
        return self._loaded[first]

    def _first_of_name(self, number: int) -> int:
        return [one.backbone for one in self.feature_sets].index(self.feature_sets[number].backbone)

    def _prefix(self, number: int) -> str:
        return BACKBONE if len(self.feature_sets) == 1 else f"{BACKBONE}{number}."

    def _load_backbone(self, number: int) -> Backbone:
        name, prefix = self.feature_sets[number].backbone, self._prefix(number)
        own = {n.removeprefix(prefix): t for n, t in self._tensors.items() if n.startswith(prefix)}
        if self._given is None:
            # the name came with a file: it may choose a known network, but not code to import
            base = name.partition("@")[0] if own else name
            return get_backbone(base, weights=own or None, allow_import=False)
        given = self._given[number]
        if not own:
            return given
        backbone = dataclasses.replace(given, module=copy.deepcopy(given.module))
        try:
            backbone.module.load_state_dict(own, assign=True)
        except RuntimeError as error:
            raise InputValueError(f"the stored weights do not fit the backbone {name!r}: {error}") from error
        return backbone

    def _extractor_on(self, device: torch.device, dtype: torch.dtype, number: int = 0) -> FeatureExtractor:
        """An extractor that computes on `device` in `dtype`; the network that was loaded stays as it is."""
        return FeatureExtractor(self.feature_sets[number], self._network(number)).prepare(device, dtype)

    def _with(self, config: Any, tensors: dict[str, torch.Tensor], units: Any) -> Self:
        """The same kind of model over the same network."""
        other = type(self).from_parts(config, tensors, units, self.description, backbone=self._given)
        other._loaded = self._loaded
        return other

    def tensors(self) -> dict[str, torch.Tensor]:
        """All weights, the backbone's included, so that an artefact needs nothing else."""
        found: dict[str, torch.Tensor] = {}
        for number in dict.fromkeys(map(self._first_of_name, range(len(self.feature_sets)))):
            state = self._network(number).module.state_dict()
            found |= {f"{self._prefix(number)}{name}": tensor for name, tensor in state.items()}
        return found | self._tensors

    def identity(self) -> str:
        """See `Encoder.identity`; a network that is known by its name counts by its name."""
        return "-".join([super().identity(), *(one.fingerprint() for one in self._given or ())])
