"""The demo: photographs to brain maps, from nothing but what is installed with the package."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.atomic import atomic_path
from braincodec.demo_decoding import REPORT, decode_demo
from braincodec.demo_training import train_demo

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.demo_decoding import DecodedDemo
    from braincodec.demo_training import TrainedDemo
    from braincodec.store import Store

STORE, PHOTOGRAPHS, LICENCES = "store", "photographs", "LICENCES.txt"
FIGURE, TABLE = "figure.png", "responses-by-roi.csv"
TRAINED, ACCURACY = "trained", "accuracy.png"
DECODED, DECODED_FIGURE = "decoded", "decoded.png"
FMRI_OUTPUT, EEG_OUTPUT = "fmri.zarr", "eeg.zarr"
Say = Callable[[str], None]


@dataclass(frozen=True)
class DemoResult:
    """What the demo made.

    Attributes
    ----------
    folder, store, figure, photographs : Path
    outputs : dict of str to Path
        Responses by modality.
    images_per_second : dict of str to float
        By modality; reading, resizing, computing and writing together, without loading the network.
    mean_responses : dict of str to dict of str to float
        By photograph and region, z-scored.
    text_alternative : str
        The figure in words.
    trained : TrainedDemo or None
        The model that was trained, its scores and their picture.
    decoded : DecodedDemo or None
        The model that also decodes, its scores, and the picture of seen and decoded images.
    """

    folder: Path
    store: Path
    figure: Path
    photographs: Path
    outputs: dict[str, Path] = field(default_factory=dict)
    images_per_second: dict[str, float] = field(default_factory=dict)
    mean_responses: dict[str, dict[str, float]] = field(default_factory=dict)
    text_alternative: str = ""
    trained: TrainedDemo | None = None
    decoded: DecodedDemo | None = None


def run_demo(
    output: str | Path = "demo-output",
    *,
    names: list[str] | None = None,
    backbone: str | None = None,
    calibration: int | None = None,
    stimuli: int | None = None,
    progress: bool | None = None,
    say: Say = lambda _: None,
) -> DemoResult:
    """Encode real photographs with a simulated subject, train a model of that subject, decode what it saw, and draw it.

    The photographs are those that come with scikit-image and scikit-learn. The subject never existed: its areas,
    tuning and noise are made up (see `braincodec.simulate`). Everything else is the public path: an artefact in a
    store, `open_store`, `Encoder.encode_to`, `train`, `LEA`, `evaluate`, figures.

    Parameters
    ----------
    output : str or Path
        Folder for the store, the photographs, the responses, the table and the figure. What an earlier demo made there
        is replaced; its store is used again.
    names : list of str, optional
        Photographs; default: all that show a scene.
    backbone, calibration : optional
        Of the simulated subjects; see `braincodec.simulate.write_demo_store`.
    stimuli : int, optional
        How many the subject is shown for training and testing the models.
    progress : bool, optional
        Show bars; default: when stderr is a terminal.
    say : callable
        Takes one line of text at a time.

    Returns
    -------
    DemoResult

    Raises
    ------
    MissingExtraError
        When the extra ``demo`` is not installed; before anything is written.
    OutputError
        When the folder cannot be written.
    """
    from braincodec.simulate import square_photographs
    from braincodec.store import open_store

    folder = Path(output)
    _require_extras()
    images = square_photographs(names)
    _write_photographs(folder / PHOTOGRAPHS, images)
    say(f"{len(images)} photographs that come with scikit-image and scikit-learn: {folder / PHOTOGRAPHS}")
    store = open_store(_store(folder / STORE, backbone, calibration, say))
    result = DemoResult(folder, folder / STORE, folder / FIGURE, folder / PHOTOGRAPHS)
    responses: dict[str, xr.DataArray] = {}
    for modality, file in (("fmri", FMRI_OUTPUT), ("eeg", EEG_OUTPUT)):
        responses[modality] = _encode(store, modality, folder / file, folder / PHOTOGRAPHS, result, progress, say)
    result.mean_responses.update(_mean_responses(responses["fmri"]))
    _write_table(folder / TABLE, result.mean_responses)
    words = _draw(folder / FIGURE, images, responses)
    options: dict[str, Any] = {
        "backbone": backbone, "calibration": calibration, "stimuli": stimuli, "progress": progress, "say": say
    }  # fmt: skip
    trained = train_demo(folder / TRAINED, folder / ACCURACY, **options)
    decoded = decode_demo(folder / DECODED, folder / DECODED_FIGURE, folder / STORE, **options)
    return DemoResult(**{**vars(result), "text_alternative": words, "trained": trained, "decoded": decoded})


def next_steps(result: DemoResult, program: str = "braincodec") -> list[str]:
    """Lines that say where everything is and what to type next, with the program as it can be typed."""
    shown = result.folder
    folder = Path(program).parent
    python = "" if folder == Path() else f" ({folder / 'python'})"
    return [
        f"figures            {result.figure}, {shown / ACCURACY}, {shown / DECODED_FIGURE}",
        f"responses          {', '.join(str(path) for path in result.outputs.values())}",
        f"tables             {shown / TABLE}, {shown / TRAINED / 'scores.csv'}",
        f"models             {result.store}, the decoder among them; trained: {shown / TRAINED}",
        f"reports            {shown / TRAINED / 'report.html'}, {shown / DECODED / REPORT}",
        f"photographs        {result.photographs} (their licences: {LICENCES})",
        "",
        "The subject is simulated: its areas, tuning and noise are made up, and no number here was measured.",
        "",
        "Next, in a browser, with your own photographs (needs the extra 'app'):",
        f"  {program} app --store {result.store}",
        "with a folder of pictures:",
        f"  {program} encode my-pictures/ --store {result.store} --model {_model('fmri')} -o mine.zarr",
        "train and judge again, another way:",
        f"  {program} train --config {shown / TRAINED / 'train.yaml'} --set model.readout=best_layer -o mine",
        f"  {program} evaluate {shown / TRAINED}",
        "with published models (a folder of NED, NEST or BERG as you downloaded it):",
        f"  {program} models --store neural_encoding_dataset",
        f"  {program} encode my-pictures/ --store neural_encoding_dataset --model fmri-nsd-fwrf --subject 1 --roi V1 "
        "-o v1.zarr",
        f"in Python{python}:",
        "  import braincodec as bc",
        f'  bc.open_responses("{result.outputs["fmri"]}").bc.select(roi="V1")',
    ]


def _model(modality: str) -> str:
    """The encoder that the demo shows; the store also has a decoder of its own."""
    from braincodec.simulate.demo_store import MAKERS

    return MAKERS[modality][0]


def _require_extras() -> None:
    from braincodec.extras import import_optional

    for package in ("skimage", "sklearn", "nibabel", "nilearn", "matplotlib"):
        import_optional(package, "the demo")


def _store(folder: Path, backbone: str | None, calibration: int | None, say: Say) -> Path:
    """The simulated subjects as artefacts, whole or not at all; made once."""
    from braincodec.simulate import write_demo_store

    if folder.is_dir():
        say(f"simulated subjects made by an earlier demo: {folder}")
        return folder
    say("making a simulated fMRI and a simulated EEG subject, about a minute")
    started = time.monotonic()
    options: dict[str, Any] = {"backbone": backbone} | ({} if calibration is None else {"calibration": calibration})
    with atomic_path(folder) as temporary:
        write_demo_store(temporary, **options)
    say(f"a simulated fMRI and a simulated EEG subject ({time.monotonic() - started:.0f} s): {folder}")
    return folder


def _write_photographs(folder: Path, images: dict[str, NDArray[np.uint8]]) -> None:
    from PIL import Image

    from braincodec.simulate import photograph_licences

    with atomic_path(folder, overwrite=True) as temporary:
        temporary.mkdir()
        for name, pixels in images.items():
            Image.fromarray(pixels).save(temporary / f"{name}.png")
        rows = [row for row in photograph_licences() if row["name"] in images]
        lines = [
            f"{row['name']}: {row['licence']}, {row['author']}, {row['source']} ({row['package']})" for row in rows
        ]
        (temporary / LICENCES).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _encode(
    store: Store, modality: str, path: Path, photographs: Path, result: DemoResult, progress: bool | None, say: Say
) -> xr.DataArray:
    from braincodec.responses import open_responses
    from braincodec.stimuli import StimulusSet

    model = _model(modality)
    stimuli = StimulusSet.open(photographs)
    encoder = store.encoder(model, subject=1)
    encoder.encode(stimuli[:1], progress=False)  # loads the network, so that the rate is that of a longer run
    started = time.monotonic()
    encoder.encode_to(path, stimuli, overwrite=True, progress=progress)
    seconds = time.monotonic() - started
    result.outputs[modality] = path
    result.images_per_second[modality] = len(stimuli) / seconds
    responses = open_responses(path)
    shape = " x ".join(map(str, responses.shape[1:]))
    say(f"{modality}: {len(stimuli)} photographs to {shape} responses, {len(stimuli) / seconds:.1f} images/s: {path}")
    # stimuli are named by their files; the figure names them by their photographs
    return responses.assign_coords(stimulus=[str(name).removesuffix(".png") for name in responses["stimulus"].values])


def _mean_responses(fmri: xr.DataArray) -> dict[str, dict[str, float]]:
    table = {}
    for name in fmri["stimulus"].values:
        one = fmri.sel(stimulus=name).load()
        table[str(name)] = {roi: float(one.values[fmri[f"roi_{roi}"].values].mean()) for roi in fmri.bc.rois}
    return table


def _write_table(path: Path, table: dict[str, dict[str, float]]) -> None:
    rois = list(next(iter(table.values())))
    with atomic_path(path, overwrite=True) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["photograph", *rois])
        writer.writerows([name, *(f"{row[roi]:.4f}" for roi in rois)] for name, row in table.items())


def _draw(path: Path, images: dict[str, NDArray[np.uint8]], responses: dict[str, xr.DataArray]) -> str:
    from braincodec.viz import demo_figure, save_figure, text_alternative

    figure = demo_figure(images, responses["fmri"], responses["eeg"])
    save_figure(path, figure)
    return text_alternative(figure)
