"""LEA: images of what was seen, and responses to what is seen, through two aligned latent spaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from braincodec.features.backbone import Backbone
from braincodec.image_generators.base import ImageGenerator
from braincodec.models.base import register_model
from braincodec.models.lea.decoder import AlignedDecoder
from braincodec.models.lea.image_embedding import PUBLISHED_EMBEDDING
from braincodec.models.lea.recipe import LEARecipe

if TYPE_CHECKING:
    from braincodec.datasets.base import Dataset, Recording
    from braincodec.device import Device
    from braincodec.models.trainable import Parts
    from braincodec.models.training_data import Examples


@register_model("lea")
class LEA(AlignedDecoder):
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
        images where it is not trained. ``"deformed_images"`` inverts the encoding direction: it deforms training images
        until the patterns predicted of them are those measured.
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
    autoencoder : dict or FMRIAutoencoderSettings, optional
        Sizes and training of the autoencoder, such as ``{"size": "published", "epochs": 200}``.
    pretrained : str or Path, optional
        What the autoencoder starts from: the folder that `pretrain_fmri_autoencoder` wrote, or a published checkpoint.
    finetune : bool
        False: the autoencoder of a published checkpoint, of this very subject, is used as it is.
    alignment : {"ridge", "joint"}
        ``ridge``: each map by itself. ``joint``: both together by gradients from the ridge solution on, with
        contrastive and cycle terms; ridge remains where validation finds nothing better.
    joint : dict or JointSettings, optional
        Settings of joint alignment.
    encoding_readout : {"ridge", "fields"}
        How fMRI latents are read from embeddings. ``fields``: each through its own window over the image, with weights
        that are smooth over space; for voxels of early visual cortex and embeddings that are maps
        (``embedding_pooling="flatten"``).
    fields : dict or FieldSettings, optional
        Settings of that.
    inversion : dict or InversionSettings, optional
        Of the noise, where the generator inverts the encoding direction.
    retrieval : {"alignment", "head"}
        What `retrieve` compares: predicted and true embeddings, or both latents in a space learnt for it.
    head : dict or RetrievalSettings, optional
        Settings of that space.
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
    preprocessing : {"training", "global", "published"}
        ``"training"``: each voxel is standardised by its mean and deviation over training trials. ``"global"``: all
        patterns by one mean and deviation of all training values, as published autoencoders want them.
        ``"published"``: as LEA's public code did for god and bold5000; see `published_standardisation`.
    repetitions : {"single", "average"}
        Whether each training trial is an example, or the mean over the trials of a stimulus. What is decoded is
        averaged in either case. Single trials have more noise: then predictions of averages vary less than those out
        of fold, which ``rescale="training"`` does not see, and a generator that inverts the encoding direction takes
        their noise for larger than it is.
    regions : str or sequence of str, optional
        Regions whose voxels are used; a voxel in several belongs to the first. Default: all voxels. Those that
        are NaN in every training trial are left out with a warning, and predicted as NaN.
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
        autoencoder: Any = None,
        pretrained: str | Path | None = None,
        finetune: bool = True,
        alignment: str = "ridge",
        joint: Any = None,
        encoding_readout: str = "ridge",
        fields: Any = None,
        inversion: Any = None,
        retrieval: str = "alignment",
        head: Any = None,
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
        settings["pretrained"] = None if pretrained is None else str(pretrained)
        self._judged: Any = None
        super().__init__(**settings)

    def fit(
        self,
        data: Recording | Dataset | Sequence[Recording],
        *,
        judged_patterns: Any = None,
        workspace: str | Path | None = None,
        device: Device = "auto",
        batch_size: int | str = "auto",
        progress: bool | None = None,
    ) -> Self:
        """Train on the training stimuli of one subject.

        Parameters
        ----------
        judged_patterns : array_like or DataArray, optional
            The test responses, for ``preprocessing="published"`` of bold5000 alone: they then enter the scale of all
            patterns, as in the published code.

        See Also
        --------
        braincodec.models.trainable.Trainable.fit : the other parameters, and what is kept in the workspace.
        """
        self._judged = judged_patterns
        try:
            return super().fit(data, workspace=workspace, device=device, batch_size=batch_size, progress=progress)
        finally:
            self._judged = None

    def _fit(self, data: Sequence[Examples], **options: Any) -> Parts:
        from braincodec.models.lea.fitting import Means, fit_lea

        assert isinstance(self.recipe, LEARecipe)
        given = {"backbone": self._backbone, "generator": self._own_generator, "judged": self._judged}
        return fit_lea(self.recipe, data, Means(**options), **given)
