"""The program ``braincodec``: its commands, its errors and its exit codes.

Exit codes: 0 done, 1 a mistake that the message explains, 2 a command that cannot be understood, 130 interrupted.
Results go to stdout; progress, remarks and errors to stderr. Heavy packages are imported inside the commands, so that
``--help`` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from braincodec import __version__
from braincodec.cli.control import control
from braincodec.cli.convert import convert
from braincodec.cli.decode import decode
from braincodec.cli.demo import demo
from braincodec.cli.doctor import doctor
from braincodec.cli.encode import encode
from braincodec.cli.evaluate import evaluate
from braincodec.cli.explore import explore
from braincodec.cli.fetch import fetch
from braincodec.cli.info import info
from braincodec.cli.lea import HELP, PREFIX, lea_inference
from braincodec.cli.lea_pretrain import lea_pretrain
from braincodec.cli.metrics import metrics
from braincodec.cli.models import models
from braincodec.cli.output import note
from braincodec.cli.push import push
from braincodec.cli.report import report
from braincodec.cli.responses import responses
from braincodec.cli.synthesize import synthesize
from braincodec.cli.train import train
from braincodec.cli.verify import verify
from braincodec.errors import BraincodecError

DEBUG, EXAMPLE = "--debug", "Example: "
MISTAKE, NOT_UNDERSTOOD, INTERRUPTED = 1, 2, 130
# the commands that keep what an interrupted run has done
RESUMED = {
    "convert",
    "decode",
    "encode",
    "fetch",
    "push",
    "synthesize",
    "train",
    "lea-god",
    "lea-bold5000",
    "lea-pretrain",
}
# what messages written for Python call these options
OPTION_OF_ARGUMENT = {
    "value_range=": "--value-range 0,1",
    "dataset=": "--dataset NAME",
    "layout=": "--layout",
    "root=": "--root DIR",
    "margin=None": "--any-side",
}

app = typer.Typer(
    name="braincodec",
    help="Images to brain responses and back: run, train and judge models of fMRI, EEG and spikes.",
    epilog="Start with 'braincodec demo'. Every command has its own --help.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help needs no import of rich
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command()(demo)
app.command("app", epilog="Example: braincodec app --store neural_encoding_dataset --gallery pictures/")(explore)
app.command()(doctor)
app.command()(models)
app.command()(info)
app.command(epilog="Example: braincodec fetch hf://user/name -o models")(fetch)
app.command(epilog="Example: braincodec push my-store hf://user/name --private")(push)
app.command(epilog="Example: braincodec convert neural_encoding_dataset my-store")(convert)
app.command(
    epilog="Example: braincodec encode pictures/ --store neural_encoding_dataset --model fmri-nsd-fwrf --subject 1,2 "
    "--roi V1,V2 -o v1-v2.zarr"
)(encode)
app.command(epilog="Example: braincodec decode fmri.npy --model lea-god-sub-01 --samples 5 -o decoded")(decode)
app.command(
    epilog="Example: braincodec synthesize --store neural_encoding_dataset --models 'fmri-nsd-fwrf' --subjects all "
    "--rois all --stimuli images/ -o generated"
)(synthesize)
app.command(epilog="Example: braincodec verify generated")(verify)
app.add_typer(responses)
app.command(epilog="Example: braincodec control -s generated --drive V1 --suppress hV4 --subject 1,2 --confirm 3")(
    control
)
app.command(
    epilog="Example: braincodec evaluate predictions.npy --dataset digit69 --root digit69/ -o scores --html report.html"
)(evaluate)
app.command(
    epilog="Example: braincodec train --dataset nsd --root DIR --subject 1 --roi V1,V2 --model linear "
    "--backbone efficientnet_lite:0 --layers 'blocks.*' -o OUT"
)(train)
for _name, _title in (("god", "Generic Object Decoding"), ("bold5000", "BOLD5000")):
    app.command(
        f"{PREFIX}{_name}",
        help=HELP.format(_title),
        epilog=f"Example: braincodec lea-{_name} --root {_name}/ --subject {'1' if _name == 'god' else 'CSI1'} "
        "--image-embedding efficientnet_lite:0 -o OUT",
    )(lea_inference)
app.command("lea-pretrain", epilog="Example: braincodec lea-pretrain --dataset god --root god/ --subject all -o trunk")(
    lea_pretrain
)
app.command(epilog="Example: braincodec report ridge-scores network-scores -o report.html")(report)
app.command(epilog="Example: braincodec metrics ssim")(metrics)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"braincodec {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of an error (anywhere on the line).")] = False,
) -> None:
    """Global options; `main` acts on ``--debug``."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and leave it with an exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Raises
    ------
    SystemExit
        Always.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    words = given[: given.index("--")] if "--" in given else given
    debug = DEBUG in words
    kept = [word for word in words if word != DEBUG] + given[len(words) :]
    try:
        app(kept, prog_name="braincodec")
    except KeyboardInterrupt:
        _leave_interrupted(kept)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            _leave_interrupted(kept)
        if stop.code == NOT_UNDERSTOOD:
            _show_example(kept)
        raise
    except (BraincodecError, OSError, MemoryError) as error:
        if debug:
            raise
        note(f"error: {_in_words(error)}")
        sys.exit(MISTAKE)


def _show_example(arguments: list[str]) -> None:
    """A line of the command that was meant, as its help has it."""
    group: Any = typer.main.get_command(app)
    meant = group.commands.get(next(iter(arguments), ""))
    if meant is not None and (meant.epilog or "").startswith(EXAMPLE):
        note(f"\n{meant.epilog}")


def _leave_interrupted(arguments: list[str]) -> None:
    goes_on = " The same command goes on where it stopped." if RESUMED & set(arguments[:1]) else ""
    note(f"interrupted; nothing unfinished carries its final name.{goes_on}")
    sys.exit(INTERRUPTED)


def _in_words(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return f"not enough memory{f' ({error})' if str(error) else ''}; try a smaller --batch-size or fewer regions"
    words = str(error) or type(error).__name__
    options = [option for argument, option in OPTION_OF_ARGUMENT.items() if argument in words]
    return words + (f" (here: {', '.join(options)})" if options and "--" not in words else "")
