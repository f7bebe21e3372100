"""`braincodec control`: the same search from the command line."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from braincodec.cli.app import main
from braincodec.control import search

from .population import planted, write_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("control") / "store", planted(images=120))


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.delenv("BRAINCODEC_STORE", raising=False)

    def run_program(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(["control", *map(str, arguments)])
        written = capsys.readouterr()
        assert "Traceback" not in written.err
        return int(stop.value.code or 0), written.out, written.err

    return run_program


def test_json_holds_what_python_finds(run, store):
    code, out, _ = run(
        "-s", store, "--drive", "A", "--suppress", "B", "--subject", "1,2", "--confirm", "all", "-n", 8, "--json"
    )
    assert code == 0
    told = json.loads(out)
    found = search(store, drive="A", suppress="B", subjects=[1, 2], images=8)
    assert [row["stimulus"] for row in told["stimuli"]] == found.stimuli["stimulus"].tolist()
    assert told["confirmation"]["tested_on"] == ["3"]
    assert told["confirmation"]["effect"]["value"] == pytest.approx(found.confirm(3).effect.value)


def test_a_folder_holds_tables_figures_and_the_images(run, store, tmp_path):
    output = tmp_path / "found"
    code, out, err = run("-s", store, "--drive", "A", "--subject", 1, "--confirm", 2, "-n", 5, "-o", output)
    assert code == 0
    assert "tested on held-out subjects (2)" in out
    assert "no sheet of the images" in err  # it is not recorded where they lie
    assert len(pd.read_csv(output / "stimuli.csv")) == 5
    for name in ("plot.png", "confirmation.png", "confirmation.json", "control.json"):
        assert (output / name).stat().st_size > 500
    assert run("-s", store, "--drive", "A", "-n", 5, "-o", output)[0] == 1


def test_regions_aligned_from_the_command_line(run, store, tmp_path):
    csv = tmp_path / "images.csv"
    code, out, err = run(
        "-s", store, "--align", "A,B", "--subject", 1, "-n", 10, "--generations", 3, "--csv", csv, "--no-progress"
    )
    assert code == 0
    assert "align A and B" in out
    assert "not confirmed" in err
    assert len(pd.read_csv(csv)) == 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--drive", "V9"], "unknown roi 'V9'"),
        ([], "--drive and --suppress, or one of"),
        (["--drive", "A", "--align", "A,B"], "--drive and --suppress, or one of"),
        (["--align", "A"], "takes two regions"),
        (["--drive", "A", "--confirm", "all"], "every subject took part"),
        (["--drive", "A", "-n", "999"], "there are 120"),
        (["--drive", "A", "--stimuli", "things"], "pictures"),
    ],
)
def test_mistakes_are_explained(run, store, arguments, words):
    code, _, err = run("-s", store, *arguments)
    assert code == 1
    assert words in err


def test_too_few_images_on_the_right_side_are_explained_and_may_be_ranked_all_the_same(run, store):
    asked = ("-s", store, "--drive", "A", "--suppress", "B", "--subject", 1, "-n", 110, "--json")
    code, _, err = run(*asked)
    assert code == 1 and "bring every region to its side" in err and "(here: --any-side)" in err
    code, out, _ = run(*asked, "--any-side")
    assert code == 0 and len(json.loads(out)["stimuli"]) == 110
