"""Decoders of photographs from V4 neurons: all that is fitted to the training part of a fold, and what they decode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

import braincodec as bc
from braincodec.evaluation.decoding import correlation_matrix, cosine_similarity
from braincodec.evaluation.splits import image_features
from braincodec.image_generators.images import read_images
from braincodec.image_generators.pixel_components import PixelComponents
from braincodec.models.lea.alignment import LatentMap, fit_alignment, fit_retrieval_head, retrieve
from braincodec.models.lea.image_embedding import EmbeddingChoice
from braincodec.stimuli import StimulusSet
from braincodec.stimuli.copies import near_copy_groups
from results_macaque import mean_responses

BACKBONE, IMAGE_SIZE = "efficientnet_lite:0", 112
SIDE = 56  # of decoded images, in pixels
FOLDS = 5
HEAD = {"dimension": 64, "epochs": 15, "weight_decays": (0.0,)}
HEAD_FOLDS = 3
METHODS = (
    "ridge to the embedding",
    "the same, rescaled by out-of-fold training predictions",
    "retrieval head: both projected into one learnt space",
    "the other direction: predicted responses of the gallery",
)
FLOOR, NEAREST, GENERATED, DIRECT = IMAGES = (
    "mean training image (floor)",
    "nearest training photograph",
    "pixel components of the decoded embedding",
    "pixel components straight from the neurons",
)


@dataclass(frozen=True)
class Session:
    """One recording in memory.

    Attributes
    ----------
    name : str
    responses : array, shape (images, neurons)
    embeddings : array, shape (images, dimension)
    pixels : array of uint8, shape (images, SIDE, SIDE, 3)
    photographs : StimulusSet
    groups : array, shape (images,)
        Equal for near copies.
    folds : list of (training rows, test rows)
    """

    name: str
    responses: np.ndarray
    embeddings: np.ndarray
    pixels: np.ndarray
    photographs: StimulusSet
    groups: np.ndarray
    folds: list[tuple[np.ndarray, np.ndarray]]


def open_session(data: bc.Dataset, name: str, workspace: Path | None) -> Session:
    """Responses, embeddings and images of one session."""
    recording = data.subject(name)
    ids = recording.responses["stimulus"].values.tolist()
    row = {identity: number for number, identity in enumerate(ids)}
    folds = [
        tuple(np.array([row[identity] for identity in part]) for part in (split.train, split.test))
        for split in data.cross_validation(name, FOLDS)
    ]
    stored = None if workspace is None else workspace / f"embedding-{name}-{IMAGE_SIZE}.npy"
    if stored is not None and stored.is_file():
        embeddings = np.load(stored)
    else:
        choice = EmbeddingChoice(backbone=BACKBONE, image_size=IMAGE_SIZE)  # as bc.LEA embeds images
        features = choice.for_backbone(bc.get_backbone(BACKBONE))
        embeddings = image_features(recording.stimuli, features, progress=False)
        if stored is not None:
            np.save(stored, embeddings)
    return Session(
        name,
        mean_responses(recording.responses).values,
        embeddings,
        read_images(recording.stimuli, SIDE, progress=False),
        recording.stimuli,
        recording.responses["group"].values,
        folds,
    )


def count_shared(sessions: Sequence[Session]) -> int:
    """Photographs, near copies included, that are in more than one session."""
    everything = StimulusSet.open(np.concatenate([read_images(one.photographs, progress=False) for one in sessions]))
    groups = near_copy_groups(everything, progress=False)
    of_session = np.repeat(np.arange(len(sessions)), [len(one.embeddings) for one in sessions])
    return sum(len(set(of_session[groups == group])) > 1 for group in np.unique(groups))


@dataclass(frozen=True)
class Decoder:
    """All that is fitted to the training part of one fold.

    Attributes
    ----------
    forward, backward : LatentMap
        From standardised responses to the embedding, and back.
    pairs : list of (queries, members)
        For each of `METHODS`: functions of standardised responses, and of embeddings.
    """

    forward: LatentMap
    backward: LatentMap
    pairs: list

    @classmethod
    def fit(cls, responses: np.ndarray, embeddings: np.ndarray, groups: np.ndarray) -> Decoder:
        """Fit to standardised responses (images, neurons) and embeddings (images, dimension) of groups (images,)."""
        forward = fit_alignment(responses, embeddings, groups=groups)
        backward = fit_alignment(embeddings, responses, groups=groups)
        options = {"folds": HEAD_FOLDS, "groups": groups, "settings": HEAD, "progress": False}
        head = fit_retrieval_head(responses, embeddings, **options)
        mean = forward.target.mean
        rescaled = forward.scaling.apply

        def centred(latents: np.ndarray) -> np.ndarray:
            return latents - mean

        pairs = [
            (lambda rows: forward.predict(rows) - mean, centred),
            (lambda rows: rescaled(forward.predict(rows)) - mean, centred),
            (head.queries, head.members),
            (lambda rows: rows, backward.predict),
        ]
        return cls(forward, backward, pairs)


@dataclass(frozen=True)
class Ranks:
    """How many members of a gallery are at least as near to each query as each member: own ones on the diagonal.

    Attributes
    ----------
    nearness, correlation : array of int, shape (queries, members)
        By cosine, and by correlation.
    pooled : array of int, shape (queries,)
        Of the right one among those of all sessions.
    """

    nearness: np.ndarray
    correlation: np.ndarray
    pooled: np.ndarray


def ranks_of(similarity: np.ndarray) -> np.ndarray:
    """For every member, how many others are at least as similar to the query; ties count against it."""
    return rankdata(-similarity, method="max", axis=1).astype(int) - 1


def look_up(decoder: Decoder, test: np.ndarray, own: np.ndarray, others: np.ndarray) -> list[Ranks]:
    """Ranks for each of `METHODS`; `others` are embeddings of the fold's photographs from other sessions."""
    found = []
    for queries, members in decoder.pairs:
        asked, gallery = queries(test), members(np.concatenate([own, others]))
        pooled = ranks_of(cosine_similarity(asked, gallery))[:, : len(own)]
        gallery = gallery[: len(own)]
        nearness = ranks_of(cosine_similarity(asked, gallery))
        found.append(Ranks(nearness, ranks_of(correlation_matrix(asked, gallery)), np.diagonal(pooled)))
    return found


@dataclass(frozen=True)
class FoldResult:
    """What one fold of one session gave: ranks of `METHODS`, images of `IMAGES`, and what was seen."""

    ranks: list[Ranks]
    images: dict[str, np.ndarray]
    seen: np.ndarray
    rows: np.ndarray
    retrieved: np.ndarray
    nearest: np.ndarray


def decode_fold(sessions: Sequence[Session], number: int, fold: int) -> FoldResult:
    """Fit to the training part of a fold of session `number`, and decode its test part."""
    session = sessions[number]
    train, test = session.folds[fold]
    mean, std = session.responses[train].mean(0), session.responses[train].std(0)
    responses = (session.responses - mean) / std
    embeddings = session.embeddings
    decoder = Decoder.fit(responses[train], embeddings[train], session.groups[train])
    others = np.concatenate([one.embeddings[one.folds[fold][1]] for one in sessions if one is not session])
    decoded = decoder.forward.scaling.apply(decoder.forward.predict(responses[test]))
    centre = decoder.forward.target.mean
    nearest = train[retrieve(decoded - centre, embeddings[train] - centre).indices[:, 0]]
    queries, members = decoder.pairs[-1]
    retrieved = test[retrieve(queries(responses[test]), members(embeddings[test])).indices[:, 0]]
    training = StimulusSet.open(session.pixels[train])
    images = {
        FLOOR: np.tile(np.rint(session.pixels[train].mean(0)).astype(np.uint8), (len(test), 1, 1, 1)),
        NEAREST: session.pixels[nearest],
        GENERATED: PixelComponents().fit(training, embeddings[train], progress=False).generate(decoded, progress=False),
        DIRECT: PixelComponents()
        .fit(training, responses[train], progress=False)
        .generate(responses[test], progress=False),
    }
    images = {name: one[:, 0] if one.ndim > 4 else one for name, one in images.items()}
    ranks = look_up(decoder, responses[test], embeddings[test], others)
    return FoldResult(ranks, images, session.pixels[test], test, retrieved, nearest)
