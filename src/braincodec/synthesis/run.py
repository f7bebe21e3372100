"""Responses of many models to many stimuli: planned, computed on a cluster, recorded, resumed, finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.stimuli import BadStimulus
from braincodec.subjects import ALL
from braincodec.synthesis.one_run import Notes, Run
from braincodec.synthesis.plan import Plan
from braincodec.synthesis.planning.at_hand import Workers
from braincodec.synthesis.planning.forecast import Forecast, stimuli_in_words
from braincodec.synthesis.planning.preparing import forecast_of, prepare
from braincodec.synthesis.planning.probe import BUDGET, probe
from braincodec.synthesis.storage.records import finished_blocks
from braincodec.synthesis.workers.cluster import LOCAL

if TYPE_CHECKING:
    from braincodec.stimuli import StimulusSet
    from braincodec.store.base import Store


@dataclass(frozen=True, repr=False)
class Synthesis:
    """Responses that were made.

    Parameters
    ----------
    address : str
        Path or address of the store.
    plan : Plan
    skipped : tuple of BadStimulus
        Stimuli that could not be read; their responses are NaN.
    seconds : float
        That this run took.
    resumed : bool
        Whether it went on with an earlier one.
    was_complete : bool
        Whether all was there already, so that nothing was done.
    notes : tuple of str
        What was remarked upon.
    storage_options : dict
        With which the address was written.
    """

    address: str
    plan: Plan
    skipped: tuple[BadStimulus, ...] = ()
    seconds: float = 0.0
    resumed: bool = False
    was_complete: bool = False
    notes: tuple[str, ...] = ()
    storage_options: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        request = self.plan.request
        arrays = len(self.plan.outputs)
        skipped = f", {len(self.skipped):,} of them could not be read" if self.skipped else ""
        return (
            f"<Synthesis {self.address!r}: {', '.join(request.models)} to {stimuli_in_words(request.count)} of "
            f"{request.stimuli!r}{skipped}; {arrays:,} array{'s' * (arrays != 1)} of {request.stored_dtype}>"
        )

    def store(self) -> Store:
        """The store, opened: ``.responses(model, stimuli=..., subject=..., roi=...)`` reads lazily."""
        from braincodec.store import open_store

        return open_store(self.address, **self.storage_options)


def synthesize(
    store: Store | str | Path | None = None,
    models: str | Sequence[str] | None = None,
    *,
    stimuli: StimulusSet | Any = None,
    output: str | Path,
    subjects: Any = ALL,
    rois: Any = ALL,
    name: str | None = None,
    skip_missing: bool = False,
    cluster: str = LOCAL,
    workers: int | None = None,
    threads: int | None = None,
    device: str = "auto",
    dtype: str = "float32",
    stored_dtype: str = "float32",
    layout: str = "default",
    tile: int | None = None,
    block: int | None = None,
    on_bad: str = "mark",
    resume: bool = False,
    overwrite: bool = False,
    add: bool = False,
    progress: bool | None = None,
    on_note: Callable[[str], None] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    cluster_options: Mapping[str, Any] | None = None,
) -> Synthesis:
    """Responses of models to a whole stimulus set, in a store that is read lazily.

    The work is cut into blocks of stimuli, which workers compute and write by themselves; a block counts once its data
    are durable. A run that ends before the end, however it does, goes on when the same call is made again.

    Parameters
    ----------
    store : Store, str or Path
        Where the trained models are: a braincodec store, or a NED, NEST or BERG folder.
    models : str or sequence of str
        Identifiers, wild cards such as ``"fmri-*"``, a comma list of these, or ``"all"``.
    stimuli : StimulusSet or anything that `StimulusSet.open` takes
        Every worker must be able to read the files.
    output : str or Path
        Folder or address (``s3://...``) of the store that is written.
    subjects : int, str, sequence of these, or "all"
    rois : str, sequence of str, or "all"
        Regions, each an array of its own. ``"all"`` takes all units of models that have no weights for each region.
    name : str, optional
        Of the stimulus set in the store. Default: the name of the folder or file.
    skip_missing : bool
        Leave out subjects and regions that a model lacks, in place of refusing.
    cluster : str
        ``"local"`` (processes of this machine), ``"tcp://host:port"`` (a running Dask scheduler) or ``"slurm"``.
    workers : int, optional
        Default: as many as the processor has threads for, or one a GPU.
    threads : int, optional
        Of the processor, for each worker. Default: 1; 4 beside a GPU.
    device : {"auto", "cpu", "cuda", "mps"}
        ``"auto"`` takes a GPU of this machine; where workers are elsewhere it means the processor.
    dtype : {"float32", "bfloat16", "float16"}
        Of the computation.
    stored_dtype : {"float32", "float16"}
        Half the bytes, with the rounding error stated in the attributes.
    layout : {"default", "fast"}
        Sharded and compressed, or plain chunks that are read faster.
    tile, block : int, optional
        Images in one forward pass, and stimuli in one unit of work; a block is made of whole tiles.
    on_bad : {"mark", "raise"}
        A stimulus that cannot be read gets NaN and is listed, or ends the run.
    resume : bool
        Go on with an earlier run; without models and stimuli, with whatever run the output holds.
    overwrite : bool
        Begin anew, in place of responses of the same names.
    add : bool
        Put these responses beside others in the same store.
    progress : bool, optional
        Show bars; default: when stderr is a terminal.
    on_note : callable, optional
        Called with remarks: the plan, licences, what is gone on with, the address of the dashboard.
    storage_options : mapping, optional
        For an output at an address: handed to fsspec.
    cluster_options : mapping, optional
        For Slurm: what `dask_jobqueue.SLURMCluster` takes (``queue``, ``account``, ``memory``, ``walltime``, ...).

    Returns
    -------
    Synthesis

    Raises
    ------
    UnknownNameError
        For a model, subject or region that is not there; with the choices.
    InputValueError
        When an argument does not fit, stimuli or models changed since the run began, or it was asked for something
        else.
    OutputError
        When the output holds other responses, is no store, or its disk is full.
    UnreachableError
        When no workers come, or an address does not answer.
    DamagedFileError
        For a stimulus that cannot be read, where that ends the run.

    See Also
    --------
    plan_synthesis : what it would do and take, without doing it.
    braincodec.verify : whether a store is whole.

    Notes
    -----
    Values depend on models, stimuli, tile, threads, precision and the kind of machine alone: not on the number of
    workers, and not on how often the run was interrupted.

    Examples
    --------
    >>> synthesize("no/such/store", "fmri-*", stimuli="images/", output="generated")
    Traceback (most recent call last):
    braincodec.errors.MissingFileError: store folder not found: no/such/store; ...
    """
    began = time.monotonic()
    said = Notes(on_note)
    at_work = Workers(cluster, workers, cluster_options)
    prepared = prepare(
        store,
        models,
        stimuli,
        output,
        name=name,
        workers=at_work,
        resume=resume,
        overwrite=overwrite,
        add=add,
        storage_options=storage_options,
        subjects=subjects,
        rois=rois,
        device=device,
        threads=threads,
        skip_missing=skip_missing,
        dtype=dtype,
        stored_dtype=stored_dtype,
        layout=layout,
        tile=tile,
        block=block,
        on_bad=on_bad,
    )
    run = Run(prepared, at_work, said, dict(storage_options or {}), progress)
    skipped = run.work()
    return Synthesis(
        address=prepared.place.address,
        plan=run.plan,
        skipped=tuple(skipped),
        seconds=time.monotonic() - began,
        resumed=prepared.earlier is not None,
        was_complete=run.was_complete,
        notes=tuple(said.kept),
        storage_options=dict(storage_options or {}),
    )


def plan_synthesis(
    store: Store | str | Path | None = None,
    models: str | Sequence[str] | None = None,
    *,
    stimuli: StimulusSet | Any = None,
    output: str | Path,
    cluster: str = LOCAL,
    workers: int | None = None,
    cluster_options: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    probe_seconds: float = BUDGET,
    **arguments: Any,
) -> Forecast:
    """What `synthesize` would do with the same arguments, and what it would take; nothing is written.

    Parameters
    ----------
    store, models, stimuli, output, cluster, workers, cluster_options, progress
        As of `synthesize`.
    **arguments
        The others of `synthesize`: ``name``, ``subjects``, ``rois``, ``resume``, ...
    probe_seconds : float
        How long a few images are computed, here, to tell how long it will take; 0 leaves it out.

    Returns
    -------
    Forecast
        ``str`` of it is a page: passes, what is shared, bytes, time, room on the disk.

    Raises
    ------
    UnknownNameError, InputValueError, OutputError, UnreachableError
        As `synthesize`.

    Examples
    --------
    >>> plan_synthesis("no/such/store", "fmri-*", stimuli="images/", output="generated", cluster="slrum")
    Traceback (most recent call last):
    braincodec.errors.UnknownNameError: unknown cluster 'slrum'; did you mean 'slurm'? ...
    """
    at_work = Workers(cluster, workers, cluster_options)
    prepared = prepare(store, models, stimuli, output, workers=at_work, **arguments)
    plan = prepared.plan if prepared.earlier is not None else prepared.planned(progress=progress).plan
    at_work.check_memory(plan)
    probed = None
    if probe_seconds > 0 and is_here(plan.request.device):
        probed = probe(prepared.store, plan, prepared.stimuli, budget=probe_seconds, progress=progress)
    records = {} if prepared.earlier is None else finished_blocks(prepared.place, plan)
    return forecast_of(prepared, plan, at_work, records, probed)


def is_here(device: str) -> bool:
    """Whether this machine has a device of the kind: where workers are elsewhere it may not."""
    from braincodec.device import resolve_device
    from braincodec.errors import UnknownNameError

    try:
        resolve_device(device)
    except UnknownNameError:
        return False
    return True
