"""Scores of decoded images and decoded features."""

from braincodec.evaluation.decoding.images import ImagePairs, check_images, match_size
from braincodec.evaluation.decoding.n_way import n_way_top_k, n_way_top_k_simulated, true_class
from braincodec.evaluation.decoding.pairwise import pairwise_mse, pairwise_snr, pairwise_ssim
from braincodec.evaluation.decoding.pixels import mse, pixel_correlation, psnr, snr
from braincodec.evaluation.decoding.retrieval import retrieval_top_k
from braincodec.evaluation.decoding.similarity import correlation_distance, correlation_matrix, cosine_similarity
from braincodec.evaluation.decoding.ssim import ssim
from braincodec.evaluation.decoding.two_way import two_way_by_similarity, two_way_identification

__all__ = [
    "ImagePairs",
    "check_images",
    "correlation_distance",
    "correlation_matrix",
    "cosine_similarity",
    "match_size",
    "mse",
    "n_way_top_k",
    "n_way_top_k_simulated",
    "pairwise_mse",
    "pairwise_snr",
    "pairwise_ssim",
    "pixel_correlation",
    "psnr",
    "retrieval_top_k",
    "snr",
    "ssim",
    "true_class",
    "two_way_by_similarity",
    "two_way_identification",
]
