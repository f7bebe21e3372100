"""Photographs from V4 neurons: embeddings, retrieval and images, on photographs that were held out.

python benchmarks/results_macaque_decoding.py --data FOLDER                  prints the section
python benchmarks/results_macaque_decoding.py --data FOLDER --workspace WORK   embeddings are computed once
python benchmarks/results_macaque_decoding.py --data FOLDER --sheet FILE.jpg   draws photographs beside those decoded

FOLDER is that of `macaque_v4`. About two minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import braincodec as bc
import results_macaque_decoders as decoders
from braincodec.atomic import atomic_path
from braincodec.evaluation.decoding import correlation_matrix, pixel_correlation, ssim
from braincodec.evaluation.statistics import permutation_p_value
from results_digits import interval
from results_page import table

TOP = (1, 5, 10)
SHEET_SESSION, SHEET_COLUMNS, THUMBNAIL = "210224", 10, 72

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
`--sheets FOLDER` draws held-out photographs of session {session}, evenly spaced from the best to the worst rank of the
right one: seen; the one of all {gallery} photographs of its fold whose predicted response is most like the measured
one; the training photograph nearest to the decoded embedding; the image generated from it. The photographs are
{licence}, so the sheet is not shown here.
"""


def retrieval_row(
    results: Sequence[decoders.FoldResult], method: int, draws: int, permutations: int
) -> dict[str, object]:
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


def image_row(results: Sequence[decoders.FoldResult], kind: str, draws: int) -> dict[str, object]:
    """Scores of decoded images over all folds and sessions."""
    correlation = [pixel_correlation(one.images[kind], one.seen) for one in results]
    structure = [ssim(one.images[kind], one.seen) for one in results]
    two_way = []
    for one in results:
        if kind != decoders.FLOOR:  # images that are all the same tell nothing apart
            flat = (part.reshape(len(part), -1).astype(float) for part in (one.images[kind], one.seen))
            ranks = decoders.ranks_of(correlation_matrix(*flat))
            two_way.append(1 - np.diagonal(ranks) / (len(ranks) - 1))
    return {
        "image": kind,
        "photographs": sum(map(len, correlation)),
        "pixel correlation": interval(np.concatenate(correlation), draws),
        "SSIM, Gaussian": interval(np.concatenate(structure), draws),
        "two-way by pixels": interval(np.concatenate(two_way), draws) if two_way else None,
    }


def draw_sheet(session: decoders.Session, result: decoders.FoldResult, path: Path) -> None:
    """Seen, retrieved and generated images of one fold, from the best to the worst rank of the right one."""
    from matplotlib import pyplot as plt

    rank = np.diagonal(result.ranks[-1].nearness)
    order = np.argsort(rank, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, SHEET_COLUMNS).astype(int)]
    rows = {
        "seen": session.pixels[result.rows[chosen]],
        "retrieved from\nits fold": session.pixels[result.retrieved[chosen]],
        "nearest in\ntraining": session.pixels[result.nearest[chosen]],
        "generated": result.images[decoders.GENERATED][chosen],
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
    sheet: Path | None = None,
    draws: int = 1000,
    permutations: int = 1000,
    names: Sequence[str] = (),
) -> str:
    """The section's text.

    Parameters
    ----------
    folder : Path
        Of `macaque_v4`.
    workspace : Path, optional
        Keeps embeddings.
    sheet : Path, optional
        Where the image sheet goes; default: none is drawn.
    draws, permutations : int
    names : sequence of str
        Sessions; default: all.
    """
    data = bc.load_dataset("macaque_v4", folder)
    sessions = [decoders.open_session(data, name, workspace) for name in names or data.subjects()]
    results = {
        session.name: [decoders.decode_fold(sessions, number, fold) for fold in range(decoders.FOLDS)]
        for number, session in enumerate(sessions)
    }
    pooled = [one for results_of in results.values() for one in results_of]
    rows = [_row("all", pooled, method, draws, permutations) for method in range(len(decoders.METHODS))]
    rows += [
        _row(name, found, method, draws, permutations)
        for name, found in results.items()
        for method in range(len(decoders.METHODS))
    ]
    lines = [
        SECTION.format(
            backbone=decoders.BACKBONE,
            size=decoders.IMAGE_SIZE,
            dimension=sessions[0].embeddings.shape[1],
            shared=decoders.count_shared(sessions) or "none",
            images=sum(len(one.embeddings) for one in sessions),
            permutations=permutations,
        ),
        *table(rows),
        "",
        HEAD_NOTE.format(dimension=decoders.HEAD["dimension"]),
        PICTURES.format(side=decoders.SIDE),
        *table([image_row(pooled, kind, draws) for kind in decoders.IMAGES]),
        "",
    ]
    shown = next((one for one in sessions if one.name == SHEET_SESSION), sessions[0])
    if sheet is not None:
        draw_sheet(shown, results[shown.name][0], sheet)
    lines.append(SHOWN.format(session=shown.name, gallery=len(shown.folds[0][1]), licence=data.licence))
    return "\n".join(lines)


def _row(
    session: str, results: Sequence[decoders.FoldResult], method: int, draws: int, permutations: int
) -> Mapping[str, object]:
    return {
        "session": session,
        "method": decoders.METHODS[method],
        **retrieval_row(results, method, draws, permutations),
    }


def main() -> None:
    """Print the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of macaque_v4")
    parser.add_argument("--workspace", type=Path, help="keep embeddings here")
    parser.add_argument("--sheet", type=Path, help="draw photographs beside those decoded")
    options = parser.parse_args()
    if options.workspace is not None:
        options.workspace.mkdir(parents=True, exist_ok=True)
    print(decoding_section(options.data, workspace=options.workspace, sheet=options.sheet))


if __name__ == "__main__":
    main()
