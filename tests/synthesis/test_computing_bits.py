"""Bits of responses depend on the plan and the kind of machine, and on nothing else."""

from __future__ import annotations

import contextlib
import tempfile
import threading

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import braincodec as bc
from braincodec.stimuli import StimulusSet
from braincodec.synthesis.computing.blocks import BlockComputer
from braincodec.synthesis.plan import Block

from ..small_models import images
from .every_kind import plan

COUNT = 11
PIXELS = images(COUNT, 32)
STIMULI = StimulusSet.open(PIXELS)
SLOWLY = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def same_bits(found, wanted):
    pairs = zip(found, wanted, strict=True)
    return all(np.array_equal(one.view(np.uint32), other.view(np.uint32)) for one, other in pairs)


@pytest.fixture(scope="module")
def held(models):
    """The store of models of every kind, which loads each of them once."""
    store, loaded = bc.open_store(models.address), {}
    load = store._load

    def load_once(entry, *which):
        key = (entry.id, *which)
        if key not in loaded:
            loaded[key] = load(entry, *which)
        return loaded[key]

    store._load = load_once
    return store


@pytest.fixture(scope="module")
def whole(held, outputs):
    """Responses of all outputs to all stimuli, by a plan of one block, for a tile."""
    known = {}

    def of_tile(tile):
        if tile not in known:
            one = plan(outputs, count=COUNT, tile=tile, block=24 * tile)
            known[tile] = BlockComputer(held, one, STIMULI).compute(one.block(0, 0)).values
        return known[tile]

    return of_tile


@SLOWLY
@given(tile=st.sampled_from([2, 4]), tiles=st.integers(1, 2), order=st.randoms(use_true_random=False))
def test_blocks_of_any_size_in_any_order_give_the_same(held, outputs, whole, tile, tiles, order):
    one = plan(outputs, count=COUNT, tile=tile, block=tile * tiles)
    computer = BlockComputer(held, one, STIMULI)
    blocks = list(one.blocks())
    order.shuffle(blocks)
    for block in blocks[:2]:
        found = computer.compute(block)
        assert same_bits(found.values, [values[block.begin : block.end] for values in whole(tile)])


@SLOWLY
@given(kept=st.sets(st.integers(0, 3), min_size=1), seed=st.integers(0, 9))
def test_the_company_of_other_models_and_other_images_changes_nothing(held, outputs, whole, kept, seed):
    groups = [(0,), (1, 8), (2, 3, 6), (4, 5, 7)]  # regions of one whole model belong together
    numbers = sorted(number for group in kept for number in groups[group])
    one = plan(tuple(outputs[number] for number in numbers), count=COUNT)
    # the same images at the same places, among others
    own = np.random.default_rng(seed).permutation(COUNT)[:5]
    others = images(COUNT, 32, seed=seed + 1)
    others[own] = PIXELS[own]
    computer = BlockComputer(held, one, StimulusSet.open(others))
    for block in [one.block(0, seed % 2)]:
        inside = own[(own >= block.begin) & (own < block.end)]
        found = computer.compute(block).values
        assert same_bits(
            [values[inside - block.begin] for values in found], [whole(4)[number][inside] for number in numbers]
        )


@SLOWLY
@given(lost=st.sets(st.integers(0, COUNT - 1), min_size=1, max_size=7))
def test_stimuli_that_cannot_be_read_leave_their_neighbours_as_they_are(held, outputs, whole, lost):
    one = plan(outputs, count=COUNT)
    with _with_nan(sorted(lost)) as stimuli:
        computer = BlockComputer(held, one, stimuli)
        computed = [(block, computer.compute(block)) for block in one.blocks()]
    for block, found in computed:
        bad = [position for position in sorted(lost) if block.begin <= position < block.end]
        assert [item.position for item in found.bad] == bad
        assert [item.id for item in found.bad] == [str(position) for position in bad]
        for values, wanted in zip(found.values, whole(4), strict=True):
            expected = wanted[block.begin : block.end].copy()
            expected[np.array(bad, int) - block.begin] = np.nan
            np.testing.assert_array_equal(values, expected)


@contextlib.contextmanager
def _with_nan(lost):
    values = PIXELS.astype(np.float32)
    values[lost] = np.nan
    with tempfile.TemporaryDirectory() as folder:  # in a file, because arrays in memory are refused at once
        np.save(f"{folder}/images.npy", values)
        yield StimulusSet.open(f"{folder}/images.npy", value_range=(0, 255))


def test_what_ran_before_and_how_many_threads_the_process_has_change_nothing(held, outputs, whole):
    one = plan(outputs, count=COUNT)
    computer = BlockComputer(held, one, STIMULI)
    before = torch.get_num_threads()
    torch.set_num_threads(2 if before == 1 else 1)
    try:
        torch.set_float32_matmul_precision("medium")
        torch.randn(300, 300) @ torch.randn(300, 300)
        torch.set_float32_matmul_precision("highest")
        first = computer.compute(one.block(0, 1)).values
        again = computer.compute(one.block(0, 1)).values
        assert torch.get_num_threads() != before
    finally:
        torch.set_num_threads(before)
    wanted = [values[8:] for values in whole(4)]
    assert same_bits(first, wanted)
    assert same_bits(again, wanted)


def test_two_threads_that_compute_at_once_get_the_same(held, outputs, whole):
    one = plan(outputs[:6], outputs[6:], count=COUNT)
    computer = BlockComputer(held, one, STIMULI)
    found: dict[Block, list[np.ndarray]] = {}

    def work(blocks):
        for block in blocks:
            found[block] = computer.compute(block).values

    blocks = list(one.blocks())
    threads = [threading.Thread(target=work, args=(blocks[start::2],)) for start in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(blocks)
    for block, values in found.items():
        own = whole(4)[:6] if block.pass_number == 0 else whole(4)[6:]
        assert same_bits(values, [wanted[block.begin : block.end] for wanted in own])


def test_responses_are_those_of_the_encoders(held, outputs, whole):
    for values, output in zip(whole(4), outputs, strict=True):
        encoder = held.encoder(output.model, output.subject, output.roi)
        wanted = encoder.encode(PIXELS, device="cpu", progress=False).values
        np.testing.assert_allclose(values, wanted, atol=2e-5 * wanted.std())
