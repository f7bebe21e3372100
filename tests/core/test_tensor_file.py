"""Files of tensors."""

from __future__ import annotations

import os

import pytest
import torch
from safetensors.torch import load_file

from braincodec.tensor_file import write_tensors


def test_file_of_tensors_is_as_readable_as_other_new_files(tmp_path):
    before = os.umask(0o027)
    try:
        write_tensors(tmp_path / "weights.safetensors", {"a": torch.arange(3.0)}, metadata={"made": "here"})
        (tmp_path / "plain").write_text("", encoding="utf-8")
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("weights.safetensors", "plain")]
    assert modes == [0o640, 0o640]
    assert load_file(tmp_path / "weights.safetensors")["a"].tolist() == [0, 1, 2]


def test_place_that_cannot_be_written_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match="absent"):
        write_tensors(tmp_path / "absent" / "weights.safetensors", {"a": torch.zeros(1)})
