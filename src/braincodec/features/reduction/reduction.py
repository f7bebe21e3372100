"""Standardisation and PCA as one affine map, cut by layer; in memory or in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.atomic import atomic_path
from braincodec.device import fast_matmul
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError
from braincodec.features.reduction.table import FeatureTable, device_with_doubles
from braincodec.progress import progress_bar
from braincodec.tensor_file import write_tensors

if TYPE_CHECKING:
    import torch

# as `LinearEncoder` calls its tensors
PREFIX = "reduction."
BIAS = f"{PREFIX}bias"
VARIANCE = "explained_variance"
METADATA = "reduction"


class Reduction:
    """Principal components of features: ``x @ weight.T + bias``, fitted by `fit_reduction`.

    Parameters
    ----------
    about : dict
        What was fitted, plain JSON: ``layers`` (names to numbers of features), ``components``, ``rows``,
        ``standardised``, ``constant_features``, ``total_variance``, ``method``, ``passes``, ``seed``, ``features``
        (the settings of a `FeatureCache`, or None).
    tensors : mapping of str to torch.Tensor, optional
        ``reduction.<layer>`` (components, features), ``reduction.bias`` and ``explained_variance`` (components,).
    path : str or Path, optional
        A file that holds them, in place of `tensors`: weights are read from it block by block.

    Attributes
    ----------
    explained_variance : array of float32, shape (components,)
        Variance of each component over the rows that were fitted, largest first.
    """

    def __init__(
        self, about: dict[str, Any], tensors: Mapping[str, torch.Tensor] | None = None, path: str | Path | None = None
    ) -> None:
        self.about = about
        self.layers: dict[str, int] = dict(about["layers"])
        self.components: int = about["components"]
        self.path = None if path is None else Path(path)
        self._held = None if tensors is None else dict(tensors)
        self._bias = self._whole(BIAS)
        self.explained_variance: np.ndarray = self._whole(VARIANCE).numpy()

    @classmethod
    def load(cls, path: str | Path) -> Reduction:
        """Open a file that `save` or `fit_reduction` wrote; weights are read when they are used.

        Raises
        ------
        MissingFileError, DamagedFileError
        """
        from safetensors import SafetensorError, safe_open

        if not Path(path).is_file():
            raise MissingFileError(path, "reduction")
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                about = json.loads(metadata[METADATA])
                wanted = {f"{PREFIX}{layer}": [about["components"], size] for layer, size in about["layers"].items()}
                if any(file.get_slice(name).get_shape() != shape for name, shape in wanted.items()):
                    raise ValueError("its weights have other shapes than it says")
            return cls(about, path=path)
        except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
            raise DamagedFileError(f"{path} cannot be read as a reduction: {error}") from error

    @property
    def explained_variance_ratio(self) -> np.ndarray:
        """Each component's share of the variance of all features, (components,)."""
        return self.explained_variance / np.float32(self.about["total_variance"])

    def tensors(self, components: int | None = None) -> dict[str, torch.Tensor]:
        """``reduction.<layer>`` and ``reduction.bias``, as a `LinearEncoder` takes them.

        Parameters
        ----------
        components : int, optional
            Only the first so many.
        """
        count = self._count(components)
        tensors = {f"{PREFIX}{layer}": self._rows(f"{PREFIX}{layer}", count) for layer in self.layers}
        return tensors | {BIAS: self._bias[:count].clone()}

    def transform(
        self,
        features: Any,
        rows: Any = None,
        *,
        components: int | None = None,
        device: str = "auto",
        progress: bool | None = None,
    ) -> np.ndarray:
        """Components of features, read in blocks.

        Parameters
        ----------
        features : FeatureCache, mapping of str to array, or array
            With the layers that were fitted.
        rows : array of int, mask or ids, optional
            Which stimuli, in the order of the result; all when left out.
        components : int, optional
            Only the first so many.
        device : str
        progress : bool, optional

        Returns
        -------
        array of float32, shape (rows, components)

        Raises
        ------
        InputValueError
            When the layers are others, or features are not finite.
        """
        import torch

        table = FeatureTable(features, rows)
        if table.layers != self.layers:
            raise InputValueError(f"the reduction is for the layers {self.layers}, these are {table.layers}")
        count, target = self._count(components), device_with_doubles(device)
        total = torch.zeros(len(table.rows), count, dtype=torch.float64, device=target)
        with (
            progress_bar("reduce", table.columns, show=progress) as advance,
            fast_matmul(target),
            torch.inference_mode(),
        ):
            for block in table.column_blocks(target):
                width = block.values.shape[1]
                weight = self._columns(block.layer, block.begin, block.begin + width, count).to(target)
                total += block.values @ weight.T
                advance(width)
        scores = (total.float() + self._bias[:count].to(target)).cpu().numpy()
        if not np.isfinite(scores).all():
            row = table.rows[int(np.flatnonzero(~np.isfinite(scores).all(1))[0])]
            raise InputValueError(f"features of the stimulus in row {row} are NaN or infinite")
        return scores[np.searchsorted(table.rows, table.order)]

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write to a ``.safetensors`` file."""
        tensors = self.tensors() | {VARIANCE: self._whole(VARIANCE)}
        with atomic_path(path, overwrite=overwrite) as temporary:
            write_tensors(temporary, tensors, metadata={METADATA: json.dumps(self.about)})
        return Path(path)

    def __repr__(self) -> str:
        share = float(self.explained_variance_ratio.sum())
        return (
            f"<Reduction: {sum(self.layers.values()):,} features of {len(self.layers)} layers to {self.components} "
            f"components, {share:.1%} of the variance of {self.about['rows']:,} rows>"
        )

    def _count(self, components: int | None) -> int:
        if components is None:
            return self.components
        if not 1 <= components <= self.components:
            raise InputValueError(f"components must lie in 1..{self.components}, got {components}")
        return components

    def _whole(self, name: str) -> torch.Tensor:
        return self._rows(name, self.components)

    def _rows(self, name: str, count: int) -> torch.Tensor:
        if self._held is not None:
            return self._held[name][:count].contiguous()
        from safetensors import safe_open

        with safe_open(self.path, framework="pt") as file:
            return file.get_slice(name)[:count].clone()

    def _columns(self, layer: str, begin: int, end: int, count: int) -> torch.Tensor:
        if self._held is not None:
            return self._held[f"{PREFIX}{layer}"][:count, begin:end]
        from safetensors import safe_open

        with safe_open(self.path, framework="pt") as file:
            return file.get_slice(f"{PREFIX}{layer}")[:count, begin:end]
