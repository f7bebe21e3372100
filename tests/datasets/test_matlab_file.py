"""MATLAB files give the arrays that SciPy reads from them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from braincodec.datasets.matlab_file import read_matlab_arrays

NUMBERS = st.sampled_from(["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,30}", fullmatch=True)


ARRAYS = NUMBERS.flatmap(lambda kind: arrays(kind, array_shapes(min_dims=2, max_dims=4, max_side=4)))


@given(variables=st.dictionaries(NAMES, ARRAYS, max_size=4), compressed=st.booleans())
@settings(max_examples=40, deadline=None)
def test_every_type_shape_and_name_is_read_as_scipy_does(tmp_path_factory, variables, compressed):
    path = tmp_path_factory.mktemp("matlab") / "a.mat"
    scipy.io.savemat(path, variables, do_compression=compressed)
    found, expected = read_matlab_arrays(path), scipy.io.loadmat(path)
    assert set(found) == {name for name in expected if not name.startswith("__")}
    for name, array in found.items():
        assert array.dtype == expected[name].dtype
        np.testing.assert_array_equal(array, expected[name])


@pytest.mark.parametrize("compressed", [False, True])
def test_variables_that_are_no_real_numbers_are_passed_over(tmp_path, compressed):
    others = {
        "text": "words",
        "structure": {"a": 1.0},
        "cells": np.array([1.0, "a"], object),
        "sparse": scipy.sparse.csc_matrix(np.eye(3)),
        "imaginary": np.array([[1j]]),
    }
    scipy.io.savemat(tmp_path / "a.mat", others | {"numbers": np.eye(2)}, do_compression=compressed)
    assert list(read_matlab_arrays(tmp_path / "a.mat")) == ["numbers"]


def test_big_endian_files_are_read(tmp_path):
    values = np.array([[1, -2, 300]], ">i4")
    parts = [
        (6, np.array([6, 0], ">u4").tobytes()),
        (5, np.array([1, 3], ">i4").tobytes()),
        (1, b"a"),
        (5, values.tobytes()),
    ]
    body = b"".join(np.array([kind, len(data)], ">u4").tobytes() + data + bytes(-len(data) % 8) for kind, data in parts)
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    (tmp_path / "a.mat").write_bytes(header + np.array([14, len(body)], ">u4").tobytes() + body)
    assert read_matlab_arrays(tmp_path / "a.mat")["a"].tolist() == [[1, -2, 300]]
    np.testing.assert_array_equal(scipy.io.loadmat(tmp_path / "a.mat")["a"], values)


def test_real_file_gives_what_scipy_gives(shared_data):
    path = shared_data / "digit69" / "digit69_28x28.mat"
    found, expected = read_matlab_arrays(path), scipy.io.loadmat(path)
    assert set(found) == {name for name in expected if not name.startswith("__")}
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])
