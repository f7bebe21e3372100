"""Open a public data set by its name."""

from __future__ import annotations

import inspect
import os
from typing import Any

from braincodec.datasets.base import DATASETS, Dataset
from braincodec.errors import InputValueError, UnknownNameError


def load_dataset(name: str, root: str | os.PathLike[str] | None = None, **options: Any) -> Dataset:
    """Open a data set: a public one that lies in a folder, or a simulated one.

    Parameters
    ----------
    name : str
        ``DATASETS.names()`` lists them.
    root : path, optional
        Where its files lie; `Dataset.how_to_get` says how to get them. Not for data sets without files.
    **options
        As the data set's own class takes them, such as ``seed=1``.

    Returns
    -------
    Dataset
        Lists its subjects and gives their recordings; nothing large is read yet.

    Raises
    ------
    UnknownNameError
        When there is no such data set, or it has no such option.
    InputValueError
        When `root` is needed and not given, or given and not needed.
    MissingFileError
        When the files are not in `root`.

    Examples
    --------
    >>> load_dataset("simulated", subjects=2).subjects()
    ['1', '2']
    """
    kind = DATASETS.get(name)
    parameters = inspect.signature(kind).parameters
    choices = [option for option in parameters if option != "root"]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for option in options:
        if option not in choices and not takes_any:
            raise UnknownNameError("option", option, choices, where=f"of the data set {name!r}")
    if "root" not in parameters:
        if root is not None:
            raise InputValueError(f"the data set {name!r} has no files, so it takes no root")
        return kind(**options)
    if root is None and parameters["root"].default is inspect.Parameter.empty:
        raise InputValueError(f"the data set {name!r} is read from files: give root=<its folder>; {kind.how_to_get}")
    return kind(**options) if root is None else kind(root, **options)
