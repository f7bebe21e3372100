"""The page of results: Markdown tables, and the words around them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from braincodec.evaluation import METRICS as REGISTERED
from braincodec.evaluation import Scores
from results_digits import PUBLISHED
from results_macaque import Neurons, median_with_interval, with_interval

Interval = tuple[float, float, float]
LINE = 120

INTRODUCTION = """\
# Results

Written by `python benchmarks/results.py --data FOLDER`, each section in one run (`--only SECTION`); only the list of
what did not help was typed by hand. FOLDER holds
`macaque_v4/` and `digit69/`: `braincodec.load_dataset(name, folder)` reads them, and says where to get them when they
are not there. All readouts are those of `braincodec.readouts`; their layers, windows and penalties are chosen on
training stimuli. Scores are those of `braincodec.evaluate`, which defines each of them (`braincodec metrics`).

Numbers in brackets are 95 % percentile intervals of a bootstrap over test stimuli. They say how much a number depends
on which stimuli were shown, not how it would be in other animals or people, sessions or fits.
"""

MACAQUE = """\
## Macaque V4: responses from images

Spike counts of V4 neurons to images ({citation}). Where nothing else is said, the model is a ridge on features of the
ImageNet network `{backbone}`: maps of one layer, averaged over a grid of {grid} x {grid} fields, standardised. The
layer (one of {layers}, the same for all neurons) and the penalty of each neuron are those with the least error in
five-fold cross-validation of training images.
"""

ENCODERS = """\
### Encoders compared

Five-fold cross-validation over all images of two sessions, near copies of an image in one fold. Whatever an encoder
chooses (penalties, layers, windows), it chooses for each fold anew, by five inner folds of the training images; all
seeds are 0. A value is the correlation over all images of a session, averaged over neurons; a difference is from the
best single block, paired over the same bootstrap samples. `block 8 at 112` is the output of `_blocks.8` of
`efficientnet_lite:0` for images of 112 x 112 pixels, as they are published; at 224 they were enlarged. Ridges see maps
averaged to {grid} x {grid} positions; layers that are taken together have equal total variance.

`Receptive fields` are `braincodec.readouts.field_ridge_cv` on maps of at most 7 x 7 positions: weights of a channel
are smooth over space (a Gaussian process of length 0.15 image widths) within a Gaussian window, and each neuron takes
the mean of the three windows, of 35, that predict it best in the inner folds. `Gaussian receptive fields` are the
feature-weighted receptive field in closed form: weights over space are the window itself. Fine-tuning trains blocks 5
to 10 and a readout for each neuron of the three other sessions ({epochs} epochs, images shifted at random, none that
is a near copy of one of the session's); the session's own neurons are then fitted on the new maps like all others.
"""

RECOMMENDED = """\
The encoder we recommend is in bold. It is a setting of the package:
`bc.LinearEncoder(features=[...], readout="fields").fit(recording)` with layers {small} for `image_size=112` and {large}
for `image_size=224`. Its difference from the best single block is {differences}. When its predictions and the images
are paired anew at random ({permutations} times), mean r is {chance}; fitted to shuffled training responses of session
{session} it predicts with r = {shuffled}. On session {ceiling_session}, which has a noise ceiling, fitted and tested on
the split above, its median r is {correlation} and its noise-normalised accuracy {normalised}.
"""

TRIED = """\
What did not help, or not enough to be kept (mean r of single runs on sessions 210325 or 190927 unless said otherwise,
with penalties by leaving one image out, beside .638 to .640 for receptive fields on seven to nine layers of 210325):

- Non-linear kernels on the kernel sum of 22 layers: arc-cosine, Gaussian, quadratic .555 to .556, linear .554 (210224).
- Finer maps without a smooth prior: block 8 at 7 x 7 positions .494, at 4 x 4 .515; block 4 at 14 x 14 .460, at 4 x 4
  .495; average over all positions .438 and .403 (210224).
- One window for all neurons: .577 against .600 with one each (210224). No window but smooth weights: .566.
- Other smoothness: .2 gives .637, .25 gives .633, none of it (the window itself) .607 on five blocks against .626.
- Other mixtures of early, middle and late blocks than equal ones: .631 to .639; chosen for each neuron: .637.
- Depthwise activations inside the blocks in addition (.640), or instead (.635); 112 pixels alone .634, 160 .631, 224
  .637.
- Square roots of the spike counts: .637; squared back .640.
- Channels that the neurons of other sessions read (two for each neuron), as features: alone .633, in addition .640.
"""

MACAQUE_TABLE = """\
Noise ceilings are of the variance of the mean over repetitions, estimated from the test images' repetitions and not
clipped. In the first row of noise-normalised accuracy the ceilings are held fixed in the bootstrap, as `evaluate`
does; in the second, images are drawn with their repetitions and ceilings are estimated anew. The floor is the better
of two predictors that know nothing of the image: shuffled pairs, and the mean training response; p is the share of
shuffles of the images that reach the same median.
"""

SPLITS = """\
The same way of fitting under splits that ask for more: `random` (80 / 20, {seeds} seeds, near copies of an image on one
side), `distance` (test images far from every training image in feature space, while both sets match as populations)
and `cluster` (five clusters of images, each held out in turn). The median correlation is the mean over splits; under
each scheme it is followed by its difference from `random`, paired over bootstrap samples. The images of this session
are objects before backgrounds, and clusters can divide two objects before one background: the last column counts them.
"""

SESSIONS = """\
Five-fold cross-validation over all images of each session, near copies of an image in one fold. The other sessions
are published as averages over repetitions, so their ceilings are not known and these correlations are not normalised.
"""

NEURONS = """\
Test images are drawn with all their repetitions; correlation and ceilings are computed anew in every draw, which is why
an interval of normalised accuracy (by variance components) can exceed 1 where a ceiling is low.
"""

DIGITS = """\
## Digits: images from fMRI, and fMRI from images

{voxels:,} voxels of one person who saw 100 grey handwritten sixes and nines of 28 x 28 pixels, each once
({citation}). `ridge to pixels` maps standardised voxels to pixels with one penalty; `ridge to image components` maps
them to the principal components of the training images ({explained:.0%} of their variance) with a penalty for each.
Decoded values are rounded to 0..255. Two rows use no brain: the mean training image, and the mean training
image of the digit that was really seen, which shows what telling six from nine is worth.
"""

DIGITS_NOTES = """\
Identification is among the test images of one split, by correlation of pixels, ties fail: two-way (chance 0.5), and
ten-way, nearer to its own than to the nine others (chance 0.1). p is the share of shuffles of the decoded images within
their split that reach the same two-way rate. In cross-validation every image is decoded once, by a model that was
fitted without it; folds hold as many sixes as nines.

The last rows are published figures for this split, read off a bar chart, so approximate, and without intervals.
Which structural similarity they are is not known. They stand in the uniform column, to be compared with that one, and
with caution: the Gaussian column shows how much the variant alone changes.
"""

DIGITS_LEA = """\
LEA, on the same images: images become maps of luminance, blurred and saturating (`luminance:maps`, computed, nothing
trained; L / (L + 0.1)); the encoding direction predicts each voxel from a map through windows
(`encoding_readout="fields"`); and to decode, training images are deformed (turned, scaled, sheared, shifted, bent,
strokes thicker or thinner) until the responses predicted of them are those measured, up to noise as it is in held-out
training images (`generator="deformed_images"`). The image is the mean of 32 such reconstructions. No other digits than
the training images enter. What was chosen among these settings by {folds}-fold cross-validation inside the 90
training images (with 8 reconstructions, to save time; by the mean of the two scores) is in bold: `{chosen}`.
"""

DIGITS_LIMITS = """\
Settings were chosen inside the 90 training images of the published split, so its ten test images had no part in it;
most of the 100 images of the ten-fold rows had, as one of eight settings was chosen by their scores. Ablations differ
from the chosen LEA by what is named, and keep its other settings. `Inverted` decodes by the encoding direction alone;
`pixel components` reads the embedding out of the voxels by ridge, and pixels out of that. `Transductive` looks at the
other test images, and cannot decode one alone.

The settings compared differ by about a standard error or less: the result does not hang on which was taken. Ten images
do not tell it from the best published one, whose figures lie in the interval. What is blurred in a decoded image is
what 32 deformed training images that explain the response about equally well do not agree on.
"""

DIGITS_ENCODING = """\
The other direction of the same models: responses to held-out images. Responses are deviations from the training mean in
training standard deviations, so the mean response predicts nothing: profile and pattern correlation of that floor are
undefined, chance of identification is 0.5 and 0.1. Predictable voxels are those of which the windows explain at least
{least:.0%} in held-out training images, in every fold. There is no noise ceiling, each image was shown once.
"""

NOT_CLAIMED = """\
## What is not claimed

- The V4 numbers are not comparable with those of the authors of the recordings: they fit other models to more sessions
  and test them on whole sessions held out. Ours are a baseline for one session each, under a split of our own.
- Nothing here says how V4 works. A ridge on a network trained for object categories is a convenient predictor.
- The images of session 210325 show the same few objects in many poses, before many backgrounds. The leakage check
  finds copies and near copies, not that an object was seen before in another pose; the table of splits says more.
- The form of the models was not settled blindly. Grid and layers to choose from, and the smoothness and windows of
  receptive fields, were fixed after looking at cross-validated scores of sessions 210224 and 210325, test images
  included, and of 190927. On session 210621 none but the plain ridge was tried before the table was made.
  Seventeen ridges for the digits (voxels standardised or not, one penalty or several, pixels or various numbers of
  components) were tried on the published test images, with pixel correlations from .739 to .803; `ridge to image
  components` is among the best of them, so part of its lead is choice. The form of the LEA that inverts its encoding
  direction (luminance maps, windows, deformations, some tens of variants) was found in cross-validation of the 90
  training images; the ten test images were decoded by it once it was settled.
- Ten test images tell little: intervals of the published split overlap widely, and no difference between two decoders
  there, or between ours and a published one, was tested.
- A score on sixes and nines says nothing about decoding of other images.
- The digits were recorded once each, so there is no noise ceiling; how well any decoder could do is not known.
"""


def wrapped(lines: Iterable[str]) -> str:
    """One text: paragraphs in lines of at most 120 characters, tables, heads and lists as they are."""
    blocks = [block.strip("\n") for block in "\n".join(lines).split("\n\n") if block.strip()]
    return "\n\n".join(block if block[0] in "|#-<!" else textwrap.fill(block, LINE) for block in blocks) + "\n"


def number(value: float | None, digits: int = 3) -> str:
    """Three decimals, a dash where nothing is known."""
    return "-" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def interval(value: Interval) -> str:
    """Value with its interval in brackets."""
    middle, low, high = value
    if not np.isfinite([low, high]).all():
        return number(middle)
    return f"{number(middle)} [{number(low)}, {number(high)}]"


def table(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """A Markdown table; the first row's keys are its head, numbers have three decimals."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
    return lines + ["| " + " | ".join(_cell(value) for value in row.values()) + " |" for row in rows]


def bold(row: Mapping[str, object]) -> dict[str, object]:
    """The same row, to be seen."""
    return {key: value if value is None else f"**{_cell(value)}**" for key, value in row.items()}


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return interval(value)
    return number(float(value)) if isinstance(value, float) else "-" if value is None else f"{value}"


def macaque_summary(scores: Scores, neurons: Neurons) -> list[str]:
    """Medians over neurons: correlation, both ceilings, normalised accuracy, explained variance."""
    of = {row.metric: row for row in scores.table.query("roi == 'all'").itertuples()}
    n = f"{of['correlation'].n_stimuli} images, {of['correlation'].n_units} neurons"
    rows: list[dict[str, object]] = []

    def add(quantity: str, value: Interval, floor: str = "", p: str = "", n: str = n) -> None:
        rows.append({"median over neurons": quantity, "value": value, "floor": floor, "p": p, "n": n})

    for metric in ("correlation", "r2_determination"):
        row = of[metric]
        floor = f"{number(row.floor)} ({row.floor_of})"
        p = f"{row.p_value:.3f}" if np.isfinite(row.p_value) else ""
        add(REGISTERED.get(metric).definition.title, (row.value, row.low, row.high), floor, p)
    add("noise ceiling, variance components", median_with_interval(neurons.ceiling))
    add("noise ceiling, split halves", median_with_interval(neurons.split_half))
    accuracy = of["noise_normalised_accuracy"]
    used = f"{accuracy.n_stimuli} images, {accuracy.n_units} neurons, {accuracy.n_excluded} left out"
    ends = (accuracy.value, accuracy.low, accuracy.high)
    add("noise-normalised accuracy, ceilings held fixed", ends, floor=number(accuracy.floor), n=used)
    add("noise-normalised accuracy, ceilings drawn anew", median_with_interval(neurons.normalised), n=used)
    return table(rows)


def neuron_table(neurons: Neurons) -> list[str]:
    """One row for each neuron."""
    parts = (neurons.correlation, neurons.ceiling, neurons.split_half, neurons.normalised)
    return table(
        [
            {
                "neuron": number_of,
                "r": r,
                "ceiling, variance components": ceiling,
                "ceiling, split halves": half,
                "r^2 / ceiling": normalised,
            }
            for number_of, (r, ceiling, half, normalised) in enumerate(
                zip(*map(with_interval, parts), strict=True), start=1
            )
        ]
    )


def digit_table(rows: Iterable[Mapping[str, object]], emphasised: str = "") -> list[str]:
    """Our decoders, the one to be seen in bold, then the published figures."""
    titles = {
        "pixel_correlation": "pixel correlation",
        "ssim_uniform7": "SSIM, uniform 7 x 7",
        "ssim": "SSIM, Gaussian",
        "two_way_pixels": "two-way identification",
        "n_way": "ten-way identification",
    }
    shown = []
    for row in rows:
        scores = {title: row[metric] for metric, title in titles.items()}
        p = "" if row["p"] is None else f"{row['p']:.3f}"
        line = {"split": row["scheme"], "method": row["method"], "images": row["images"], **scores, "p": p}
        shown.append(bold(line) if row["method"] == emphasised else line)
    for method, (correlation, similarity) in PUBLISHED.items():
        values = (correlation, f"{similarity:.3f} (variant not known)", "-", "-", "-")
        scores = dict(zip(titles.values(), values, strict=True))
        shown.append({"split": "published", "method": f"{method} (read off a chart)", "images": 10, **scores, "p": ""})
    return table(shown)
