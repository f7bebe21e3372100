"""Device, dtype and batch size are decided in one place."""

from __future__ import annotations

import itertools
from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from braincodec import device as devices
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.memory import group_rooms

CPU = torch.device("cpu")
cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


def test_auto_takes_the_best_device_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert devices.resolve_device("auto") == CPU
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert devices.resolve_device("auto").type == "mps"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.resolve_device("auto") == torch.device("cuda:0")
    assert devices.resolve_device("cuda") == torch.device("cuda:0")
    assert devices.resolve_device("cuda:1") == torch.device("cuda:1")
    assert devices.resolve_device(CPU) == CPU


@pytest.mark.parametrize("name", ["cuda:9", "gpu", "", "CPU"])
def test_absent_device_lists_those_that_are_here(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UnknownNameError, match=r"unknown device .*available: auto, cpu, cuda:0"):
        devices.resolve_device(name)


def test_dtypes():
    assert devices.resolve_dtype("auto") is torch.float32
    assert devices.resolve_dtype("bfloat16") is torch.bfloat16
    with pytest.raises(UnknownNameError, match="did you mean 'bfloat16'"):
        devices.resolve_dtype("bfloat")


@pytest.mark.parametrize(("free", "expected"), [(10_000, 5), (10**9, 32), (0, 1), (100, 1)])
def test_auto_batch_fits_into_half_of_the_free_memory(free, expected, monkeypatch):
    monkeypatch.setattr(devices, "free_memory", lambda device: free)
    assert devices.choose_batch_size("auto", bytes_per_image=1000, device=CPU) == expected


def test_batch_is_never_larger_than_the_stimulus_set_nor_empty():
    assert devices.choose_batch_size(64, bytes_per_image=1, device=CPU, images=5) == 5
    assert devices.choose_batch_size("auto", bytes_per_image=1, device=CPU, images=0) == 1
    import numpy as np

    size = devices.choose_batch_size(np.int64(7), bytes_per_image=1, device=CPU)
    assert size == 7
    assert type(size) is int


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True, "many", None])
def test_impossible_batch_size_is_refused(wrong):
    with pytest.raises(InputValueError, match="batch_size must be 'auto' or a positive whole number"):
        devices.choose_batch_size(wrong, bytes_per_image=1, device=CPU)


def group(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


def test_memory_limits_of_a_job_and_of_those_around_it_count(tmp_path):
    own = tmp_path / "own"
    own.write_text("3:cpuset:/\n0::/slurm/job_7\n")
    group(tmp_path, memory__max="1000", memory__current="100")
    group(tmp_path / "slurm", memory__max="max", memory__current="90")
    stat = "anon 5\ninactive_file 30"
    group(tmp_path / "slurm" / "job_7", memory__max="200", memory__current="80", memory__stat=stat)
    assert group_rooms(tmp_path, own) == [200 - 80 + 30, 900]


def test_memory_limit_of_a_container_that_sees_the_hosts_path(tmp_path):
    own = tmp_path / "own"
    own.write_text("4:memory,hugetlb:/docker/abc\n")
    group(
        tmp_path / "memory",
        memory__limit_in_bytes="500",
        memory__usage_in_bytes="450",
        memory__stat="total_inactive_file 40",
    )
    assert group_rooms(tmp_path, own) == [90]
    assert group_rooms(tmp_path, tmp_path / "absent") == []


def test_free_memory_heeds_the_smallest_limit(monkeypatch):
    from braincodec import memory

    whole = devices.free_memory(CPU)
    assert whole > 0
    monkeypatch.setattr(memory, "group_rooms", lambda: [12_345])
    assert devices.free_memory(CPU) == min(12_345, whole)
    monkeypatch.setattr(memory, "group_rooms", lambda: [-5])
    assert devices.free_memory(CPU) == 0


ERRORS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("MPS backend out of memory"),
]


@given(
    count=st.integers(0, 60),
    size=st.integers(1, 70),
    limit=st.integers(1, 20),
    error=st.sampled_from(ERRORS),
    start=st.integers(0, 5),
)
def test_halving_loses_no_image_and_keeps_their_order(count, size, limit, error, start):
    calls = []

    def run(begin, end):
        calls.append(end - begin)
        if end - begin > limit:
            raise error
        return list(range(begin, end))

    with mock.patch.object(devices, "release_cached_memory"):  # it takes its time
        results = list(devices.halve_on_out_of_memory(run, start, start + count, size))
    assert [item for result, _ in results for item in result] == list(range(start, start + count))
    assert all(len(result) <= limit for result, _ in results)
    # it does not try larger steps again
    assert all(later <= max(first, limit) for first, later in itertools.pairwise(calls))


def test_one_image_that_does_not_fit_and_other_errors_are_raised():
    def run(begin, end):
        raise MemoryError("too large")

    with pytest.raises(MemoryError, match="too large"):
        list(devices.halve_on_out_of_memory(run, 0, 8, 4))

    def broken(begin, end):
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        list(devices.halve_on_out_of_memory(broken, 0, 8, 4))


def test_what_the_failed_call_held_is_free_before_the_next_try():
    import weakref

    class Activations: ...

    held: list[weakref.ref] = []

    def run(begin, end):
        assert all(reference() is None for reference in held)
        activations = Activations()
        held.append(weakref.ref(activations))
        if end - begin > 1:
            raise MemoryError
        return begin

    assert [result for result, _ in devices.halve_on_out_of_memory(run, 0, 3, 3)] == [0, 1, 2]


@pytest.mark.parametrize("before", ["highest", "high", "medium"])
def test_fast_matmul_restores_the_setting_also_after_an_error(before, monkeypatch):
    outside = torch.get_float32_matmul_precision()
    monkeypatch.setattr(devices, "medium_is_fp32_grade", lambda: True)
    try:
        torch.set_float32_matmul_precision(before)
        with pytest.raises(RuntimeError, match="inside"), devices.fast_matmul():
            assert torch.get_float32_matmul_precision() == "medium"
            raise RuntimeError("inside")
        assert torch.get_float32_matmul_precision() == before
    finally:
        torch.set_float32_matmul_precision(outside)


def test_fast_matmul_leaves_the_setting_where_medium_is_not_exact(monkeypatch):
    monkeypatch.setattr(devices, "medium_is_fp32_grade", lambda: False)
    before = torch.get_float32_matmul_precision()
    with devices.fast_matmul(CPU):
        assert torch.get_float32_matmul_precision() == before


def test_on_a_gpu_nothing_is_computed_in_tf32(monkeypatch):
    monkeypatch.setattr(devices, "medium_is_fp32_grade", lambda: True)
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with devices.fast_matmul(torch.device("cuda:0")):
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.backends.cuda.matmul.allow_tf32
        assert not torch.backends.cudnn.allow_tf32
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


def test_fast_matmul_leaves_alone_what_was_set_through_torchs_newer_interface(monkeypatch):
    def refuse():
        raise RuntimeError("mix of the legacy and new APIs")

    monkeypatch.setattr(torch, "get_float32_matmul_precision", refuse)
    with devices.fast_matmul():
        pass


@pytest.mark.parametrize("size", [64, 200, 1000])
def test_products_inside_the_block_have_the_error_of_float32(size):
    a, b = torch.randn(2, size, size, generator=torch.Generator().manual_seed(1))
    exact = a.double() @ b.double()
    with devices.fast_matmul():
        error = ((a @ b).double() - exact).abs().max() / exact.abs().max()
    assert error < 1e-5


@cuda
def test_products_and_convolutions_on_a_gpu_have_the_error_of_float32():
    a, b = torch.randn(2, 512, 512, device="cuda")
    image, kernel = torch.randn(4, 64, 32, 32, device="cuda"), torch.randn(64, 64, 3, 3, device="cuda")
    with devices.fast_matmul(a.device):
        product, maps = a @ b, torch.nn.functional.conv2d(image, kernel)
    for found, exact in (
        (product, a.double() @ b.double()),
        (maps, torch.nn.functional.conv2d(image.double(), kernel.double())),
    ):
        assert (found.double() - exact).abs().max() / exact.abs().max() < 1e-5


@cuda
def test_free_memory_of_a_gpu_counts_what_torch_holds_idle():
    free = devices.free_memory(torch.device("cuda:0"))
    held = torch.empty(2**28, device="cuda", dtype=torch.uint8)
    del held
    assert abs(devices.free_memory(torch.device("cuda:0")) - free) < 2**26
