"""`import braincodec` is light, and everything heavy is imported when used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from braincodec.errors import MissingExtraError
from braincodec.extras import EXTRA_OF_PACKAGE, import_optional

HEAVY = ("torch", "xarray", "matplotlib", "pandas", "zarr", "h5py", "torchvision", "nibabel", "mne", "scipy", "rich")


def loaded_after(code: str) -> set[str]:
    code += "\nimport sys; print(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_package_is_light():
    assert not loaded_after("import braincodec; braincodec.__version__; dir(braincodec)") & {*HEAVY, "numpy"}


@pytest.mark.parametrize(
    "module", ["braincodec.device", "braincodec.config", "braincodec.progress", "braincodec.memory"]
)
def test_the_modules_at_the_bottom_do_not_import_torch(module):
    assert not loaded_after(f"import {module}") & {"torch", "xarray", "matplotlib"}


def test_opening_a_store_needs_no_torch():
    assert not loaded_after("import braincodec; braincodec.open_store") & {"torch", "matplotlib", "nibabel", "mne"}


def test_optional_package_is_imported_and_an_absent_one_named_with_its_extra(monkeypatch):
    assert import_optional("json.decoder", "tests").__name__ == "json.decoder"
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(
        MissingExtraError, match=r"writing NIfTI files needs the package 'nibabel'.*braincodec\[neuro\]"
    ):
        import_optional("nibabel", "writing NIfTI files")


def test_every_extra_that_a_message_names_is_declared():
    from importlib.metadata import metadata

    declared = set(metadata("braincodec").get_all("Provides-Extra") or [])
    assert set(EXTRA_OF_PACKAGE.values()) | {"all"} <= declared
