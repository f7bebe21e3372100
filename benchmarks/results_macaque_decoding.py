"""Photographs from V4 neurons: embeddings, retrieval and images, on photographs that were held out.

python benchmarks/results_macaque_decoding.py --data FOLDER                  prints the section; draws its sheet
python benchmarks/results_macaque_decoding.py --data FOLDER --workspace WORK   embeddings are computed once

FOLDER is that of `macaque_v4`. About two minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

import braincodec as bc
from braincodec.atomic import atomic_path
from braincodec.evaluation.decoding import correlation_matrix, cosine_similarity, pixel_correlation, ssim
from braincodec.evaluation.splits import image_features
from braincodec.evaluation.statistics import permutation_p_value
from braincodec.image_generators.images import read_images
from braincodec.image_generators.pixel_components import PixelComponents
from braincodec.models.lea.alignment import LatentMap, fit_alignment, fit_retrieval_head, retrieve
from braincodec.models.lea.image_embedding import EmbeddingChoice
from braincodec.stimuli import StimulusSet
from braincodec.stimuli.copies import near_copy_groups
from results_digits import interval
from results_macaque import mean_responses
from results_page import table

BACKBONE, IMAGE_SIZE = "efficientnet_lite:0", 112
SIDE = 56  # of decoded images, in pixels
TOP = (1, 5, 10)
FOLDS = 5
HEAD = {"dimension": 64, "epochs": 15, "weight_decays": (0.0,)}
HEAD_FOLDS = 3
SHEET = Path(__file__).parents[1] / "docs" / "images" / "macaque_decoding.jpg"
SHEET_SESSION, SHEET_COLUMNS, THUMBNAIL = "210224", 10, 72
PLAIN = "ridge to the embedding"
METHODS = (
    PLAIN,
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

SECTION = """\
## Macaque V4: photographs from responses

The other way round: which photograph did the animal see? Five-fold cross-validation over all images of each session,
near copies in one fold; strengths, spreads and epochs are chosen inside the training images of each fold. Counts are
the mean over repetitions, standardised by training images. Decoded is the embedding of the photograph, the pooled last
layer of `{backbone}` for images of {size} x {size} pixels ({dimension} dimensions).

What could be pooled was looked for: {shared} of the {images} photographs is shown in more than one session, as the same
file or as a near copy, so no two populations can be laid side by side. Sessions share the embedding: rows of all
sessions are the held-out photographs of every session together, and in the last column each is looked up among those of
its fold from all sessions.

A held-out photograph is looked up among those of its fold and session, by the cosine of deviations from the training
mean. The floors of top 1 / 5 / 10 are means over {permutations} shuffles of which photograph belongs to which response,
within fold and session; p is the share of shuffles that reach the same top 1. Two-way identification is by the
correlation of decoded and true embedding, 0.5 by chance. How well any decoder could do is not known: three of the four
sessions are published without repetitions.
"""

HEAD_NOTE = """\
The retrieval head learns {dimension} dimensions by a contrastive loss from training pairs, from the ridge solution on.
`The other direction` predicts the responses to every photograph of the gallery from its embedding, by ridge, and takes
the one most like the response that was measured; of methods here it alone decodes no embedding.
"""

PICTURES = """\
### Images

{side} x {side} pixels. `Pixel components` are principal components of training images, predicted by ridge from the
embedding (and applied to the decoded one, rescaled) or straight from the neurons.
"""

SHOWN = """\
![Photographs seen, retrieved and generated](images/{name})

Held-out photographs of session {session}, evenly spaced from the best to the worst rank of the right one (written
below each): seen; the one of all {gallery} photographs of its fold whose predicted response is most like the measured
one; the training photograph nearest to the decoded embedding; the image generated from it. Photographs: {citation}
({licence}).
"""


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


def retrieval_row(results: Sequence[FoldResult], method: int, draws: int, permutations: int) -> dict[str, object]:
    """Top k and two-way identification over the held-out photographs of some folds, with intervals and floors."""
    ranks = [one.ranks[method] for one in results]
    own = np.concatenate([np.diagonal(one.nearness) for one in ranks])
    sizes = np.repeat([len(one.nearness) for one in ranks], [len(one.nearness) for one in ranks])
    shuffled = _shuffled_ranks([one.nearness for one in ranks], permutations)
    row: dict[str, object] = {"photographs": len(own), "gallery": f"{sizes.min()} to {sizes.max()}"}
    if sizes.min() == sizes.max():
        row["gallery"] = str(sizes[0])
    row |= {f"top {k}": interval((own < k).astype(float), draws) for k in TOP}
    row["shuffled pairs"] = " / ".join(f"{(shuffled < k).mean():.3f}" for k in TOP)
    row["p"] = f"{float(permutation_p_value((own < 1).mean(), (shuffled < 1).mean(1))):.3f}"
    right = [1 - np.diagonal(one.correlation) / (len(one.correlation) - 1) for one in ranks]
    row["two-way"] = interval(np.concatenate(right), draws)
    row["top 1 of all sessions"] = interval(np.concatenate([one.pooled < 1 for one in ranks]).astype(float), draws)
    return row


def _shuffled_ranks(ranks: Sequence[np.ndarray], permutations: int, seed: int = 0) -> np.ndarray:
    """Ranks of photographs that belong to other responses, shape (permutations, photographs)."""
    random = np.random.default_rng(seed)
    return np.stack(
        [
            np.concatenate([one[random.permutation(len(one)), np.arange(len(one))] for one in ranks])
            for _ in range(permutations)
        ]
    )


def image_row(results: Sequence[FoldResult], kind: str, draws: int) -> dict[str, object]:
    """Scores of decoded images over all folds and sessions."""
    correlation = [pixel_correlation(one.images[kind], one.seen) for one in results]
    structure = [ssim(one.images[kind], one.seen) for one in results]
    two_way = []
    for one in results:
        if kind != FLOOR:  # images that are all the same tell nothing apart
            flat = (part.reshape(len(part), -1).astype(float) for part in (one.images[kind], one.seen))
            ranks = ranks_of(correlation_matrix(*flat))
            two_way.append(1 - np.diagonal(ranks) / (len(ranks) - 1))
    return {
        "image": kind,
        "photographs": sum(map(len, correlation)),
        "pixel correlation": interval(np.concatenate(correlation), draws),
        "SSIM, Gaussian": interval(np.concatenate(structure), draws),
        "two-way by pixels": interval(np.concatenate(two_way), draws) if two_way else None,
    }


def draw_sheet(session: Session, result: FoldResult, path: Path) -> None:
    """Seen, retrieved and generated images of one fold, from the best to the worst rank of the right one."""
    from matplotlib import pyplot as plt

    rank = np.diagonal(result.ranks[-1].nearness)
    order = np.argsort(rank, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, SHEET_COLUMNS).astype(int)]
    rows = {
        "seen": session.pixels[result.rows[chosen]],
        "retrieved from\nits fold": session.pixels[result.retrieved[chosen]],
        "nearest in\ntraining": session.pixels[result.nearest[chosen]],
        "generated": result.images[GENERATED][chosen],
    }
    size = (SHEET_COLUMNS * 0.75 + 1.1, len(rows) * 0.75 + 0.3)
    figure, axes = plt.subplots(len(rows), SHEET_COLUMNS, figsize=size, layout="compressed")
    for (title, images), line in zip(rows.items(), axes, strict=True):
        line[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=7)
        for image, place in zip(images, line, strict=True):
            place.imshow(image)
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
    for number, place in zip(rank[chosen], axes[-1], strict=True):
        place.set_xlabel(f"rank {number + 1}", fontsize=7)
    with atomic_path(path, overwrite=True) as target:
        figure.savefig(target, format="jpg", dpi=THUMBNAIL / 0.75, pil_kwargs={"quality": 80})
    plt.close(figure)


def decoding_section(
    folder: Path,
    *,
    workspace: Path | None = None,
    sheet: Path | None = SHEET,
    draws: int = 1000,
    permutations: int = 1000,
    names: Sequence[str] = (),
) -> str:
    """The section's text; its sheet is drawn beside it.

    Parameters
    ----------
    folder : Path
        Of `macaque_v4`.
    workspace : Path, optional
        Keeps embeddings.
    sheet : Path, optional
        Where the image sheet goes; None draws none.
    draws, permutations : int
    names : sequence of str
        Sessions; default: all.
    """
    data = bc.load_dataset("macaque_v4", folder)
    sessions = [open_session(data, name, workspace) for name in names or data.subjects()]
    results = {
        session.name: [decode_fold(sessions, number, fold) for fold in range(FOLDS)]
        for number, session in enumerate(sessions)
    }
    pooled = [one for results_of in results.values() for one in results_of]
    rows = [_row("all", pooled, method, draws, permutations) for method in range(len(METHODS))]
    rows += [
        _row(name, found, method, draws, permutations)
        for name, found in results.items()
        for method in range(len(METHODS))
    ]
    lines = [
        SECTION.format(
            backbone=BACKBONE,
            size=IMAGE_SIZE,
            dimension=sessions[0].embeddings.shape[1],
            shared=count_shared(sessions) or "none",
            images=sum(len(one.embeddings) for one in sessions),
            permutations=permutations,
        ),
        *table(rows),
        "",
        HEAD_NOTE.format(dimension=HEAD["dimension"]),
        PICTURES.format(side=SIDE),
        *table([image_row(pooled, kind, draws) for kind in IMAGES]),
        "",
    ]
    shown = next((one for one in sessions if one.name == SHEET_SESSION), sessions[0])
    if sheet is not None:
        draw_sheet(shown, results[shown.name][0], sheet)
        facts = {"gallery": len(shown.folds[0][1]), "citation": data.citation, "licence": data.licence}
        lines.append(SHOWN.format(name=sheet.name, session=shown.name, **facts))
    return "\n".join(lines)


def _row(
    session: str, results: Sequence[FoldResult], method: int, draws: int, permutations: int
) -> Mapping[str, object]:
    return {
        "session": session,
        "method": METHODS[method],
        **retrieval_row(results, method, draws, permutations),
    }


def main() -> None:
    """Print the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of macaque_v4")
    parser.add_argument("--workspace", type=Path, help="keep embeddings here")
    parser.add_argument("--sheet", type=Path, default=SHEET)
    options = parser.parse_args()
    if options.workspace is not None:
        options.workspace.mkdir(parents=True, exist_ok=True)
    print(decoding_section(options.data, workspace=options.workspace, sheet=options.sheet))


if __name__ == "__main__":
    main()
