"""A small synthesis without models: a plan, labels, and values that depend on plan and block alone."""

from __future__ import annotations

import numpy as np

from braincodec.responses import build_sensor_units, build_units, empty_responses
from braincodec.stimuli import BadStimulus
from braincodec.synthesis.computing.computed import Computed
from braincodec.synthesis.computing.machine import Machine
from braincodec.synthesis.computing.rounding import to_float16
from braincodec.synthesis.plan import Output, Pass, Plan, Request
from braincodec.synthesis.storage.arrays import create_groups
from braincodec.synthesis.storage.completion import finish_store
from braincodec.synthesis.storage.records import finished_blocks, write_block
from braincodec.synthesis.storage.stored_plan import ids_hash, job_folder, write_plan

MACHINE = Machine(processor="any", instructions="none", device="cpu", threads=1, torch="2", pillow="11")
VOXELS, SENSORS = 5, (2, 3, 4)  # repetitions, channels, times


def stimulus_ids(count):
    return [f"picture {number:04d}" for number in range(count)]


def place_of(model, subject, roi=""):
    return f"generated_responses/{model}/stimuli-pictures/subject-{subject:02d}{roi and f'_roi-{roi}'}.zarr"


def small_plan(count=20, block=8, tile=4, voxels=VOXELS, **settings):
    """Two regions of one subject and two EEG subjects."""
    fmri = tuple(
        Output(
            model="fmri", subject=1, roi=roi, place=place_of("fmri", 1, roi), dims=("unit",), shape=(size,), identity=""
        )
        for roi, size in (("V1", voxels), ("V2", voxels + 2))
    )
    dims = ("repetition", "channel", "time")
    eeg = tuple(
        Output(model="eeg", subject=one, place=place_of("eeg", one), dims=dims, shape=SENSORS, identity="")
        for one in (1, 2)
    )
    passes = tuple(
        Pass(name=name, outputs=outputs, shared="images", tile=tile, block=size, weight_bytes=1, image_bytes=1)
        for name, outputs, size in (("000-fmri", fmri, block), ("001-eeg", eeg, 2 * block))
    )
    ids = ids_hash(stimulus_ids(count))
    request = Request(models=("eeg", "fmri"), stimuli="pictures", count=count, fingerprint="f", ids=ids, **settings)
    return Plan(request=request, passes=passes, version="0.1", models_address="models")


def one_array(**settings):
    """A plan of few files, for places where each takes its time."""
    plan = small_plan(**settings)
    first = plan.passes[0]
    return plan.model_copy(update={"passes": (first.model_copy(update={"outputs": first.outputs[:1]}),)})


def templates(plan):
    """Labels by place."""
    made = {}
    for output in plan.outputs:
        if output.dims == ("unit",):
            units = build_units(ijk=[[0, 1, number] for number in range(output.shape[0])])
        else:
            repetitions, channels, times = output.shape
            units = build_sensor_units(
                [f"E{n}" for n in range(channels)], np.arange(times) / 10, repetitions=repetitions
            )
        made[output.place] = empty_responses(units)
    return made


def values_of(plan, output, begin, end, bad=()):
    """Values of some stimuli in the stored dtype, and in float32."""
    seed = plan.outputs.index(output)
    rows = [np.random.default_rng([seed, row]).standard_normal(output.shape, np.float32) for row in range(begin, end)]
    exact = np.array(rows, np.float32).reshape(end - begin, *output.shape)
    for position in bad:
        if begin <= position < end:
            exact[position - begin] = np.nan
    return exact


def computed(plan, block, bad=()):
    """What a worker would hand over; `bad` are positions of stimuli that cannot be read."""
    values, roundings = [], []
    for output in plan.passes[block.pass_number].outputs:
        exact = values_of(plan, output, block.begin, block.end, bad)
        roundings.append(None)
        if plan.request.stored_dtype == "float16":
            stored = np.empty(exact.shape, np.float16)
            roundings[-1] = to_float16(exact, stored, output.place)
            exact = stored
        values.append(exact)
    rows = range(block.begin, block.end)
    return Computed(
        values=values,
        digests=["-" * 16 if row in bad else f"{row:016x}" for row in rows],
        bad=[BadStimulus(row, f"picture {row:04d}", "not an image") for row in rows if row in bad],
        rounding=roundings,
        seconds=1.0,
        machine=MACHINE,
    )


def begin(place, plan):
    write_plan(place, plan)
    create_groups(place, plan, templates(plan))


def go_on(place, plan, bad=()):
    """Compute what is not there and finish; returns the blocks that were computed."""
    begin(place, plan)
    records = finished_blocks(place, plan)
    missing = [block for block in plan.blocks() if block not in records]
    for block in missing:
        records[block] = write_block(place, plan, block, computed(plan, block, bad))
    finish_store(place, plan, stimulus_ids(plan.request.count), records)
    return missing


def contents(place, plan):
    """Every file of the store but the one with the time in it."""
    ending = f"{job_folder(plan)}/complete.json"
    return {file.name: place.read(file.name) for file in place.walk() if file.name != ending}
