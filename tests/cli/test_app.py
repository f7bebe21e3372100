"""The program as a whole: help, version, unknown words, errors, exit codes."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from braincodec import __version__
from braincodec.cli import app as program

HEAVY = ("torch", "xarray", "pandas", "rich", "matplotlib", "numpy", "zarr", "h5py")
COMMANDS = (
    "demo",
    "doctor",
    "models",
    "info",
    "convert",
    "encode",
    "decode",
    "responses",
    "evaluate",
    "report",
    "metrics",
)


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_help_names_every_command(run):
    outcome = run("--help")
    assert outcome.code == 0
    assert all(f"  {name} " in outcome.out for name in COMMANDS)


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from braincodec.cli.app import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(','.join(sorted(sys.modules)))"
    )
    loaded = set(python(code).splitlines()[-1].split(","))
    assert not loaded.intersection(HEAVY)


def test_help_answers_in_under_half_a_second():
    def seconds() -> float:
        started = time.perf_counter()
        python("from braincodec.cli.app import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass")
        return time.perf_counter() - started

    assert min(seconds() for _ in range(3)) < 0.5  # the quickest of three: others may use the machine


def test_version(run):
    outcome = run("--version")
    assert (outcome.code, outcome.out) == (0, f"braincodec {__version__}\n")


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (["encode", "x.png", "--modle", "a"], "--model"),
        (["encod"], "encode"),
        (["responses", "exprot"], "export"),
        (["doctor", "--jsno"], "--json"),
    ],
)
def test_unknown_words_get_a_suggestion_and_exit_code_2(run, words, suggestion):
    outcome = run(*words)
    assert outcome.code == 2
    assert suggestion in outcome.err
    assert outcome.out == ""


def test_missing_option_is_exit_code_2(run):
    outcome = run("encode", "x.png")
    assert outcome.code == 2
    assert "--model" in outcome.err
    assert "Example: braincodec encode pictures/ --store" in outcome.err


def test_mistake_is_one_line_on_stderr_and_exit_code_1(run):
    outcome = run("models", "--store", "no/such/folder")
    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err.startswith("error: store folder not found: no/such/folder")
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("words", [["--debug", "models"], ["models", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(words):
    command = [sys.executable, "-c", "from braincodec.cli.app import main; main()", *words, "--store", "no/such"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "MissingFileError" in done.stderr


def test_store_is_asked_for_when_neither_option_nor_variable_names_one(run):
    outcome = run("models")
    assert outcome.code == 1
    assert "--store" in outcome.err
    assert "BRAINCODEC_STORE" in outcome.err


def test_store_comes_from_the_environment(run, small_store, monkeypatch):
    monkeypatch.setenv("BRAINCODEC_STORE", str(small_store))
    assert run("models").code == 0


def test_folder_that_is_no_store_is_named(run, tmp_path):
    (tmp_path / "holiday").mkdir()
    outcome = run("models", "--store", tmp_path)
    assert outcome.code == 1
    assert "is no store" in outcome.err
    assert "holiday" in outcome.err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError("tensor of 9 GB"), 1, "not enough memory (tensor of 9 GB)"),
        (PermissionError(13, "Permission denied", "/root/x"), 1, "Permission denied"),
    ],
)
def test_interrupt_memory_and_system_errors_end_in_words(run, small_store, monkeypatch, error, code, words):
    def fail(*_):
        raise error

    monkeypatch.setattr("braincodec.store.open_store", fail)
    outcome = run("models", "--store", small_store)
    assert outcome.code == code
    assert words in outcome.err


def test_everything_after_two_dashes_is_taken_literally(run, monkeypatch):
    outcome = run("models", "--", program.DEBUG)
    assert outcome.code == 2
    assert program.DEBUG in outcome.err
