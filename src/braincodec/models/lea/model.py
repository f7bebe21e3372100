"""LEA: images of what was seen, and responses to what is seen, through two aligned latent spaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from braincodec.features.backbone import Backbone
from braincodec.image_generators.base import ImageGenerator
from braincodec.models.base import register_model
from braincodec.models.lea.aligned import AlignedEncoder
from braincodec.models.lea.image_embedding import PUBLISHED_EMBEDDING
from braincodec.models.lea.recipe import LEARecipe

if TYPE_CHECKING:
    import xarray as xr

    from braincodec.device import Device, Dtype
    from braincodec.models.trainable import Parts
    from braincodec.models.training_data import Examples
    from braincodec.stimuli import StimulusSet

Rescale = Literal["training", "none", "transductive"]


@register_model("lea")
class LEA(AlignedEncoder):
    """Images of what somebody saw, and responses to images, by one model of one subject (LEA; Qian et al. 2024, TMLR).

    fMRI patterns become latents, images become embeddings, and a linear map each way aligns the two. To decode:
    pattern, latent, predicted embedding, image by the image generator. To encode: image, embedding, predicted latent,
    pattern.

    Parameters
    ----------
    image_embedding : str or Backbone
        Network that embeds images, by its name (see `get_backbone`) or at hand. The published one is the default; where
        its weights are missing, ``"efficientnet_lite:0"`` needs no network.
    generator : str, dict or ImageGenerator
        What makes images of embeddings: ``"retrieval"``, ``"pixel_components"``, ``"latent_autoencoder"``,
        ``"maskgit"``, ``"diffusion"``, or settings with such a ``kind``, or one at hand. It is fitted to the training
        images where it is not trained.
    embedding_layer : str or sequence of str, optional
        Default: what the visual tower of a CLIP model returns (``"output"``); of other networks the pooled final
        features.
    embedding_pooling : {"flatten", "spatial_mean", "class_token"}, optional
        Of `embedding_layer`.
    image_size : int or (int, int), optional
        Bring images to this size for the embedding, in place of the network's own.
    unit_length : bool or "auto"
        Embeddings are brought to unit length. ``"auto"``: those of CLIP models, as published.
    fmri_latent : {"autoencoder", "components", "voxels"}
        - ``autoencoder``: a transformer over regions of interest, trained to give patterns back
        - ``components``: principal components of the training patterns
        - ``voxels``: the patterns themselves
    components : int, optional
        How many, of ``components``. Default: all that there are.
    alphas : float or sequence of float, optional
        Ridge strength of both maps (500 is published), or several to choose from by cross-validation. Default: twenty
        over eight decades.
    decoding_intercept : bool
        Whether the map from fMRI to embeddings has an intercept; published: not. The map back always has one.
    folds : int
        Of cross-validation within the training stimuli; trials of one stimulus, and stimuli of one of the recording's
        groups, stay together.
    rescale : {"training", "none"}
        Predicted embeddings vary less than true ones, which image generators do not expect. ``"training"``: mean and
        deviation of out-of-fold predictions of training stimuli are brought to those of their embeddings. No test
        stimulus enters.
    encoding_rescale : {"none", "training"}
        The same for predicted fMRI latents. Off, because a response that is predicted too small is nearer to the
        measured one than a response that is blown up to the spread of noisy trials.
    preprocessing : {"training", "published"}
        ``"training"``: each voxel is standardised by its mean and deviation over training trials. ``"published"``: as
        LEA's public code did for god and bold5000; see `published_standardisation`.
    repetitions : {"single", "average"}
        Whether each training trial is an example, or the mean over the trials of a stimulus.
    regions : str or sequence of str, optional
        Regions whose voxels are used; a voxel in several belongs to the first. Default: all voxels.
    held_out : float
        Share of the training stimuli that only choose the epoch, where the recording has no validation stimuli.
    seed : int
        Of folds and of everything that is trained.

    Notes
    -----
    ``bc.evaluate(lea, recording)`` scores both directions. Trained, the model consists of the tensors ``latent.*``,
    ``decoding.*``, ``encoding.*``, ``generator.*``, ``standardisation.*``, ``units.order``, and of the network that
    embeds images, so that its artefact needs nothing else.

    In float32 neither responses nor images depend on the batch size.

    Examples
    --------
    >>> import braincodec as bc
    >>> data = bc.load_dataset("simulated", n=30, backbone="gabor:bank", calibration=8)
    >>> gabor = {"image_embedding": "gabor:bank", "embedding_layer": "scales.*", "embedding_pooling": "spatial_mean"}
    >>> lea = LEA(generator="retrieval", fmri_latent="components", **gabor).fit(data)
    >>> seen, fmri = data.subject("1").part("test")
    >>> lea.decode(fmri, n_samples=2).ids[:2].tolist()
    ['test-00009-dead_leaves-sample-1', 'test-00009-dead_leaves-sample-2']
    >>> lea.encode(seen).dims, dict(lea.retrieve(fmri, seen, k=2).sizes)
    (('stimulus', 'unit'), {'stimulus': 3, 'rank': 2})
    """

    kind: ClassVar[str] = "lea"
    recipe_class = LEARecipe

    def __init__(
        self,
        image_embedding: str | Backbone = PUBLISHED_EMBEDDING,
        generator: str | Mapping[str, Any] | ImageGenerator = "maskgit",
        *,
        embedding_layer: str | Sequence[str] | None = None,
        embedding_pooling: str | None = None,
        image_size: int | tuple[int, int] | None = None,
        unit_length: bool | str = "auto",
        fmri_latent: str = "autoencoder",
        components: int | None = None,
        alphas: Any = None,
        decoding_intercept: bool = True,
        folds: int = 5,
        rescale: str = "training",
        encoding_rescale: str = "none",
        preprocessing: str = "training",
        repetitions: str = "single",
        regions: str | Sequence[str] | None = None,
        held_out: float = 0.1,
        seed: int = 0,
        **unknown: Any,
    ) -> None:
        given = dict(locals())
        settings = {name: given[name] for name in LEARecipe.model_fields} | unknown
        self._backbone = image_embedding if isinstance(image_embedding, Backbone) else None
        if self._backbone is not None:
            settings["image_embedding"] = self._backbone.name
        self._own_generator: ImageGenerator | None = None
        if isinstance(generator, ImageGenerator):
            self._own_generator = generator
            settings["generator"] = {"kind": generator.kind, **generator.config.model_dump(mode="json")}
        self._judged: Any = None
        super().__init__(**settings)

    def _fit(self, data: Sequence[Examples], **options: Any) -> Parts:
        from braincodec.models.lea.fitting import Means, fit_lea

        assert isinstance(self.recipe, LEARecipe)
        given = {"backbone": self._backbone, "generator": self._own_generator, "judged": self._judged}
        return fit_lea(self.recipe, data, Means(**options), **given)

    def encode(
        self,
        stimuli: StimulusSet | Any,
        *,
        rescale: Rescale | None = None,
        device: Device = "auto",
        dtype: Dtype = "float32",
        batch_size: int | str = "auto",
        progress: bool | None = None,
        on_bad: Literal["raise", "skip"] = "raise",
    ) -> xr.DataArray:
        """Responses to images, held in memory.

        Parameters
        ----------
        rescale : {"training", "none", "transductive"}, optional
            How predicted fMRI latents are scaled; see `decode`. Default: the setting `encoding_rescale`.

        See Also
        --------
        Encoder.encode : the other parameters.
        """
        from braincodec.models.lea.encoding import encode_transductively

        options: dict[str, Any] = {"device": device, "dtype": dtype, "batch_size": batch_size, "progress": progress}
        if rescale == "transductive":
            return encode_transductively(self, stimuli, on_bad=on_bad, **options)
        return super(LEA, self.scaling_by(rescale)).encode(stimuli, on_bad=on_bad, **options)

    def decode(
        self,
        responses: Any,
        *,
        n_samples: int = 1,
        seed: int = 0,
        rescale: Rescale | None = None,
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
        device : str
        dtype : {"float32", "bfloat16", "float16"}
            Of networks. In float32, on one machine, an image depends on its pattern, the seed, its place among the
            patterns and its sample number alone.
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
        return decode(self, responses, running, n_samples=n_samples, seed=seed, rescale=rescale, batch_size=batch_size)

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
            As of `decode`; `batch_size` images are embedded at a time.

        Returns
        -------
        xarray.Dataset
            ``id`` and ``similarity``, the cosine of embeddings, each (stimulus, rank); rank 1 is the most similar.

        Raises
        ------
        InputTypeError, InputValueError
            As `decode`, and for an empty gallery or embeddings of another width.
        """
        from braincodec.models.lea.decoding import Running, predict_embeddings
        from braincodec.models.lea.encoding import embed
        from braincodec.models.lea.gallery import Gallery, given_embeddings, nearest

        self.check_whole("retrieve")
        predicted = predict_embeddings(self, responses, rescale, Running(device, dtype, progress))
        known = given_embeddings(gallery, self.dimension)
        if known is None:
            found = embed(self, gallery, device=device, dtype=dtype, batch_size=batch_size, progress=progress)
            known = Gallery(found.embeddings, np.asarray(found.ids, str))
        return nearest(predicted, known, k)

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
