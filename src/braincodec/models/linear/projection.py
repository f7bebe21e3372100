"""Features of one or several networks projected layer by layer, so that the concatenated features never exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from braincodec.errors import InputValueError
from braincodec.models.linear.config import BIAS, REDUCTION, LinearConfig

if TYPE_CHECKING:
    import torch

    from braincodec.features import FeatureExtractor, Preprocessing


class LayerProjection:
    """The affine maps of all layers, ready on a device.

    Parameters
    ----------
    config : LinearConfig
    tensors : mapping of str to torch.Tensor
        ``reduction.*``.
    extractors : sequence of FeatureExtractor
        One for each of the config's features, prepared.
    preprocessings : sequence of Preprocessing
        In which images are given.
    device, dtype

    Attributes
    ----------
    offset : Tensor of float32, shape (rows,)
    """

    def __init__(
        self,
        config: LinearConfig,
        tensors: Mapping[str, torch.Tensor],
        extractors: Sequence[FeatureExtractor],
        preprocessings: Sequence[Preprocessing],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._extractors = extractors
        self._image_of = [preprocessings.index(one.preprocessing) for one in extractors]
        self.offset = tensors[BIAS].to(device).float()
        self._weights: list[dict[str, torch.Tensor]] = []
        self._rows: list[dict[str, slice]] = []
        begin = 0
        for keys in config.keys:
            own = {layer: tensors[f"{REDUCTION}{key}"].to(device, dtype) for layer, key in keys.items()}
            self._weights.append(own)
            rows = {}
            for layer, weight in own.items():
                rows[layer] = slice(begin, begin + len(weight)) if config.projection == "by_layer" else slice(None)
                begin += len(weight)
            self._rows.append(rows)

    def __call__(self, *images: torch.Tensor) -> torch.Tensor:
        """Projected features (batch, rows), float32, of images in each preprocessing."""
        scores = self.offset.repeat(images[0].shape[0], 1)
        for number in range(len(self._extractors)):
            self._add(number, images[self._image_of[number]], dict.fromkeys(self._weights[number], scores))
        return scores

    def by_layer(self, *images: torch.Tensor) -> list[torch.Tensor]:
        """What each layer adds to the projected features, (batch, rows) each; their sum and `offset` make them up."""
        found: list[torch.Tensor] = []
        for number, weights in enumerate(self._weights):
            empty = {layer: self.offset.new_zeros(images[0].shape[0], len(self.offset)) for layer in weights}
            self._add(number, images[self._image_of[number]], empty)
            found += empty.values()
        return found

    def _add(self, number: int, images: torch.Tensor, scores: dict[str, torch.Tensor]) -> None:
        weights, rows = self._weights[number], self._rows[number]

        def project(layer: str, features: torch.Tensor) -> None:
            weight = weights[layer]
            if features.shape[1:] != weight.shape[1:]:
                raise InputValueError(
                    f"layer {layer!r} gives features of shape {tuple(features.shape[1:])} for these images, "
                    f"the reduction was made for {tuple(weight.shape[1:])}"
                )
            scores[layer][:, rows[layer]].add_(features @ weight.T)

        self._extractors[number].stream(images, project)
