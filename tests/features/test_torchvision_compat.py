"""Torchvision imports whatever its build, and timm and open_clip after it."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from braincodec.errors import MissingExtraError
from braincodec.features.torchvision_compat import import_torchvision


@pytest.mark.filterwarnings("error")
def test_torchvision_imports_in_a_fresh_process():
    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    code = (
        "from braincodec.features.torchvision_compat import import_torchvision; tv = import_torchvision();"
        "import torchvision; assert torchvision is tv and tv.models.resnet18; import torchvision.ops"
    )
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_a_second_import_gives_the_same_module(torchvision):
    assert import_torchvision() is torchvision


def test_absent_torchvision_is_answered_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(MissingExtraError, match=r"braincodec\[vision\]"):
        import_torchvision()
