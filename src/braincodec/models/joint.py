"""Several encoders over one pass of the images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from braincodec.config import Config
from braincodec.errors import InputValueError
from braincodec.models.base import Encoder
from braincodec.models.description import ModelDescription
from braincodec.models.sharing import distinct_preprocessings, predict_each
from braincodec.models.trainable import Parts
from braincodec.subjects import plain_subject

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from braincodec.features.preprocessing import Preprocessing


class JointConfig(Config):
    """Names of the encoders that run together, for people; `JointEncoder.identity` tells them apart."""

    members: tuple[str, ...]


class JointEncoder(Encoder):
    """Encoders of several regions or subjects that decode, resize and (where they can) analyse each image once.

    Units lie one after another along ``unit``, told apart by ``subject`` and ``model_roi``; encoders with other
    response dims (EEG) are stacked along a leading ``subject``.

    Parameters
    ----------
    members : sequence of Encoder
        At least one; all with the same response dims.

    Raises
    ------
    InputValueError
        When the members cannot be put together.
    """

    kind: ClassVar[str] = "joint"
    config_class = JointConfig

    def __init__(self, members: Sequence[Encoder]) -> None:
        # joint encoders among them are taken apart
        self.members = [one for member in members for one in getattr(member, "members", [member])]
        if not self.members:
            raise InputValueError("a joint encoder needs at least one encoder")
        self._preprocessings = distinct_preprocessings(self.members)
        self.preferred_batch_size = min(member.preferred_batch_size for member in self.members)
        config = JointConfig(members=tuple(map(_name, self.members)))
        self.recipe = None
        self._adopt(Parts(config, {}, join_units(self.members), _join_descriptions(self.members)))

    def _check(self) -> None:
        """Nothing is left to check: `join_units` has compared the members."""

    @property
    def preprocessing(self) -> Preprocessing:
        """The first member's; `preprocessings` has all."""
        return self._preprocessings[0]

    @property
    def preprocessings(self) -> tuple[Preprocessing, ...]:
        """The distinct preprocessings of all members."""
        return self._preprocessings

    @property
    def response_dims(self) -> tuple[str, ...]:
        """The members' own dims, behind ``subject`` where they have no ``unit``."""
        dims = self.members[0].response_dims
        return dims if dims == ("unit",) else ("subject", *dims)

    def _prepare(self, device: torch.device, dtype: torch.dtype) -> None:
        for member in self.members:
            member.prepare(device, dtype)

    def shared(self, images: torch.Tensor) -> torch.Tensor:
        """Members differ in what they share; see `predict`."""
        return images

    def readout(self, shared: torch.Tensor) -> torch.Tensor:
        """Members differ in what they share; see `predict`."""
        return self.predict(*[shared] * len(self._preprocessings))

    def predict_each(self, *images: torch.Tensor) -> list[torch.Tensor]:
        """Responses of each member; what members share is computed once."""
        return predict_each(self.members, dict(zip(self._preprocessings, images, strict=True)))

    def predict(self, *images: torch.Tensor) -> torch.Tensor:
        """Responses of all members, joined."""
        import torch

        outputs = self.predict_each(*images)
        return torch.cat(outputs, 1) if self.response_dims == ("unit",) else torch.stack(outputs, 1)

    def select(self, **indices: Any) -> JointEncoder:
        """See `Encoder.select`; units keep their order, and members that lose all of theirs are dropped."""
        chosen = self.choose(indices)
        if self.response_dims != ("unit",):
            members = [self.members[number] for number in chosen.pop("subject")]
            return JointEncoder([member.select(**chosen) for member in members])
        begin, members = 0, []
        for member in self.members:
            count = member.response_shape[0]
            own = chosen["unit"][(chosen["unit"] >= begin) & (chosen["unit"] < begin + count)] - begin
            begin += count
            if len(own):
                members.append(member.select(unit=own))
        return JointEncoder(members)

    def bytes_per_image(self) -> int:
        """The largest member's need: members run one after another."""
        return max(member.bytes_per_image() for member in self.members)

    def identity(self) -> str:
        """Hash of the members' identities."""
        return hashlib.sha256(" ".join(member.identity() for member in self.members).encode()).hexdigest()


def _name(encoder: Encoder) -> str:
    about = encoder.description
    return f"{about.model}, subject {about.subject}" + (f", {about.roi}" if about.roi else "")


def _join_descriptions(members: Sequence[Encoder]) -> ModelDescription:
    first = members[0].description
    if len(members) == 1:
        return first
    models = dict.fromkeys(member.description.model for member in members)
    units = {member.description.response_units for member in members}
    rois = {member.description.roi for member in members}
    return ModelDescription(
        model="+".join(models),
        modality=first.modality,
        dataset=first.dataset,
        subject=first.subject,
        roi=first.roi if len(rois) == 1 else None,
        response_units=units.pop() if len(units) == 1 else "unknown",
        simulated=any(member.description.simulated for member in members),
    )


def join_units(members: Sequence[Encoder]) -> xr.Dataset:
    """Units of several encoders in one Dataset.

    A region's membership holds for every unit whose identity (subject and voxel, or vertex and hemisphere) is known
    to lie in it, whichever model predicts that unit.
    """
    from braincodec.responses.combine import concatenate_units

    dims = {member.response_dims for member in members}
    if len(dims) > 1:
        raise InputValueError(f"cannot join encoders with different response dims: {sorted(dims)}")
    if dims != {("unit",)}:
        return _stack_sensors(members)
    subjects = _subjects(members)
    return _spread_membership(concatenate_units(list(map(_with_identity, members, subjects))))


def _subjects(members: Sequence[Encoder]) -> np.ndarray:
    """Subject of each member: numbers where all have one, else names."""
    subjects = np.array([plain_subject(member.description.subject) for member in members])
    return subjects.astype(np.int32) if subjects.dtype.kind == "i" and subjects.max() < 2**31 else subjects


def _with_identity(member: Encoder, subject: np.generic) -> xr.Dataset:
    size = member.units.sizes["unit"]
    table = member.units
    if "subject" not in table:
        table = table.assign(subject=("unit", np.full(size, subject)))
    if member.description.roi is not None and "model_roi" not in table:
        table = table.assign(model_roi=("unit", np.full(size, member.description.roi)))
    return table


def _spread_membership(units: xr.Dataset) -> xr.Dataset:
    names = next((n for n in (("i", "j", "k"), ("hemisphere", "vertex")) if all(name in units for name in n)), None)
    if names is None or "roi_membership" not in units:
        return units
    columns = [np.unique(units[name].values, return_inverse=True)[1] for name in ("subject", *names)]
    _, place = np.unique(np.stack(columns, 1), axis=0, return_inverse=True)  # equal numbers: the same voxel or vertex
    # units that lack a place (filled with -1 beside others that have one) are the same as no other
    unknown = units[names[-1]].values < 0
    place[unknown] = np.arange(len(place), len(place) + int(unknown.sum()))
    membership = units["roi_membership"].values
    spread = np.zeros_like(membership)
    for column in range(membership.shape[1]):
        spread[:, column] = np.isin(place, place[membership[:, column]])
    return units.assign(roi_membership=(("unit", "roi"), spread))


def _stack_sensors(members: Sequence[Encoder]) -> xr.Dataset:
    import xarray as xr

    names = ("repetition", "channel", "time")
    first = members[0].units
    for member in members[1:]:
        for name in names:
            if not np.array_equal(first[name].values, member.units[name].values):
                raise InputValueError(f"cannot join encoders whose {name} coordinates differ")
    coordinates: dict[str, Any] = {"subject": _subjects(members)}
    coordinates |= {name: first[name].values for name in names}
    return xr.Dataset(coords=coordinates, attrs=first.attrs)
