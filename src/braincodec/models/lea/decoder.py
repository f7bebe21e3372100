"""The trained LEA as a decoder: responses to image embeddings, to images, and to the nearest of a gallery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from braincodec.models.lea.aligned import AlignedEncoder, Rescale

if TYPE_CHECKING:
    import xarray as xr

    from braincodec.device import Device, Dtype
    from braincodec.stimuli import StimulusSet


class AlignedDecoder(AlignedEncoder):
    """An `AlignedEncoder` that goes the other way too."""

    def decode(
        self,
        responses: Any,
        *,
        n_samples: int = 1,
        seed: int = 0,
        rescale: Rescale | None = None,
        stimuli: Sequence[int] | None = None,
        device: Device = "auto",
        dtype: Dtype = "float32",
        batch_size: int | str = "auto",
        progress: bool | None = None,
        one_network_at_a_time: bool = False,
    ) -> StimulusSet:
        """Images of what was seen.

        Parameters
        ----------
        responses : array_like, shape (stimuli, units), or DataArray
            As measured, in the scale of the recording that the model was fitted to. Where a DataArray says which voxel
            each unit is, units may come in any order; repetitions are averaged.
        n_samples : int
            Images of each pattern; where the generator draws, they differ.
        seed : int
            Of the generator.
        rescale : {"training", "none", "transductive"}, optional
            How predicted embeddings are scaled; default: the setting `rescale`. ``"transductive"`` takes mean and
            deviation over the patterns given here, as published: each image then depends on what else is decoded.
        stimuli : sequence of int, optional
            Number of each pattern's stimulus, where these are a part of more. Default: from 0.
        device : str
        dtype : {"float32", "bfloat16", "float16"}
            Of networks. In float32, on one machine, an image depends on its pattern, the seed, the number of its
            stimulus and its sample number alone.
        batch_size : int or "auto"
            Patterns that the generator is given at a time; default: all.
        progress : bool, optional
            Show bars; default: when stderr is a terminal.
        one_network_at_a_time : bool
            Keep no network on the device once it has done its part.

        Returns
        -------
        StimulusSet
            Images of uint8. Ids are those of the patterns (numbers from 0 where they have none); of several samples
            ``<id>-sample-<k>``, k from 1.

        Raises
        ------
        InputTypeError, InputValueError
            For patterns of another shape or type, with NaN, of other voxels (the message says whose they could be), or
            no samples; and where the model was cut by `select`.
        """
        from braincodec.models.lea.decoding import Running, decode

        self.check_whole("decode")
        running = Running(device, dtype, progress, one_network_at_a_time)
        return decode(
            self,
            responses,
            running,
            n_samples=n_samples,
            seed=seed,
            rescale=rescale,
            stimuli=stimuli,
            batch_size=batch_size,
        )

    def retrieve(
        self,
        responses: Any,
        gallery: StimulusSet | Any,
        k: int = 5,
        *,
        rescale: Rescale | None = None,
        device: Device = "auto",
        dtype: Dtype = "float32",
        batch_size: int | str = "auto",
        progress: bool | None = None,
    ) -> xr.Dataset:
        """The images of a gallery that are most like what was seen.

        Parameters
        ----------
        responses
            As of `decode`.
        gallery : StimulusSet, what `StimulusSet.open` takes, or embeddings
            Images to choose from; or their embeddings, of shape (images, dimension), as `embed` gives them.
        k : int
            How many of them for each pattern; fewer where the gallery has fewer.
        rescale, device, dtype, batch_size, progress
            As of `decode`; `batch_size` images are embedded at a time, and a learnt space does without `rescale`.

        Returns
        -------
        xarray.Dataset
            ``id`` and ``similarity``, each (stimulus, rank); rank 1 is the most similar. Similarity is the cosine, of
            embeddings without the mean of the training embeddings, or in the space that `retrieval` has learnt.

        Raises
        ------
        InputTypeError, InputValueError
            As `decode`, and for a gallery of fewer than two images or embeddings of another width.
        """
        from braincodec.models.lea.decoding import Running, retrieve

        self.check_whole("retrieve")
        running = Running(device, dtype, progress)
        return retrieve(self, responses, gallery, k, running, rescale=rescale, batch_size=batch_size)

    def predict_embeddings(
        self,
        responses: Any,
        *,
        rescale: Rescale | None = None,
        device: Device = "auto",
        dtype: Dtype = "float32",
        progress: bool | None = None,
    ) -> xr.DataArray:
        """Image embeddings that patterns speak of: what the generator makes images of.

        Parameters
        ----------
        responses, rescale, device, dtype, progress
            As of `decode`.

        Returns
        -------
        xarray.DataArray
            dims (stimulus, feature), float32.
        """
        from braincodec.models.lea.decoding import Running, labelled, predict_embeddings

        self.check_whole("decode")
        return labelled(predict_embeddings(self, responses, rescale, Running(device, dtype, progress)))

    def fmri_latents(
        self, responses: Any, *, device: Device = "auto", dtype: Dtype = "float32", progress: bool | None = None
    ) -> xr.DataArray:
        """Latents of patterns: dims (stimulus, feature), float32; parameters as of `decode`."""
        from braincodec.models.lea.decoding import Running, fmri_latents, labelled

        self.check_whole("decode")
        return labelled(fmri_latents(self, responses, Running(device, dtype, progress)))

    def embed(
        self,
        stimuli: StimulusSet | Any,
        *,
        device: Device = "auto",
        dtype: Dtype = "float32",
        batch_size: int | str = "auto",
        progress: bool | None = None,
        on_bad: Literal["raise", "skip"] = "raise",
    ) -> xr.DataArray:
        """Embeddings of images, as the model reads them: dims (stimulus, feature), float32.

        See Also
        --------
        Encoder.encode : the parameters.
        """
        from braincodec.models.lea.decoding import Predicted, labelled
        from braincodec.models.lea.encoding import embed

        if not self.trained:
            raise self._not_trained()
        found = embed(
            self, stimuli, device=device, dtype=dtype, batch_size=batch_size, progress=progress, on_bad=on_bad
        )
        return labelled(Predicted(found.embeddings, np.asarray(found.ids, str)))
