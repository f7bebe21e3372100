"""What a metric is: a definition, and a pair of pure functions under an accumulator that merges exactly."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, ClassVar, Self

from braincodec.errors import InputTypeError, InputValueError
from braincodec.registry import Registry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.evaluation.definition import Definition

ENCODING, DECODING = "braincodec.evaluation.encoding", "braincodec.evaluation.decoding"

METRICS = Registry(
    "metric",
    entry_point_group="braincodec.metrics",
    built_in={
        "correlation": f"{ENCODING}.correlation:UnitCorrelation",
        "r2_determination": f"{ENCODING}.r2:R2Determination",
        "r2_correlation": f"{ENCODING}.r2:R2Correlation",
        "noise_normalised_accuracy": f"{ENCODING}.noise_normalised:NoiseNormalisedAccuracy",
        "pattern_correlation": f"{ENCODING}.pattern_correlation:PatternCorrelation",
        "pattern_two_way": f"{ENCODING}.identification:PatternTwoWay",
        "pattern_top_k": f"{ENCODING}.identification:PatternTopK",
        "rsa": f"{ENCODING}.rsa:Rsa",
        "variance_partition": f"{ENCODING}.variance_partition:VariancePartition",
        "pixel_correlation": f"{DECODING}.pixels:PixelCorrelation",
        "mse": f"{DECODING}.pixels:MeanSquaredError",
        "psnr": f"{DECODING}.pixels:PeakSignalToNoise",
        "snr": f"{DECODING}.pixels:SignalToNoise",
        "ssim": f"{DECODING}.ssim:StructuralSimilarity",
        "ssim_uniform7": f"{DECODING}.ssim:StructuralSimilarityUniform",
        "two_way_pixels": f"{DECODING}.two_way_images:TwoWayPixels",
        "two_way_mse": f"{DECODING}.two_way_images:TwoWayMeanSquaredError",
        "two_way_snr": f"{DECODING}.two_way_images:TwoWaySignalToNoise",
        "two_way_ssim": f"{DECODING}.two_way_images:TwoWayStructuralSimilarity",
        "two_way_alexnet_2": f"{DECODING}.feature_metrics:TwoWayAlexNet2",
        "two_way_alexnet_5": f"{DECODING}.feature_metrics:TwoWayAlexNet5",
        "two_way_inception": f"{DECODING}.feature_metrics:TwoWayInception",
        "two_way_clip": f"{DECODING}.feature_metrics:TwoWayCLIP",
        "two_way_efficientnet_lite": f"{DECODING}.feature_metrics:TwoWayEfficientNetLite",
        "distance_efficientnet_b1": f"{DECODING}.feature_metrics:DistanceEfficientNetB1",
        "distance_swav": f"{DECODING}.feature_metrics:DistanceSwAV",
        "lpips": f"{DECODING}.lpips:LearnedPerceptualDistance",
        "two_way_lpips": f"{DECODING}.lpips:TwoWayLPIPS",
        "n_way_top_k": f"{DECODING}.network_choices:NWayTopK",
        "n_way_top_k_efficientnet_lite": f"{DECODING}.network_choices:NWayTopKEfficientNetLite",
        "retrieval_top_k": f"{DECODING}.network_choices:RetrievalTopK",
        "retrieval_top_k_reverse": f"{DECODING}.network_choices:ReverseRetrievalTopK",
        "retrieval_top_k_efficientnet_lite": f"{DECODING}.network_choices:RetrievalTopKEfficientNetLite",
        "retrieval_top_k_reverse_efficientnet_lite": f"{DECODING}.network_choices:ReverseRetrievalTopKEfficientNetLite",
        "two_way_embedding": f"{DECODING}.embeddings:TwoWayEmbedding",
        "retrieval_top_1_embedding": f"{DECODING}.embeddings:RetrievalTop1Embedding",
        "retrieval_top_5_embedding": f"{DECODING}.embeddings:RetrievalTop5Embedding",
        "fid": f"{DECODING}.frechet:FrechetDistance",
    },
)
register_metric = METRICS.register


class Metric(abc.ABC):
    """Scores predictions batch by batch.

    Batches may come in any number and from several workers: `update` adds one, `merge` adds what another worker saw,
    and `compute` gives the value that one call with everything would have given.

    Attributes
    ----------
    definition : Definition
        What the number means; ``definition.of`` says which values `compute` gives: one for each unit, in the order of
        units, one for each stimulus, in the order in which they were added, or one alone.
    settings : tuple of str
        Attributes that two metrics must share to be merged.
    """

    definition: ClassVar[Definition]
    settings: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def update(self, prediction: Any, truth: Any) -> Self:
        """Add stimuli.

        Parameters
        ----------
        prediction, truth : array
            Encoding: responses (stimuli, units). Decoding: images (stimuli, height, width, 3), uint8, or features.

        Raises
        ------
        InputValueError
            When the shapes differ, or differ from those of earlier batches.
        """

    @abc.abstractmethod
    def merge(self, other: Self) -> Self:
        """Add everything that `other` saw, as if it had been given here after what was given here.

        Raises
        ------
        InputTypeError, InputValueError
            When `other` is a metric of another kind, has other settings, or saw other units.
        """

    def refuse_other_kind(self, other: Metric) -> None:
        """Raise when `other` is not of this kind or has other settings: what `merge` does first."""
        if type(other) is not type(self):
            raise InputTypeError(f"a {type(self).__name__} cannot take over what a {type(other).__name__} saw")
        for name in self.settings:
            own, others = getattr(self, name), getattr(other, name)
            if own != others:
                raise InputValueError(f"scores of {self.definition.name} with {name} {own!r} and {others!r} do not mix")

    @abc.abstractmethod
    def compute(self) -> NDArray[Any]:
        """The values, as `definition.of` says."""
