"""Retrieval: which members of a gallery a latent is nearest to, in a space that may be learnt for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputTypeError, InputValueError
from braincodec.models.lea.alignment.contrastive import START_TEMPERATURE
from braincodec.models.lea.alignment.latent_map import LatentMap
from braincodec.models.lea.tiles import in_tiles
from braincodec.models.tensors import check_tensor_shapes
from braincodec.readouts.targets import as_features

ROWS_AT_ONCE = 32
TINY = 1e-30  # a row without length is equally far from all
Floats = NDArray[np.float32]


class Retrieved(NamedTuple):
    """The nearest of a gallery, best first.

    Parameters
    ----------
    indices : array of int64, shape (queries, k)
        Rows of the gallery; of equally near ones the earlier comes first.
    similarities : array of float32, shape (queries, k)
        Cosines.
    """

    indices: NDArray[np.int64]
    similarities: Floats


def retrieve(queries: ArrayLike, gallery: ArrayLike, k: int = 1) -> Retrieved:
    """The `k` members of a gallery that are nearest to each query by cosine similarity.

    Parameters
    ----------
    queries : array_like, shape (queries, dimension)
    gallery : array_like, shape (members, dimension)
        One member is enough, and is then what every query finds.
    k : int
        From 1 to the number of members.

    Returns
    -------
    Retrieved
        What is found for a query does not depend on the other queries.

    Raises
    ------
    InputTypeError, InputValueError
        When dimensions differ, values are not finite, or `k` is impossible.

    Examples
    --------
    >>> found = retrieve([[1.0, 0.1]], [[0.0, 1.0], [2.0, 0.0], [1.0, 1.0]], k=2)
    >>> found.indices.tolist(), found.similarities.round(2).tolist()
    ([[1, 2]], [[1.0, 0.7699999809265137]])
    """
    rows, members = as_features("queries", queries), as_features("gallery latents", gallery)
    if rows.shape[1] != members.shape[1]:
        raise InputValueError(f"queries have {rows.shape[1]} dimensions and the gallery {members.shape[1]}")
    if isinstance(k, bool) or not isinstance(k, int | np.integer):
        raise InputTypeError(f"k must be a whole number, got {k!r}")
    if not 1 <= k <= len(members):
        raise InputValueError(f"k must be from 1 to the size of the gallery, {len(members)}; got {k}")
    known = _directions(torch.from_numpy(members))

    def look_up(tile: torch.Tensor) -> torch.Tensor:  # (tile, dimension) to (tile, k, 2)
        similarity = _directions(tile) @ known.T  # (tile, members)
        order = similarity.argsort(dim=1, descending=True, stable=True)[:, :k]
        return torch.stack([order.double(), similarity.gather(1, order)], 2)

    found = in_tiles(look_up, torch.from_numpy(rows), tile=ROWS_AT_ONCE).numpy()
    return Retrieved(found[..., 0].astype(np.int64), found[..., 1].astype(np.float32))


def _directions(rows: torch.Tensor) -> torch.Tensor:
    precise = rows.double()
    return precise / precise.norm(dim=1, keepdim=True).clamp(min=TINY)


@dataclass(frozen=True, eq=False, repr=False)
class RetrievalHead:
    """Both latents in one space, where what belongs together is near.

    Parameters
    ----------
    alignment : LatentMap
        From source to target. A head that was not trained compares what it predicts with the targets themselves, both
        without the mean of the training targets.
    query, gallery : (weights, offset), optional
        Learnt projections: weights (source, dimension) or (target, dimension), offset (dimension,), float32.
    temperature : float
        Similarities divided by it are the logits that were trained.
    report : dict
        As in `JointAlignment`; empty for one that was not trained.

    Examples
    --------
    >>> from braincodec.models.lea.alignment.ridge import fit_alignment
    >>> random = np.random.default_rng(0)
    >>> fmri = random.normal(size=(60, 5))
    >>> embeddings = fmri @ random.normal(size=(5, 4))
    >>> head = RetrievalHead(fit_alignment(fmri, embeddings))
    >>> head.trained, head.retrieve(fmri[:3], embeddings, k=1).indices.ravel().tolist()
    (False, [0, 1, 2])
    """

    alignment: LatentMap
    query: tuple[Floats, Floats] | None = None
    gallery: tuple[Floats, Floats] | None = None
    temperature: float = START_TEMPERATURE
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def trained(self) -> bool:
        """Whether it has learnt a space of its own."""
        return self.query is not None and self.gallery is not None

    def queries(self, source: ArrayLike) -> Floats:
        """Sources (rows, source) in the common space, shape (rows, dimension), float32."""
        if self.query is None:
            return self.alignment.predict(source) - self.alignment.target.mean
        return _projected(source, self.alignment.source_mean, *self.query)

    def members(self, target: ArrayLike) -> Floats:
        """Targets (rows, target) in the common space, shape (rows, dimension), float32."""
        if self.gallery is None:
            return _checked(target, len(self.alignment.target.mean)).astype(np.float32) - self.alignment.target.mean
        return _projected(target, self.alignment.target.mean, *self.gallery)

    def retrieve(self, source: ArrayLike, target: ArrayLike, k: int = 1) -> Retrieved:
        """For each source, the `k` nearest of the targets; see the function `retrieve`.

        Parameters
        ----------
        source : array_like, shape (rows, source)
        target : array_like, shape (members, target)
            The gallery.
        k : int
        """
        return retrieve(self.queries(source), self.members(target), k)

    def tensors(self) -> dict[str, torch.Tensor]:
        """All of it by name, but `report`, which is for JSON."""
        found = {f"alignment.{name}": tensor for name, tensor in self.alignment.tensors().items()}
        for name in ("query", "gallery"):
            if (projection := getattr(self, name)) is not None:
                for part, value in zip(("weights", "offset"), projection, strict=True):
                    found[f"{name}.{part}"] = torch.from_numpy(np.array(value, np.float32))
        return found | {"temperature": torch.tensor(self.temperature)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor], report: dict[str, Any] | None = None) -> Self:
        """The head that `tensors` of an earlier one make up.

        Raises
        ------
        InputValueError
            When one is missing, or they do not fit together.
        """
        prefix = "alignment."
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        alignment = LatentMap.from_tensors(own)
        check_tensor_shapes(tensors, {"temperature": ()})
        temperature = float(tensors["temperature"])
        if not any(name.startswith(("query.", "gallery.")) for name in tensors):
            return cls(alignment, temperature=temperature, report=report or {})
        source, target = alignment.weights.shape
        size = len(tensors.get("query.offset", ()))
        shapes: dict[str, tuple[int | None, ...]] = {
            "query.weights": (source, size), "query.offset": (size,),
            "gallery.weights": (target, size), "gallery.offset": (size,),
        }  # fmt: skip
        check_tensor_shapes(tensors, shapes)
        parts = [tensors[name].detach().cpu().float().numpy() for name in shapes]
        return cls(alignment, (parts[0], parts[1]), (parts[2], parts[3]), temperature, report or {})

    def summary(self) -> str:
        """One sentence: what was learnt, and what it is worth beside the cosine of aligned latents."""
        if not self.trained:
            return "cosine of aligned latents" + (": no epoch was better in validation" if self.report else "")
        return (
            f"learnt space of {self.query[0].shape[1] if self.query else 0} dimensions; validation loss "
            f"{self.report.get('best', np.nan):.4f}, that of the cosine of aligned latents "
            f"{self.report.get('start', np.nan):.4f}"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.summary()}>"


def _projected(latents: ArrayLike, mean: Floats, weights: Floats, offset: Floats) -> Floats:
    array = _checked(latents, len(weights))
    matrix, moved = (torch.from_numpy(part.astype(np.float64)) for part in (weights, offset))
    centred = torch.from_numpy(array - mean.astype(np.float64))
    return in_tiles(lambda rows: rows @ matrix + moved, centred, tile=ROWS_AT_ONCE).float().numpy()


def _checked(latents: ArrayLike, dimension: int) -> NDArray[Any]:
    array = as_features("latents", latents)
    if array.shape[1] != dimension:
        raise InputValueError(f"latents have {array.shape[1]} dimensions; the retrieval head takes {dimension}")
    return array
