"""Feature spaces as a readout is fitted on them, and the way back to the features."""

from __future__ import annotations

import abc
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from braincodec.features import Reduction, fit_reduction
from braincodec.models.linear.table import ScaledTable, survey
from braincodec.readouts.principal import eigenvectors

if TYPE_CHECKING:
    from braincodec.models.linear.gather import Gathered
    from braincodec.models.linear.recipe import LinearRecipe

REDUCTIONS_FOLDER = "reductions"
Maps = dict[str, torch.Tensor]


class Space(abc.ABC):
    """Coordinates of the training stimuli, affine in the features of some layers.

    Attributes
    ----------
    name : str
    layers : tuple of str
        As tensors call them.
    coordinates : array of float32, shape (stimuli, coordinates)
    """

    name: str
    layers: tuple[str, ...]
    coordinates: NDArray[np.float32]

    @abc.abstractmethod
    def maps(self, outputs: torch.Tensor | None = None) -> tuple[Maps, torch.Tensor]:
        """Affine map from features to coordinates, or to outputs that are linear in them.

        Parameters
        ----------
        outputs : Tensor, shape (outputs, coordinates), optional
            Weights of the outputs.

        Returns
        -------
        weights : dict of str to Tensor of float32, each of shape (coordinates or outputs, features of the layer)
        bias : Tensor of float64, shape (coordinates or outputs,)
        """


class PlainSpace(Space):
    """Features themselves, scaled: where they are fewer than the stimuli."""

    def __init__(self, name: str, scaled: ScaledTable) -> None:
        self.name, self.layers, self._scaled = name, tuple(scaled.table.layers), scaled
        self.coordinates = np.empty((len(scaled.table.rows), scaled.table.columns), np.float32)
        for _, place, values in scaled.blocks(f"read {name}"):
            self.coordinates[:, place] = values.cpu().numpy()

    def maps(self, outputs: torch.Tensor | None = None) -> tuple[Maps, torch.Tensor]:
        """See `Space.maps`."""
        scale = self._scaled.scale.cpu()
        weights = torch.diag(scale) if outputs is None else outputs.double() * scale
        bias = -weights @ self._scaled.mean.cpu()
        parts = weights.float().split(list(self._scaled.table.layers.values()), dim=1)
        return {layer: part.contiguous() for layer, part in zip(self._scaled.table.layers, parts, strict=True)}, bias


class SpannedSpace(Space):
    """Principal axes of the training stimuli, all of them: where features outnumber the stimuli.

    Ridge regression gives the same there as on the features, because its weights lie in the span of the stimuli.
    """

    def __init__(self, name: str, scaled: ScaledTable, gram: torch.Tensor) -> None:
        self.name, self.layers, self._scaled = name, tuple(scaled.table.layers), scaled
        values, vectors = eigenvectors(gram, largest=max(len(gram), scaled.table.columns))
        root = values.sqrt()
        self.coordinates = (vectors * root).float().cpu().numpy()
        self._dual = vectors / root  # (stimuli, coordinates)

    def maps(self, outputs: torch.Tensor | None = None) -> tuple[Maps, torch.Tensor]:
        """See `Space.maps`; one pass over the features."""
        combinations = self._dual if outputs is None else self._dual @ outputs.to(self._dual).T
        table, rows = self._scaled.table, combinations.shape[1]
        weights = {layer: torch.empty(rows, width) for layer, width in table.layers.items()}
        bias = torch.zeros(rows, dtype=torch.float64, device=combinations.device)
        for block, place, values in self._scaled.blocks(f"weights of {self.name}"):
            found = (combinations.T @ values) * self._scaled.scale[place]  # (rows, columns)
            bias -= found @ self._scaled.mean[place]
            weights[block.layer][:, block.begin : block.begin + found.shape[1]] = found.float().cpu()
        return weights, bias.cpu()


class ReducedSpace(Space):
    """Leading principal components of the features."""

    def __init__(self, name: str, reduction: Reduction, arrays: Mapping[str, Any], equal: bool, **options: Any) -> None:
        self.name, self.layers, self._reduction = name, tuple(arrays), reduction
        coordinates = reduction.transform(arrays, **options)
        self._factor = 1.0
        if equal:
            self._factor = float((len(coordinates) / np.square(coordinates, dtype=np.float64).sum()) ** 0.5)
        self.coordinates = coordinates * np.float32(self._factor)

    def maps(self, outputs: torch.Tensor | None = None) -> tuple[Maps, torch.Tensor]:
        """See `Space.maps`."""
        tensors = self._reduction.tensors()
        if self._factor != 1:
            tensors = {name: tensor.mul_(self._factor) for name, tensor in tensors.items()}
        bias = tensors.pop("reduction.bias").double()
        found = {name.removeprefix("reduction."): tensor for name, tensor in tensors.items()}
        if outputs is None:
            return found, bias
        return {name: outputs @ tensor for name, tensor in found.items()}, outputs.double() @ bias


def make_spaces(
    recipe: LinearRecipe, gathered: Gathered, workspace: Path, *, device: str, progress: bool | None
) -> list[Space]:
    """Spaces that the readout is fitted on: all layers together, or each by itself.

    Raises
    ------
    InputValueError
        When features do not vary, or in fewer directions than there are to be components.
    """
    arrays = gathered.arrays
    equal = recipe.readout in ("banded", "kernel_sum")
    # a sum of kernels is one kernel; only components are found layer by layer
    apart = recipe.readout in ("banded", "best_layer") or (equal and recipe.components is not None)
    groups = {key: {key: array} for key, array in arrays.items()} if apart else {"all layers": arrays}
    spaces: list[Space] = []
    for name, group in groups.items():
        if recipe.components is not None:
            reduction = _reduction(recipe, gathered, group, workspace, device=device, progress=progress)
            spaces.append(ReducedSpace(name, reduction, group, equal, device=device, progress=progress))
            continue
        rows, columns = next(iter(group.values())).shape[0], sum(array.shape[1] for array in group.values())
        found = survey(
            group,
            standardise=recipe.standardised,
            equal=equal,
            products=is_spanned(rows, columns),
            device=device,
            progress=progress,
        )
        if found.gram is None:
            spaces.append(PlainSpace(name, found.scaled))
        else:
            spaces.append(SpannedSpace(name, found.scaled, found.gram))
    return spaces


def is_spanned(stimuli: int, features: int) -> bool:
    """Whether the span of the stimuli has fewer dimensions than there are features."""
    return features > stimuli - 1


def _reduction(
    recipe: LinearRecipe, gathered: Gathered, arrays: Mapping[str, Any], workspace: Path, **options: Any
) -> Reduction:
    about = {
        "features": gathered.names,
        "layers": list(arrays),
        "components": recipe.components,
        "standardise": recipe.standardised,
        "seed": recipe.seed,
    }
    name = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:20]
    path = workspace / REDUCTIONS_FOLDER / f"{name}.safetensors"
    if path.is_file():
        return Reduction.load(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert recipe.components is not None
    return fit_reduction(
        arrays, recipe.components, standardise=recipe.standardised, seed=recipe.seed, path=path, **options
    )
