"""NED and NEST, the classes that published scripts import, over any of our stores."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, overload

import numpy as np

from braincodec.compat.checks import check_device, check_flag, check_images
from braincodec.compat.published import Encoded, EncodingModel, PublishedInterface
from braincodec.errors import InputTypeError
from braincodec.store import Store
from braincodec.subjects import Subject

__all__ = ["NED", "NEST", "EncodingModel"]


class NED(PublishedInterface):
    """The Neural Encoding Dataset's interface.

    Parameters
    ----------
    ned_dir : str, Path or Store
        A folder of NED, NEST or BERG, or a braincodec store (such as a converted NED folder).

    Examples
    --------
    >>> NED("no/such/folder")
    Traceback (most recent call last):
    braincodec.errors.MissingFileError: store folder not found: no/such/folder; ...
    """

    def __init__(self, ned_dir: str | Path | Store) -> None:
        self.ned_dir = ned_dir
        super().__init__(ned_dir)

    @overload
    def encode(
        self,
        images: np.ndarray,
        modality: str,
        train_dataset: str,
        model: str,
        subject: Subject,
        roi: str | None = None,
        return_metadata: bool = True,
        device: str = "auto",
    ) -> Encoded: ...

    @overload
    def encode(
        self,
        encoding_model: EncodingModel,
        images: np.ndarray,
        return_metadata: bool = True,
        device: str = "auto",
    ) -> Encoded: ...

    def encode(self, *args: Any, **kwargs: Any) -> Encoded:
        """Predict responses to images, in either of the two published forms.

        ``encode(images, modality, train_dataset, model, subject, roi=None, return_metadata=True, device="auto")``
        loads the model too; ``encode(encoding_model, images, return_metadata=True, device="auto")`` uses what
        `get_encoding_model` returned. The type of the first argument tells them apart.

        Parameters
        ----------
        images : numpy array of any integer dtype, shape (n, 3, size, size)
            Values 0..255.
        encoding_model : EncodingModel
        modality, train_dataset, model, subject, roi
            As in `get_encoding_model`.
        return_metadata : bool
        device : str
            ``"auto"`` is where the model was loaded for, else a GPU where there is one.

        Returns
        -------
        array of float32, shape (n, voxels) or (n, repetitions, channels, times)
            With `return_metadata`, a tuple of it and the dict that `get_metadata` gives.

        Raises
        ------
        InputTypeError, InputValueError
            For a wrong argument; names the valid choices. Raised before anything is computed.
        MissingFileError
            When a file is not in the folder; says which and how to get it.
        """
        two_steps = "encoding_model" in kwargs or (bool(args) and isinstance(args[0], dict))
        form = self.encode_with if two_steps else self._encode_once
        try:
            bound = inspect.signature(form).bind(*args, **kwargs)
        except TypeError as error:
            raise InputTypeError(
                f"encode: {error}; it is called as encode(images, modality, train_dataset, model, subject, roi, "
                "return_metadata, device) or encode(encoding_model, images, return_metadata, device)"
            ) from None
        return form(*bound.args, **bound.kwargs)

    def _encode_once(
        self,
        images: np.ndarray,
        modality: str,
        train_dataset: str,
        model: str,
        subject: Subject,
        roi: str | None = None,
        return_metadata: bool = True,
        device: str = "auto",
    ) -> Encoded:
        stimuli = check_images(images)
        check_flag("return_metadata", return_metadata)
        if not isinstance(device, str):
            check_device(device)
        loaded = self.get_encoding_model(modality, train_dataset, model, subject, roi, device)
        return self.run(loaded, stimuli, return_metadata, "auto")

    load_synthetic_neural_responses = PublishedInterface.load_insilico_neural_responses


class NEST(PublishedInterface):
    """The Neural Encoding Simulation Toolkit's interface: NED's later form.

    Parameters
    ----------
    nest_dir : str, Path or Store
        A folder of NED, NEST or BERG, or a braincodec store.
    """

    def __init__(self, nest_dir: str | Path | Store) -> None:
        self.nest_dir = nest_dir
        super().__init__(nest_dir)

    def encode(
        self,
        encoding_model: EncodingModel,
        images: np.ndarray,
        return_metadata: bool = True,
        device: str = "auto",
    ) -> Encoded:
        """Predict responses to images with what `get_encoding_model` returned; see `NED.encode`."""
        return self.encode_with(encoding_model, images, return_metadata, device)
