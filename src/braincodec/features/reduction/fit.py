"""Standardisation and PCA of features that do not fit into memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.atomic import atomic_path, refuse_existing
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.features.cache import FeatureCache
from braincodec.features.reduction.krylov import NOISE, block_width
from braincodec.features.reduction.passes import SIGN_COLUMNS, Passes, Sink, signs
from braincodec.features.reduction.reduction import BIAS, METADATA, PREFIX, VARIANCE, Reduction
from braincodec.features.reduction.standardise import Standardisation
from braincodec.features.reduction.table import FeatureTable, device_with_doubles
from braincodec.features.reduction.tensor_file import TensorFile

if TYPE_CHECKING:
    import torch

METHODS = ("auto", "covariance", "gram", "krylov")
# products of all features with one another, or of all stimuli, that are quick to decompose whatever else
FEW = 2048
# their matrix in float64 takes 0.5 GB
MOST_IN_A_MATRIX = 8192
MOST_FEATURES_IN_A_MATRIX = 4096
USUAL_PASSES = 3.5
# the decomposition of an n x n matrix takes as long as a matrix product of this many n^3 operations (measured)
DECOMPOSITION = 20


def fit_reduction(
    features: Any,
    components: int,
    *,
    rows: Any = None,
    standardise: bool = True,
    path: str | Path | None = None,
    overwrite: bool = False,
    method: str = "auto",
    tolerance: float = 0.0025,
    seed: int = 0,
    device: str = "auto",
    progress: bool | None = None,
) -> Reduction:
    """Standardise features and find their principal components, without ever holding the features.

    Parameters
    ----------
    features : FeatureCache, mapping of str to array, or array
        Each array (stimuli, features): in memory, mapped, HDF5, Zarr or a lazy DataArray. Components are of all
        layers together.
    components : int
        At most the number of features, and one less than the number of rows.
    rows : array of int, mask or ids, optional
        The training stimuli: everything is fitted on them alone. Left out, all stimuli are training stimuli.
    standardise : bool
        Divide each feature by its standard deviation, as well as subtracting its mean.
    path : str or Path, optional
        Write the weights to this ``.safetensors`` file in blocks of columns, in place of holding them in memory
        (1,000 components of 460,800 features take 1.8 GB).
    overwrite : bool
        Replace an existing file.
    method : {"auto", "covariance", "gram", "krylov"}
        ``covariance`` decomposes the products of all features, ``gram`` those of all stimuli, in two passes; both are
        exact. ``krylov`` finds the leading components from products with a few vectors, in three to six passes.
        ``auto`` takes what is quickest and fits into memory.
    tolerance : float
        Of ``krylov``: passes end when another would raise the explained variance by less than about this share.
    seed : int
        Of ``krylov``.
    device : str
    progress : bool, optional
        Show a bar with the time left for each pass; default: when stderr is a terminal.

    Returns
    -------
    Reduction

    Raises
    ------
    InputValueError
        When there are too few rows or features for so many components, or features are NaN or infinite.
    OutputError
        When the file exists or the disk is too small.

    Notes
    -----
    A feature that is the same for all rows gets the weight 0. Equal arguments give equal results on the same machine.
    Each component's sign makes the largest of its weights among the first 1,024 features positive.

    Memory is that of two blocks of columns (0.3 GB each) and, with k components and n rows, of about 10 k n numbers
    for ``krylov``, 2 n^2 for ``gram``, 2 p^2 for ``covariance`` (p features); and of the weights where `path` is left
    out.

    Block Krylov iteration: Musco and Musco, Randomized block Krylov methods for stronger and faster approximate
    singular value decomposition, NeurIPS 2015.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((50, 8)) @ np.diag([5, 4, 1, 1, 1, 1, 1, 0])
    >>> reduction = fit_reduction(x, 2, standardise=False, rows=range(40))
    >>> reduction.explained_variance.round().tolist(), reduction.transform(x).shape
    ([17.0, 13.0], (50, 2))
    """
    import torch

    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    table = FeatureTable(features, rows)
    _refuse_too_many(components, table)
    if path is not None:
        refuse_existing(Path(path), overwrite=overwrite)
    target = device_with_doubles(device)
    if method == "auto":
        method = choose_method(len(table.rows), table.columns, components)
    standardisation = Standardisation(table.columns, standardise, target)
    passes = Passes(table, standardisation, target, progress)
    with torch.inference_mode():
        found = _Components(passes, method, components, seed, tolerance)
        settings = features.config.model_dump(mode="json") if isinstance(features, FeatureCache) else None
        about = {
            "layers": table.layers,
            "components": components,
            "rows": len(table.rows),
            "standardised": standardise,
            "constant_features": standardisation.constant(),
            "total_variance": found.total_variance,
            "method": method,
            "passes": found.passes,
            "seed": seed,
            "features": settings,
        }
        if path is None:
            return Reduction(about, _in_memory(found, table.layers))
        _to_file(found, about, Path(path), overwrite)
    return Reduction.load(path)


def choose_method(rows: int, columns: int, components: int) -> str:
    """The quickest way that fits into memory.

    Examples
    --------
    >>> choose_method(16_540, 460_800, 250), choose_method(3000, 40_000, 250), choose_method(9000, 768, 100)
    ('krylov', 'krylov', 'covariance')
    """
    if rows <= min(FEW, columns):
        return "gram"
    if columns <= MOST_FEATURES_IN_A_MATRIX:
        return "covariance"
    gram = rows**2 * columns + DECOMPOSITION * rows**3
    krylov = 4 * rows * columns * block_width(components) * USUAL_PASSES
    # with so many components a basis of a few blocks is no smaller than the Gram matrix
    basis_is_large = 4 * block_width(components) > rows
    return "gram" if (gram <= krylov and rows <= MOST_IN_A_MATRIX) or basis_is_large else "krylov"


class _Components:
    """What the passes before the last found, and what the last one hands out."""

    def __init__(self, passes: Passes, method: str, components: int, seed: int, tolerance: float) -> None:
        self._passes = passes
        rows = len(passes.table.rows)
        self._weights: torch.Tensor | None = None  # (components, features), where no last pass is needed
        if method == "covariance":
            squares, vectors = _leading(passes.covariance(), components)
            self._weights = vectors.T
        elif method == "gram":
            squares, vectors = _leading(passes.gram(), components)
            self._combinations = (vectors / squares.sqrt()).float()
        else:
            basis = passes.krylov(components, seed, tolerance)
            coefficients, squares = basis.solve()
            self._combinations = basis.combine(coefficients)
        if len(squares) < components:
            raise InputValueError(
                f"the features of these {rows} rows vary in {len(squares)} directions only, "
                f"fewer than the {components} components asked for"
            )
        self.explained_variance = (squares / (rows - 1)).float().cpu()
        self.total_variance = float(passes.standardisation.variance.sum()) * rows / (rows - 1)
        self.passes = passes.count + (method != "covariance")

    def hand_out(self, sink: Sink) -> torch.Tensor:
        """Give the weights to `sink` in blocks of columns; returns the bias."""
        if self._weights is None:
            return self._passes.project(self._combinations, sink)
        standardisation, table = self._passes.standardisation, self._passes.table
        first = min(SIGN_COLUMNS, next(iter(table.layers.values())))
        weights = self._weights * signs(self._weights[:, :first])[:, None] * standardisation.inverse_scale
        begin = 0
        for layer, count in table.layers.items():
            sink(layer, 0, weights[:, begin : begin + count].float())
            begin += count
        return -(weights @ standardisation.mean.double())


def _leading(matrix: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest eigenvalues of a symmetric matrix (its lower triangle counts) and their vectors, largest first."""
    import torch

    if matrix.device.type == "cpu":
        from scipy.linalg import eigh

        size = len(matrix)
        # the transpose is in Fortran's order already, and is overwritten, so that no copy is made
        largest = (size - count, size - 1)
        found = eigh(
            matrix.numpy().T, lower=False, subset_by_index=largest, overwrite_a=True, check_finite=False, driver="evr"
        )
        values, vectors = (torch.from_numpy(np.ascontiguousarray(part)) for part in found)
    else:
        values, vectors = (part[..., -count:] for part in torch.linalg.eigh(matrix))
    values, vectors = values.flip(0), vectors.flip(1)
    kept = values > NOISE * values[0].clamp(min=0)
    return values[kept], vectors[:, kept]


def _in_memory(found: _Components, layers: dict[str, int]) -> dict[str, torch.Tensor]:
    import torch

    components = len(found.explained_variance)
    tensors = {f"{PREFIX}{layer}": torch.empty(components, count) for layer, count in layers.items()}

    def keep(layer: str, begin: int, weights: torch.Tensor) -> None:
        tensors[f"{PREFIX}{layer}"][:, begin : begin + weights.shape[1]] = weights

    bias = found.hand_out(keep)
    return tensors | {BIAS: bias.float().cpu(), VARIANCE: found.explained_variance}


def _to_file(found: _Components, about: dict[str, Any], path: Path, overwrite: bool) -> None:
    components = about["components"]
    shapes: dict[str, tuple[int, ...]] = {
        f"{PREFIX}{layer}": (components, count) for layer, count in about["layers"].items()
    }
    shapes |= {BIAS: (components,), VARIANCE: (components,)}
    with (
        atomic_path(path, overwrite=overwrite) as temporary,
        TensorFile(temporary, shapes, {METADATA: json.dumps(about)}) as file,
    ):
        bias = found.hand_out(lambda layer, begin, weights: file.write_columns(f"{PREFIX}{layer}", begin, weights))
        file.write(BIAS, bias)
        file.write(VARIANCE, found.explained_variance)


def _refuse_too_many(components: int, table: FeatureTable) -> None:
    rows = len(table.rows)
    if rows < 2:
        raise InputValueError("a reduction needs at least 2 training stimuli, got 1")
    most = min(rows - 1, table.columns)
    if isinstance(components, bool) or not isinstance(components, int | np.integer) or not 1 <= components <= most:
        raise InputValueError(
            f"components must be a whole number in 1..{most} for {rows:,} rows of {table.columns:,} features, "
            f"got {components!r}"
        )
