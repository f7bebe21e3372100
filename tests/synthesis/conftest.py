"""A store of small models, made once."""

from __future__ import annotations

import pytest

from .every_kind import EVERYTHING, output, save_every_kind


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A store with models of every kind; not to be changed."""
    return save_every_kind(tmp_path_factory.mktemp("every-kind"))


@pytest.fixture(scope="session")
def outputs(models):
    """One array of every kind of model, two where regions or subjects share something."""
    return tuple(output(models, *one) for one in EVERYTHING)
