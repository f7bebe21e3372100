"""A trained model that training goes on from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import InputValueError
from braincodec.models.fwrf.division import Region, divided_units
from braincodec.models.fwrf.network import PER_UNIT

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from braincodec.models.fwrf.encoder import FwRF
    from braincodec.models.training_data import Examples

    Weights = dict[str, torch.Tensor]

# what tells units apart, besides whose they are
PLACES = (("i", "j", "k"), ("hemisphere", "vertex"))


class Start:
    """Weights of a trained model for the networks to be trained.

    The trunk goes on in any case; the readouts do where the model's units are those of the data, in the same order.

    Parameters
    ----------
    model : FwRF
        With one network, or as many as there are regions.
    data : sequence of Examples
    regions : sequence of Region

    Raises
    ------
    InputValueError
        When it has another number of networks.
    """

    def __init__(self, model: FwRF, data: Sequence[Examples], regions: Sequence[Region]) -> None:
        self._parts = model.networks()
        if len(self._parts) not in (1, len(regions)):
            fitting = "one network" + (f", or {len(regions)} as are trained" if len(regions) > 1 else "")
            raise InputValueError(
                f"training starts from a model with {fitting}; {model.description.model} has {len(self._parts)}: "
                "select the units of one of them"
            )
        self._sizes = [[len(columns) for columns in region.columns] for region in regions]
        whose = {str(one.subject) for one in data}
        own = "subject" in model.units or (len(data) == 1 and str(model.description.subject) in whose)
        self.same_units = own and same_units(model.units, divided_units(data, regions, named=False))
        self.identity = model.identity()

    @property
    def about(self) -> dict[str, Any]:
        """For the description: which model, and what of it went on."""
        return {"model": self.identity, "readouts": "continued" if self.same_units else "new"}

    def trunk(self, number: int) -> Weights:
        """Weights of the trunk that network `number` starts from."""
        part = self._parts[number if len(self._parts) > 1 else 0]
        return {name: tensor for name, tensor in part.items() if name not in PER_UNIT}

    def readouts(self, number: int) -> list[Weights] | None:
        """Readouts of each subject that network `number` starts from; None where they start anew."""
        if not self.same_units or len(self._parts) != len(self._sizes):
            return None
        cuts = np.cumsum(self._sizes[number])[:-1].tolist()
        pieces = {name: self._parts[number][name].tensor_split(cuts) for name in PER_UNIT}
        return [
            {name: pieces[name][subject].nan_to_num() for name in PER_UNIT}
            for subject in range(len(self._sizes[number]))
        ]


def same_units(first: xr.Dataset, second: xr.Dataset) -> bool:
    """Whether two tables are of the same units in the same order, as far as they tell."""
    if first.sizes["unit"] != second.sizes["unit"]:
        return False
    names = [name for names in PLACES for name in names] + ["subject"]
    both = [name for name in names if name in first and name in second]
    if any((name in first) != (name in second) for name in names if name != "subject"):
        return False
    return all(np.array_equal(first[name].values.astype(str), second[name].values.astype(str)) for name in both)
