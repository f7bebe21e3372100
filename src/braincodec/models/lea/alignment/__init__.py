"""Alignment of two latent spaces, such as those of fMRI and of image embeddings: from each to the other."""

from braincodec.models.lea.alignment.fields import FieldSettings, fit_field_alignment
from braincodec.models.lea.alignment.joint import JointAlignment, JointSettings, fit_joint_alignment
from braincodec.models.lea.alignment.latent_map import LatentMap
from braincodec.models.lea.alignment.retrieval import RetrievalHead, Retrieved, retrieve
from braincodec.models.lea.alignment.retrieval_training import RetrievalSettings, fit_retrieval_head
from braincodec.models.lea.alignment.ridge import fit_alignment, out_of_fold_predictions
from braincodec.models.lea.alignment.scaling import RESCALE_RULES, LatentScaling, LatentStatistics, RescaleRule

__all__ = [
    "RESCALE_RULES",
    "FieldSettings",
    "JointAlignment",
    "JointSettings",
    "LatentMap",
    "LatentScaling",
    "LatentStatistics",
    "RescaleRule",
    "RetrievalHead",
    "RetrievalSettings",
    "Retrieved",
    "fit_alignment",
    "fit_field_alignment",
    "fit_joint_alignment",
    "fit_retrieval_head",
    "out_of_fold_predictions",
    "retrieve",
]
