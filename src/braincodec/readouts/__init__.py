"""Readouts: from features to the responses of every unit.

`ridge_cv` for one set of features, `banded_ridge_cv` for several feature spaces, `best_space_cv` to choose one of
several for each unit, `field_ridge_cv` for maps seen through a window, `least_squares` without regularisation.
"""

# ruff: noqa: F401
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# public names and the modules they come from, imported when first used
_MODULE_OF_NAME = {
    "BandedRidgeFit": "banded",
    "BestSpaceFit": "best_space",
    "FieldRidgeFit": "fields",
    "Fold": "folds",
    "LeastSquaresFit": "ordinary",
    "LinearFit": "results",
    "ReadoutWarning": "results",
    "RidgeFit": "results",
    "banded_ridge_cv": "banded",
    "best_space_cv": "best_space",
    "dirichlet_draws": "draws",
    "field_ridge_cv": "fields",
    "field_windows": "field_prior",
    "least_squares": "ordinary",
    "make_folds": "folds",
    "predict": "results",
    "ridge_cv": "ridge",
}

if TYPE_CHECKING:  # the same for readers and type checkers
    from braincodec.readouts.banded import BandedRidgeFit, banded_ridge_cv
    from braincodec.readouts.best_space import BestSpaceFit, best_space_cv
    from braincodec.readouts.draws import dirichlet_draws
    from braincodec.readouts.field_prior import field_windows
    from braincodec.readouts.fields import FieldRidgeFit, field_ridge_cv
    from braincodec.readouts.folds import Fold, make_folds
    from braincodec.readouts.ordinary import LeastSquaresFit, least_squares
    from braincodec.readouts.results import LinearFit, ReadoutWarning, RidgeFit, predict
    from braincodec.readouts.ridge import ridge_cv

__all__ = list(_MODULE_OF_NAME)


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF_NAME:
        return getattr(import_module(f"braincodec.readouts.{_MODULE_OF_NAME[name]}"), name)
    raise AttributeError(f"module 'braincodec.readouts' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
