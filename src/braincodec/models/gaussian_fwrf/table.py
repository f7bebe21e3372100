"""What was fitted, as the parts of a model: tensors, and a table of units with their receptive fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from braincodec.models.provenance import describe_training
from braincodec.models.trainable import Parts

if TYPE_CHECKING:
    import xarray as xr

    from braincodec.features import Backbone
    from braincodec.models.gaussian_fwrf.fit import Plan
    from braincodec.models.gaussian_fwrf.search import Space
    from braincodec.models.training_data import Examples

Doubles = NDArray[np.float64]
DEGREES = "degrees of visual angle"
COLUMNS = {
    "receptive_field_x": "centre of the receptive field, positive to the right of the image's centre",
    "receptive_field_y": "centre of the receptive field, positive above the image's centre",
    "receptive_field_size": "standard deviation of the Gaussian receptive field",
}


@dataclass(frozen=True, eq=False)
class UnitFits:
    """What was fitted for the units of one recording.

    Attributes
    ----------
    spaces : tuple of tuple of str
        Alternatives of layers.
    space : array of int, shape (units,)
        -1 for units that were not fitted.
    fields : array of float64, shape (units, 3)
        NaN for units that were not fitted.
    alpha, r2, bias : array of float64, shape (units,)
    weights : list of list of (array of int, array of float32)
        For each alternative, units that read it and their weights (units, channels), in pieces.
    missing, constant : array of bool, shape (units,)
    """

    spaces: tuple[Space, ...]
    space: NDArray[np.int64]
    fields: Doubles
    alpha: Doubles
    r2: Doubles
    bias: Doubles
    weights: list[list[tuple[NDArray[np.intp], NDArray[np.float32]]]]
    missing: NDArray[np.bool_]
    constant: NDArray[np.bool_]

    @classmethod
    def empty(cls, units: int, spaces: tuple[Space, ...]) -> UnitFits:
        """Nothing fitted yet."""
        alpha, r2, bias = np.full((3, units), np.nan)
        missing, constant = np.zeros((2, units), bool)
        fields = np.full((units, 3), np.nan)
        return cls(
            spaces,
            np.full(units, -1),
            fields,
            alpha,
            r2,
            bias,
            [[] for _ in spaces],
            missing=missing,
            constant=constant,
        )


def make_parts(plan: Plan, data: Sequence[Examples], fits: Sequence[UnitFits], backbone: Backbone | None) -> Parts:
    """A trained model; units of several recordings one after another."""
    pieces = _pieces_by_layer(plan, fits)
    used = [layer for layer in plan.layers if pieces[layer]]
    tensors = {}
    for layer in used:
        units, weights = (np.concatenate(parts) for parts in zip(*pieces[layer], strict=True))
        order = np.argsort(units)
        tensors[f"{layer}.units"] = torch.as_tensor(units[order].astype(np.int64))
        tensors[f"{layer}.weight"] = torch.as_tensor(weights[order])
    fields = np.concatenate([one.fields for one in fits])
    # of units without one any window will do: nothing is read through it
    whole = np.where(np.isnan(fields), (0.0, 0.0, plan.visual_angle), fields)
    tensors["receptive_field"] = torch.as_tensor(whole.astype(np.float32))
    tensors["bias"] = torch.as_tensor(np.concatenate([one.bias for one in fits]).astype(np.float32))
    features = plan.extractor.config.model_copy(update={"layers": tuple(used)})
    rules = dict(zip(plan.layers, plan.nonlinearities, strict=True))
    config = {
        "features": features.model_dump(),
        "nonlinearities": [rules[layer] for layer in used],
        "visual_angle": plan.visual_angle,
    }
    description = describe_training("gaussian_fwrf", plan.recipe, data, seed=plan.recipe.seed, search=_summary(plan))
    return Parts(config, tensors, _units(plan, data, fits), description, backbone)


def _pieces_by_layer(plan: Plan, fits: Sequence[UnitFits]) -> dict[str, list[tuple[Any, Any]]]:
    """For each layer the units that read it, counted over all recordings, and their weights of its channels."""
    pieces: dict[str, list[tuple[Any, Any]]] = {layer: [] for layer in plan.layers}
    offset = 0
    for one in fits:
        for space, parts in zip(one.spaces, one.weights, strict=True):
            cuts = np.cumsum([plan.shapes[layer][0] for layer in space])[:-1]
            for units, weights in parts:
                for layer, own in zip(space, np.split(weights, cuts, axis=1), strict=True):
                    pieces[layer].append((units + offset, own))
        offset += len(one.missing)
    return pieces


def _summary(plan: Plan) -> dict[str, Any]:
    grid = plan.grid
    return {
        "fields": len(plan.fields),
        "sizes": [round(size, 4) for size in grid.sizes],
        "extent": grid.extent,
        "layers": list(plan.layers),
        "visual_angle": plan.visual_angle,
    }


def _units(plan: Plan, data: Sequence[Examples], fits: Sequence[UnitFits]) -> xr.Dataset:
    from braincodec.responses.combine import concatenate_units

    tables = []
    for examples, one in zip(data, fits, strict=True):
        table = examples.units.drop_dims([dim for dim in examples.units.dims if dim not in ("unit", "roi")])
        columns = dict(zip(COLUMNS, one.fields.T.astype(np.float32), strict=True))
        about = {name: {"long_name": text, "units": DEGREES} for name, text in COLUMNS.items()}
        table = table.assign({name: ("unit", values, about[name]) for name, values in columns.items()})
        meaning = "share of the training responses' variance predicted at the receptive field, cross-validated"
        table = table.assign(training_r2=("unit", one.r2.astype(np.float32), {"long_name": meaning}))
        table.attrs["visual_angle"] = plan.visual_angle
        if len(data) > 1:
            table = table.assign(subject=("unit", np.full(len(one.r2), examples.subject)))
        tables.append(table)
    return tables[0] if len(tables) == 1 else concatenate_units(tables)
