"""What an encoder promises, trained and untrained."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.features.preprocessing import Preprocessing
from braincodec.models.tensors import add_tensor
from braincodec.models.trainable import Trainable
from braincodec.registry import Registry

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from braincodec.device import Device, Dtype
    from braincodec.features.backbone import Backbone
    from braincodec.stimuli import BadStimulus, StimulusSet

MODELS = Registry(
    "kind of model",
    entry_point_group="braincodec.models",
    built_in={
        "fwrf": "braincodec.models.fwrf.encoder:FwRF",
        "linear": "braincodec.models.linear.encoder:LinearEncoder",
        "gaussian_fwrf": "braincodec.models.gaussian_fwrf.encoder:GaussianFwRF",
        "lea": "braincodec.models.lea.model:LEA",
    },
)
register_model = MODELS.register


class Encoder(Trainable):
    """A model that predicts responses to images: made untrained by its settings, trained by `fit`."""

    def __repr__(self) -> str:
        if not self.trained:
            settings = ", ".join(f"{name}={value!r}" for name, value in self.recipe or ())
            return f"<{type(self).__name__}, not trained: {settings}>"
        about = self.description
        roi = f", {about.roi}" if about.roi else ""
        shape = " x ".join(f"{size:,} {dim}" for dim, size in zip(self.response_dims, self.response_shape, strict=True))
        simulated = ", simulated" if about.simulated else ""
        return f"<{type(self).__name__} {about.model}, subject {about.subject}{roi}: {shape}{simulated}>"

    @property
    def subjects(self) -> list[str]:
        """Names of the subjects whose responses it predicts."""
        if "subject" in self.units:
            return list(dict.fromkeys(self.units["subject"].values.astype(str).tolist()))
        return [str(self.description.subject)]

    def of_subject(self, subject: object) -> Encoder:
        """The same model for the units of one of several subjects.

        Raises
        ------
        UnknownNameError
        """
        known = self.subjects
        if str(subject) not in known:
            raise UnknownNameError("subject", str(subject), known, where=f"of {self.description.model}")
        if len(known) == 1:
            return self
        owner = self.units["subject"]
        return self.select(**{str(owner.dims[0]): np.flatnonzero(owner.values.astype(str) == str(subject))})

    # what a kind of model provides

    @property
    @abc.abstractmethod
    def preprocessing(self) -> Preprocessing:
        """What happens to an image before the network sees it."""

    @property
    @abc.abstractmethod
    def response_dims(self) -> tuple[str, ...]:
        """``("unit",)`` or ``("repetition", "channel", "time")``."""

    @abc.abstractmethod
    def _prepare(self, device: torch.device, dtype: torch.dtype) -> None:
        """Bring the weights into the form that computes fastest on `device`."""

    @abc.abstractmethod
    def shared(self, images: torch.Tensor) -> torch.Tensor:
        """The part of the work that encoders with equal `shared_key` do once, from (batch, 3, height, width)."""

    @abc.abstractmethod
    def readout(self, shared: torch.Tensor) -> torch.Tensor:
        """Responses ``(batch, *response_shape)``, float32, from what `shared` gave."""

    @abc.abstractmethod
    def select(self, **indices: Any) -> Encoder:
        """The same model for some of its outputs only; the rest is not computed.

        Parameters
        ----------
        **indices
            For dims of the response: whole numbers or a boolean mask. Units keep the model's order, each once;
            ``repetition``, ``channel`` and ``time`` come in the order asked for.
        """

    @abc.abstractmethod
    def bytes_per_image(self) -> int:
        """Memory that one image needs on its way through, for choosing the batch size."""

    # beyond it the processor gains nothing
    preferred_batch_size: int = 32

    def shared_key(self) -> str | None:
        """Encoders with the same key give the same `shared`; None shares with nobody."""
        return None

    def shared_weights(self) -> tuple[str, ...]:
        """Names of the weights that `shared` computes with, where `shared_key` is not None."""
        return ()

    # what every encoder can do

    @property
    def response_shape(self) -> tuple[int, ...]:
        """Size of each of `response_dims`."""
        return tuple(self.units.sizes[name] for name in self.response_dims)

    @property
    def preprocessings(self) -> tuple[Preprocessing, ...]:
        """The distinct preprocessings that `predict` wants its images in."""
        return (self.preprocessing,)

    def tensors(self) -> dict[str, torch.Tensor]:
        """All weights by name."""
        return dict(self._tensors)

    def weight_bytes(self) -> tuple[int, int]:
        """Bytes of the weights that encoders with the same `shared_key` need once together, and of the others."""
        sizes = {name: tensor.nbytes for name, tensor in self.tensors().items()}
        common = sum(sizes[name] for name in self.shared_weights())
        return common, sum(sizes.values()) - common

    def hold_weights(self, beside: Encoder | None = None) -> None:
        """Keep weights that are equal to those of `beside` in memory once, and all where processors read them best.

        Called before `prepare`. The start of an array decides in which order some libraries add up, so equal models
        give equal bits only where it does not vary.
        """
        from braincodec.models.tensors import aligned, equal_bits

        for name, tensor in self._tensors.items():
            known = None if beside is None else beside._tensors.get(name)
            held = known if known is not None and equal_bits(known, tensor) else aligned(tensor)
            self._tensors[name] = held

    def prepare(self, device: torch.device, dtype: torch.dtype) -> Self:
        """Make ready to predict on `device` in `dtype`; does nothing when that is done already."""
        if self._prepared != (device, dtype):
            self._prepare(device, dtype)
            self._prepared = (device, dtype)
        return self

    def predict(self, *images: torch.Tensor) -> torch.Tensor:
        """Responses ``(batch, *response_shape)``, float32, to images preprocessed as `preprocessings` says."""
        return self.readout(self.shared(images[0]))

    def choose(self, indices: dict[str, Any]) -> dict[str, np.ndarray]:
        """Whole numbers for every dim of the response, from what `select` was given.

        Raises
        ------
        InputValueError
            For a dim that the response lacks, an index outside it, or nothing chosen.
        """
        unknown = set(indices) - set(self.response_dims)
        if unknown:
            raise InputValueError(f"cannot select by {sorted(unknown)}; the dims are {', '.join(self.response_dims)}")
        chosen = {}
        for name, size in zip(self.response_dims, self.response_shape, strict=True):
            try:
                chosen[name] = np.atleast_1d(np.arange(size)[indices.get(name, slice(None))])
            except IndexError as error:
                raise InputValueError(f"{name}: {error}") from None
            if not chosen[name].size:
                raise InputValueError(f"nothing is left: no {name} was chosen of {size}")
        if "unit" in chosen:
            chosen["unit"] = np.unique(chosen["unit"])
        return chosen

    def identity(self) -> str:
        """Hexadecimal SHA-256 of settings and weights: equal for equal models."""
        digest = hashlib.sha256(f"{self.kind} {self.config.hash()} {self.description.hash()}".encode())
        for name, tensor in sorted(self._tensors.items()):
            add_tensor(digest, name, tensor)
        return digest.hexdigest()

    def encode(
        self,
        stimuli: StimulusSet | Any,
        *,
        device: Device = "auto",
        dtype: Dtype = "float32",
        batch_size: int | str = "auto",
        progress: bool | None = None,
        on_bad: Literal["raise", "skip"] = "raise",
    ) -> xr.DataArray:
        """Responses to images, held in memory.

        Parameters
        ----------
        stimuli : StimulusSet or anything that `StimulusSet.open` takes
        device : str
            ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype : str
            ``"float32"`` keeps published numbers; ``"bfloat16"`` is faster and less exact.
        batch_size : int or "auto"
        progress : bool, optional
            Show a bar; default: when stderr is a terminal.
        on_bad : {"raise", "skip"}
            What to do with an image that cannot be read; skipped ones are listed in ``attrs["skipped"]``.

        Returns
        -------
        xarray.DataArray
            dims ``(stimulus, *response_dims)``, float32, labelled.
        """
        from braincodec.models.run import encode

        if not self.trained:
            raise self._not_trained()
        return encode(
            self, stimuli, device=device, dtype=dtype, batch_size=batch_size, progress=progress, on_bad=on_bad
        )

    def encode_to(
        self,
        path: str | Path,
        stimuli: StimulusSet | Any,
        *,
        device: Device = "auto",
        dtype: Dtype = "float32",
        batch_size: int | str = "auto",
        progress: bool | None = None,
        on_bad: Literal["raise", "skip"] = "raise",
        overwrite: bool = False,
        on_skip: Callable[[BadStimulus], None] | None = None,
    ) -> Path:
        """Responses to images, streamed to a file in bounded memory; an interrupted call resumes.

        Parameters
        ----------
        path : str or Path
            The suffix decides the format: .zarr .nc .npy .npz .h5 .nii.gz.
        overwrite : bool
            Replace an existing file, and discard a partial one that was made by another plan.
        on_skip : callable, optional
            Called at the end with each image that was left out, those of an interrupted run included.

        Returns
        -------
        Path
            The file, complete; `braincodec.open_responses` reads it back.

        See Also
        --------
        encode : the other parameters.
        """
        from braincodec.models.run import encode_to

        if not self.trained:
            raise self._not_trained()
        return encode_to(
            self,
            path,
            stimuli,
            device=device,
            dtype=dtype,
            batch_size=batch_size,
            progress=progress,
            on_bad=on_bad,
            overwrite=overwrite,
            on_skip=on_skip,
        )

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the artefact folder `path` (settings, weights, units, card, checksums)."""
        from braincodec.artefact import write_artefact

        if not self.trained:
            raise self._not_trained()
        return write_artefact(path, self, overwrite=overwrite)

    @staticmethod
    def load(path: str | Path, *, backbone: Backbone | None = None) -> Encoder:
        """Read an encoder from its artefact folder.

        Parameters
        ----------
        path : str or Path
        backbone : Backbone, optional
            For a network of your own, which the artefact's name for it may not import.
        """
        from braincodec.artefact import read_encoder

        return read_encoder(path, backbone=backbone)
