"""``python -m braincodec`` is the command line, where its scripts are not on the path."""

from __future__ import annotations

import subprocess
import sys

from braincodec import __version__


def test_module_is_the_program() -> None:
    done = subprocess.run([sys.executable, "-m", "braincodec", "--version"], capture_output=True, text=True, check=True)
    assert __version__ in done.stdout


def test_a_mistake_is_one_sentence_and_its_exit_code() -> None:
    done = subprocess.run([sys.executable, "-m", "braincodec", "modles"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr
