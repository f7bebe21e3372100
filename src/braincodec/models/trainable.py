"""What every model that is trained here has: settings, parts once trained, and `fit` between the two."""

from __future__ import annotations

import abc
import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from braincodec.config import Config
from braincodec.errors import InputTypeError, InputValueError, NotTrainedError
from braincodec.models.description import ModelDescription

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from braincodec.datasets.base import Dataset, Recording
    from braincodec.device import Device
    from braincodec.features.backbone import Backbone
    from braincodec.models.training_data import Examples


class Parts(NamedTuple):
    """What a trained model consists of, in memory as on disk.

    Parameters
    ----------
    config : Config or dict
        Settings of this kind of model.
    tensors : mapping of str to torch.Tensor
        All weights.
    units : xarray.Dataset
        Per-unit coordinates and scores: dims (unit, roi), or (repetition, channel, time).
    description : ModelDescription or dict
    backbone : Backbone or tuple of Backbone, optional
        The network, when it is at hand already; several for a model that reads several.
    """

    config: Config | dict[str, Any]
    tensors: Mapping[str, torch.Tensor]
    units: xr.Dataset
    description: ModelDescription | dict[str, Any]
    backbone: Backbone | tuple[Backbone, ...] | None = None


class Trainable(abc.ABC):
    """A model made untrained by its settings, trained by `fit`, or put together from stored parts.

    Parameters
    ----------
    **settings
        Of `recipe_class`: how to train.

    Attributes
    ----------
    recipe : Config or None
        The settings; None for a model that came trained.
    """

    kind: ClassVar[str]
    config_class: ClassVar[type[Config]]
    recipe_class: ClassVar[type[Config] | None] = None

    # there only once the model is trained
    config: Any
    description: ModelDescription
    units: xr.Dataset
    _tensors: dict[str, torch.Tensor]
    _prepared: tuple[torch.device, torch.dtype] | None

    def __init__(self, **settings: Any) -> None:
        if self.recipe_class is None:
            raise InputTypeError(f"{type(self).__name__} is not trained here; from_parts makes it from stored weights")
        self.recipe: Config | None = self.recipe_class.parse(settings)

    @classmethod
    def from_parts(
        cls,
        config: Config | dict[str, Any],
        tensors: Mapping[str, torch.Tensor],
        units: xr.Dataset,
        description: ModelDescription | dict[str, Any],
        backbone: Backbone | tuple[Backbone, ...] | None = None,
    ) -> Self:
        """A trained model from its parts; the kind's own page says which tensors it takes.

        See Also
        --------
        Parts : the parameters.
        """
        model = cls.__new__(cls)
        model.recipe = None
        model._adopt(Parts(config, tensors, units, description, backbone))
        return model

    def _adopt(self, parts: Parts) -> None:
        """Become the trained model that `parts` make up."""
        self.config = self.config_class.parse(parts.config)
        self.description = ModelDescription.parse(parts.description)
        self.units = parts.units
        self._tensors = dict(parts.tensors)
        self._prepared = None
        self._check()

    def __getattr__(self, name: str) -> Any:
        if "config" not in vars(self) and (name in Trainable.__annotations__ or hasattr(type(self), name)):
            raise self._not_trained()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def trained(self) -> bool:
        """Whether it can predict."""
        return "config" in vars(self)

    def _not_trained(self) -> NotTrainedError:
        return NotTrainedError(f"this {type(self).__name__} is not trained yet; call fit(recording) first")

    @abc.abstractmethod
    def _check(self) -> None:
        """Raise `InputValueError` where weights and units disagree."""

    def fit(
        self,
        data: Recording | Dataset | Sequence[Recording],
        *,
        workspace: str | Path | None = None,
        device: Device = "auto",
        batch_size: int | str = "auto",
        progress: bool | None = None,
    ) -> Self:
        """Train on the training stimuli of a recording.

        Parameters
        ----------
        data : Recording, Dataset with one subject, or sequence of Recordings
            Several give one model for all their units, which `of_subject` tells apart.
        workspace : str or Path, optional
            Where features and checkpoints are kept, so that an interrupted call goes on when it is made again, and
            other models start from the same features. Default: a temporary folder, removed at the end.
        device : str
        batch_size : int or "auto"
            Images in one pass through the network.
        progress : bool, optional
            Show bars; default: when stderr is a terminal.

        Returns
        -------
        Encoder
            Itself, trained.

        Raises
        ------
        InputTypeError, InputValueError
            When the data cannot train this model; before long work.
        """
        from braincodec.models.training_data import training_data

        if self.recipe is None:
            raise InputValueError(f"this {type(self).__name__} came trained; make a new one with settings to fit it")
        examples = training_data(data)
        with contextlib.ExitStack() as stack:
            place = workspace or stack.enter_context(tempfile.TemporaryDirectory(prefix="braincodec-"))
            parts = self._fit(
                examples,
                workspace=Path(place).expanduser(),
                device=device,
                batch_size=batch_size,
                progress=progress,
            )
        self._adopt(parts)
        return self

    def _fit(
        self,
        data: Sequence[Examples],
        *,
        workspace: Path,
        device: Device,
        batch_size: int | str,
        progress: bool | None,
    ) -> Parts:
        """Train by `recipe`; kinds of model that can be trained here implement it."""
        raise InputTypeError(f"{type(self).__name__} cannot be trained here")
