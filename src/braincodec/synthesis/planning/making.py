"""Making a plan: which models run together, in tiles and blocks of which size.

A plan depends on the request and the models alone, never on how much memory is free or how many workers there are, so
that the same request gives the same plan, and the same values, wherever it is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from braincodec import __version__
from braincodec.errors import InputValueError
from braincodec.models.run import response_template
from braincodec.progress import progress_bar
from braincodec.store.base import select_rois
from braincodec.store.response_description import description_content, description_name
from braincodec.synthesis.plan import Output, Pass, Plan, Request
from braincodec.synthesis.planning.named_stimuli import NOT_OF_A_NAME
from braincodec.synthesis.planning.request import Choice, Target, choose_targets, where_models_are

if TYPE_CHECKING:
    import xarray as xr

    from braincodec.models.base import Encoder
    from braincodec.store.base import Store

# what the models of one pass may take together, where they only share images; a worker holds them all
WEIGHT_BYTES_OF_A_PASS = 256 * 2**20
# what the responses of one block may take; a worker holds two
BYTES_OF_A_BLOCK = 256 * 2**20
MOST_STIMULI_OF_A_BLOCK = 2048
# of one pass, so that several workers have work, and a lost one is soon done again
FEWEST_BLOCKS = 16
# activations and responses of one forward pass
BYTES_OF_A_TILE = 2**30
# a GPU gains from more images in one forward pass than a processor
TIMES_ON_GPU = 4
SINGLE = 4


@dataclass(frozen=True)
class Planned:
    """A plan, and what is needed to make its arrays.

    Parameters
    ----------
    plan : Plan
    templates : dict of str to xarray.DataArray
        Responses to no stimulus, labelled, by place of the output.
    descriptions : dict of str to bytes
        Who made the responses, by name of the file below the store.
    """

    plan: Plan
    templates: dict[str, xr.DataArray]
    descriptions: dict[str, bytes]


@dataclass(frozen=True)
class Examined:
    """An output, and what deciding about it needs of its encoder.

    Parameters
    ----------
    output : Output
    kind : str
        Outputs of equal kind want their images in the same form and have responses of the same dims.
    company : str
        Outputs of equal company are computed from the same features.
    preferred : int
        Images in one forward pass, beyond which a processor gains nothing.
    weights : dict of str to int
        Bytes of its weights; those of equal keys are held once.
    image_bytes : int
    """

    output: Output
    kind: str
    company: str
    preferred: int
    weights: dict[str, int]
    image_bytes: int


def make_plan(store: Store, request: Request, *, progress: bool | None = None) -> Planned:
    """Plan a synthesis; each model is loaded once, one at a time.

    Parameters
    ----------
    store : Store
    request : Request
    progress : bool, optional
        Show a bar; default: when stderr is a terminal.

    Returns
    -------
    Planned

    Raises
    ------
    UnknownNameError
        For a subject or region that a model lacks.
    MissingFileError, DamagedFileError
        When the weights of a model cannot be read.
    """
    choice = choose_targets(store, request)
    examined: list[Examined] = []
    templates: dict[str, xr.DataArray] = {}
    descriptions: dict[str, bytes] = {}
    with (
        progress_bar("plan: models", len(choice.targets), show=progress) as advance,
        # as workers load them: published weights are put together by products, whose last bits depend on it
        threadpool_limits(request.threads, user_api="blas"),
    ):
        for one, encoder in _examine(store, request, choice):
            examined.append(one)
            place = one.output.place
            templates[place] = response_template(encoder, np.empty((0, *encoder.response_shape), np.float32), [])
            descriptions[description_name(place)] = description_content(encoder.description)
            advance(1)
    passes = tuple(_pass(number, group, request) for number, group in enumerate(pack(examined, request)))
    plan = Plan(
        request=request,
        passes=passes,
        version=__version__,
        models_address=where_models_are(store)[0],
        left_out=choice.left_out,
    )
    return Planned(plan, templates, descriptions)


def _examine(store: Store, request: Request, choice: Choice) -> Iterator[tuple[Examined, Encoder]]:
    """Each output and its encoder, one in memory at a time."""
    for (model, subject, split), targets in groupby(choice.targets, lambda one: (one.model, one.subject, one.split)):
        if split:
            for target in targets:
                encoder = store.encoder(model, subject, target.roi)
                yield _examined(encoder, encoder.identity(), target, request), encoder
            continue
        whole = store.encoder(model, subject)
        identity, key = whole.identity(), whole.shared_key() or f"{model} {subject}"
        for target in targets:
            part = whole if target.roi is None else select_rois(whole, [target.roi])
            yield _examined(part, identity, target, request, key), part


def _examined(encoder: Encoder, identity: str, target: Target, request: Request, key: str | None = None) -> Examined:
    place = target.place(request.stimuli)
    output = Output(
        model=target.model,
        subject=target.subject,
        roi=target.roi,
        place=place,
        dims=encoder.response_dims,
        shape=encoder.response_shape,
        identity=identity,
    )
    shared = key or encoder.shared_key() or place
    in_common, own = encoder.weight_bytes()
    # images in the same form, responses of the same dims
    kind = " ".join([*encoder.response_dims, *(one.hash() for one in encoder.preprocessings)])
    return Examined(
        output=output,
        kind=kind,
        company=f"{shared} {kind}",
        preferred=encoder.preferred_batch_size,
        weights={f"in common: {shared}": in_common, place: own},
        image_bytes=encoder.bytes_per_image(),
    )


def pack(examined: Sequence[Examined], request: Request) -> list[list[Examined]]:
    """Which outputs are computed together, in the order in which they come.

    Outputs of equal company are one pass; the others of a kind follow one another into passes whose weights, and whose
    blocks of the usual size, stay within fixed budgets.

    Parameters
    ----------
    examined : sequence of Examined
    request : Request

    Returns
    -------
    list of list of Examined
    """
    companies: dict[str, list[Examined]] = {}
    for one in examined:
        companies.setdefault(one.company, []).append(one)
    usual = request.block or _most_stimuli(request.count)
    passes: list[list[Examined]] = []
    filled: dict[str, list[Examined]] = {}  # the pass that outputs without company go to, by kind
    for members in companies.values():
        if len(members) > 1:
            passes.append(members)
            continue
        kind = members[0].kind
        together = [*filled.get(kind, []), *members]
        if kind not in filled or not _fits(together, usual):
            filled[kind] = []
            passes.append(filled[kind])
        filled[kind] += members
    return passes


def _fits(members: Sequence[Examined], block: int) -> bool:
    block_bytes = SINGLE * block * _values(members)
    return weight_bytes(members) <= WEIGHT_BYTES_OF_A_PASS and block_bytes <= BYTES_OF_A_BLOCK


def weight_bytes(members: Iterable[Examined]) -> int:
    """Memory of the weights of several outputs; what they have in common counts once."""
    return sum({key: size for one in members for key, size in one.weights.items()}.values())


def _values(members: Iterable[Examined]) -> int:
    return sum(one.output.values for one in members)


def _pass(number: int, members: Sequence[Examined], request: Request) -> Pass:
    image_bytes = max(one.image_bytes for one in members) + SINGLE * _values(members)
    preferred = min(one.preferred for one in members)
    tile, block = sizes(request, preferred=preferred, image_bytes=image_bytes, values=_values(members))
    in_company = members[0].company == members[-1].company
    return Pass(
        name=f"{number:03d}-{NOT_OF_A_NAME.sub('-', members[0].output.model)}",
        outputs=tuple(one.output for one in members),
        shared="nothing" if len(members) == 1 else "features" if in_company else "images",
        tile=tile,
        block=block,
        weight_bytes=weight_bytes(members),
        image_bytes=image_bytes,
    )


def sizes(request: Request, *, preferred: int, image_bytes: int, values: int) -> tuple[int, int]:
    """Tile and block of a pass.

    Parameters
    ----------
    request : Request
        Its own sizes count, where it has them.
    preferred : int
        Images in one forward pass, beyond which a processor gains nothing.
    image_bytes : int
        Of one image on its way through the models.
    values : int
        Numbers in the responses to one image.

    Returns
    -------
    tile, block : int
        Powers of two, unless the request has others; a block is made of whole tiles.

    Raises
    ------
    InputValueError
        When the request's block cannot be made of tiles.

    Examples
    --------
    >>> request = Request(models=("m",), stimuli="s", count=73_000, fingerprint="")
    >>> sizes(request, preferred=48, image_bytes=2**24, values=1350)
    (32, 2048)
    >>> sizes(request, preferred=48, image_bytes=2**24, values=2_000_000)
    (32, 32)
    """
    tile, block = request.tile, request.block
    if tile is None:
        wanted = preferred * (TIMES_ON_GPU if request.device == "cuda" else 1)
        tile = _power_of_two(min(wanted, BYTES_OF_A_TILE // max(1, image_bytes)))
        if block is not None:
            tile = math.gcd(tile, block)
    if block is None:
        most = min(_most_stimuli(request.count), BYTES_OF_A_BLOCK // (SINGLE * max(1, values)))
        block = tile * _power_of_two(most // tile)
    if block % tile:
        raise InputValueError(f"a block of {block:,} stimuli is not made of whole tiles of {tile:,}")
    return tile, block


def _most_stimuli(count: int) -> int:
    return min(MOST_STIMULI_OF_A_BLOCK, _power_of_two(count // FEWEST_BLOCKS))


def _power_of_two(most: int) -> int:
    """The largest power of two up to `most`, at least 1."""
    return 1 << max(0, max(1, most).bit_length() - 1)
