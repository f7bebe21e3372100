"""Kinds of models and of image generators that the registries know."""

from __future__ import annotations

from braincodec.image_generators import IMAGE_GENERATORS
from braincodec.models import MODELS
from from_code.markdown import first_line, table


def model_kinds() -> str:
    """A row for each kind of model; the API reference has its settings."""
    kinds = {name: MODELS.get(name) for name in MODELS.names()}
    rows = ((f"`{name}`", f"`bc.{kind.__name__}`", first_line(kind.__doc__)) for name, kind in kinds.items())
    return table(("kind", "class", "what it is"), rows)


def image_generators() -> str:
    """A row for each kind of image generator."""
    kinds = {name: IMAGE_GENERATORS.get(name) for name in IMAGE_GENERATORS.names()}
    rows = ((f"`{name}`", first_line(kind.__doc__)) for name, kind in kinds.items())
    return table(("generator", "what it makes"), rows)
