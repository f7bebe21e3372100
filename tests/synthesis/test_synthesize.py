"""A run of a synthesis: what it makes, how it goes on, and what it refuses before long work."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import braincodec as bc
from braincodec.errors import (
    DamagedFileError,
    InputValueError,
    MissingFileError,
    OutputError,
    UnknownNameError,
    UnreachableError,
)
from braincodec.responses.formats import layout
from braincodec.synthesis import one_run
from braincodec.synthesis.planning.at_hand import SMALLEST_PART, check_room
from braincodec.synthesis.run import plan_synthesis, synthesize
from braincodec.synthesis.storage.records import finished_blocks
from braincodec.synthesis.storage.stored_plan import jobs

from .object_store import bucket, s3_server
from .small_run import here, pictures, write_pictures

__all__ = ["bucket", "here", "pictures", "s3_server"]

FWRF, LINEAR = "fmri-fwrf", "fmri-linear"
QUICK = {"tile": 2, "block": 4, "progress": False}


@pytest.fixture
def run(here, models, pictures, tmp_path):
    """Synthesize with small blocks, in this process; gives the result and remarks."""

    def synthesize_here(names=LINEAR, **changes):
        arguments = {"stimuli": pictures, "output": tmp_path / "out", **QUICK} | changes
        return synthesize(models, names, on_note=here.notes.append, **arguments)

    here.notes = []
    return synthesize_here


@pytest.fixture
def interrupted(run, here):
    """A run that ended after one of its three blocks."""
    here.most = 1
    with pytest.raises(KeyboardInterrupt):
        run()
    here.most = None
    here.computed.clear()


def snapshot(folder):
    """Every file of the responses, by content."""
    files = (path for path in (folder / "generated_responses").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_responses_are_those_of_the_encoder(run, models, pictures):
    done = run("all", rois="all")
    assert not done.skipped and not done.resumed and done.plan.request.stimuli == "pictures"
    store = done.store()
    for output in done.plan.outputs:
        found = store.responses(output.model, stimuli="pictures", subject=output.subject, roi=output.roi)
        expected = models.encoder(output.model, output.subject, output.roi).encode(pictures, progress=False)
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-5)
        assert found["stimulus"].values.tolist() == expected["stimulus"].values.tolist()
    assert bc.verify(done.address, progress=False).ok


def test_regions_of_a_whole_model_are_sets_of_their_own(run, models, pictures):
    store = run("fmri-gaussian", rois=["V2", "V1"]).store()
    assert store.response_sets()["roi"].tolist() == ["V1", "V2"]
    found = store.responses("fmri-gaussian", stimuli="pictures", roi="V2")
    expected = models.encoder("fmri-gaussian", roi="V2").encode(pictures, progress=False)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-5)
    assert found.bc.rois == expected.bc.rois


def test_nothing_is_listed_before_the_end(interrupted, run, tmp_path):
    assert bc.open_store(tmp_path / "out").response_sets().empty
    run()
    assert not bc.open_store(tmp_path / "out").response_sets().empty


@pytest.mark.parametrize("again", [{}, {"resume": True}])
def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(interrupted, run, here, tmp_path, again):
    done = run(**again)
    assert done.resumed and here.computed == [(0, 1), (0, 2)]
    assert any("goes on, 1 of 3 blocks are there" in words for words in here.notes)
    run(output=tmp_path / "undisturbed")
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "undisturbed")


def test_a_run_goes_on_by_what_the_store_says_alone(interrupted, here, tmp_path):
    done = synthesize(output=tmp_path / "out", resume=True, progress=False, on_note=here.notes.append)
    assert done.resumed and here.computed == [(0, 1), (0, 2)]


def test_a_run_that_ended_while_labels_were_written_begins_with_them(interrupted, run, here, tmp_path):
    (groups,) = (tmp_path / "out").rglob("groups.json")
    groups.unlink()
    assert run().resumed
    assert here.computed == [(0, 1), (0, 2)]


def test_a_finished_run_is_complete_already(run, here):
    run()
    before = len(here.computed)
    done = run(resume=True)
    assert done.resumed and done.was_complete and len(here.computed) == before
    assert here.notes[-1].endswith("is complete already")


def test_a_finished_run_is_complete_also_where_nothing_can_be_written(run, here, pictures, tmp_path, monkeypatch):
    assert not run().was_complete

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("braincodec.synthesis.storage.place.exclusive_lock", refuse)
    monkeypatch.setattr("braincodec.synthesis.storage.place.LocalPlace.write_many", refuse)
    monkeypatch.setattr("braincodec.synthesis.storage.place.LocalPlace.remove", refuse)
    assert run(resume=True).was_complete and here.compared == 0
    (pictures / "00.png").touch()
    assert run(resume=True).was_complete and here.compared == 1


def test_records_are_read_once_however_a_run_ends(interrupted, run, monkeypatch):
    read = []
    monkeypatch.setattr(one_run, "finished_blocks", lambda *asked: read.append(1) or finished_blocks(*asked))
    run()
    assert len(read) == 1
    run(resume=True)
    assert len(read) == 2


@pytest.mark.parametrize(("most", "started"), [(9, [3]), (2, [2]), (None, [1])])
def test_no_more_workers_are_started_than_there_are_blocks(run, here, models, pictures, monkeypatch, most, started):
    monkeypatch.setattr("braincodec.synthesis.planning.at_hand.default_workers", lambda *_: 1)
    assert plan_synthesis(models, LINEAR, stimuli=pictures, output="out", workers=most, **QUICK).workers == started[0]
    run(workers=most)
    assert here.started == started


@pytest.fixture
def laid_out_by_another_version(monkeypatch):
    """Within the block arrays are cut into smaller chunks than this version would."""

    @contextlib.contextmanager
    def patched():
        with monkeypatch.context() as earlier:
            earlier.setattr(layout, "ZARR_CHUNK_BYTES", {"default": 40, "fast": 40})
            yield

    return patched


def test_what_another_version_laid_out_is_complete_and_stays_as_it_is(
    run, here, pictures, laid_out_by_another_version, tmp_path
):
    one = sorted(pictures.iterdir())[3]
    content = one.read_bytes()
    with laid_out_by_another_version():
        run(output=tmp_path / "undisturbed")
        one.write_bytes(b"no image")
        run()
    before = len(here.computed)
    run(resume=True)
    assert here.notes[-1].endswith("is complete already") and len(here.computed) == before
    one.write_bytes(content)
    assert not run(resume=True).skipped
    assert len(here.computed) == before + 1
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "undisturbed")


@pytest.mark.parametrize("chunks", ["default", "fast"])
def test_what_another_version_began_goes_on_in_its_layout(run, here, laid_out_by_another_version, tmp_path, chunks):
    with laid_out_by_another_version():
        run(layout=chunks, output=tmp_path / "undisturbed")
        here.computed.clear()
        here.most = 1
        with pytest.raises(KeyboardInterrupt):
            run(layout=chunks)
        here.most = None
    done = run(layout=chunks)
    assert done.resumed and here.computed == [(0, 0), (0, 1), (0, 2)]
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "undisturbed")
    assert bc.verify(done.address, progress=False).ok


@pytest.mark.parametrize("noted", [True, False])
def test_two_layouts_are_never_mixed_where_metadata_were_lost(run, here, laid_out_by_another_version, tmp_path, noted):
    with laid_out_by_another_version():
        run(output=tmp_path / "undisturbed")
        run()
    here.computed.clear()
    (metadata,) = (tmp_path / "out").rglob("responses/zarr.json")
    metadata.write_text("damaged")
    (groups,) = (tmp_path / "out").rglob("groups.json")
    if not noted:  # as versions did that did not note it
        content = json.loads(groups.read_text())
        for group in content["groups"].values():
            del group["layout"]
        groups.write_text(json.dumps(content))
    bc.verify(tmp_path / "out", discard_damaged=True, progress=False)
    assert not metadata.exists()
    run(resume=True)
    assert here.computed == ([] if noted else [(0, 0), (0, 1), (0, 2)])
    assert (snapshot(tmp_path / "out") == snapshot(tmp_path / "undisturbed")) is noted
    assert bc.verify(tmp_path / "out", progress=False).ok
    found, expected = (
        bc.open_store(tmp_path / name).responses(LINEAR, stimuli="pictures") for name in ("out", "undisturbed")
    )
    np.testing.assert_array_equal(found.values, expected.values)


def test_a_finished_output_is_not_written_again_unasked(run):
    run()
    with pytest.raises(OutputError, match=r"holds these responses already.*--resume.*--overwrite.*--add"):
        run()


def test_other_settings_on_an_unfinished_run_are_refused_with_the_difference(interrupted, run):
    for resume in (False, True):
        with pytest.raises(InputValueError, match=r"asked for something else.*stored_dtype was float32, is float16"):
            run(stored_dtype="float16", resume=resume)


def test_an_unfinished_run_is_begun_anew_when_asked(interrupted, run, here, tmp_path):
    done = run(stored_dtype="float16", overwrite=True)
    assert not done.resumed and len(here.computed) == 3
    assert done.store().responses(LINEAR, stimuli="pictures").dtype == np.float16
    assert len(list((tmp_path / "out" / "synthesis").iterdir())) == 1


def test_responses_of_other_names_stand_beside_when_asked(run):
    run()
    with pytest.raises(OutputError, match=r"holds a synthesis already.*--add"):
        run(FWRF)
    done = run(FWRF, add=True)
    assert sorted(set(done.store().response_sets()["model"])) == [FWRF, LINEAR]
    assert bc.verify(done.address, progress=False).ok


def test_responses_of_the_same_names_do_not_stand_beside(run):
    run(FWRF)
    with pytest.raises(OutputError, match=r"other responses of the same names, such as subject-01_roi-V1.zarr.*--name"):
        run(FWRF, rois="V1", add=True)
    assert run(FWRF, rois="V1", add=True, name="others").plan.request.stimuli == "others"


def test_overwriting_removes_only_what_collides(run, tmp_path):
    run(FWRF)
    run(add=True)
    kept = {name: content for name, content in snapshot(tmp_path / "out").items() if FWRF in name}
    run(stored_dtype="float16", overwrite=True)
    now = snapshot(tmp_path / "out")
    assert kept and {name: now[name] for name in kept} == kept
    assert bc.verify(tmp_path / "out", progress=False).ok


def test_responses_that_no_synthesis_made_are_not_overwritten(run, tmp_path):
    stranger = tmp_path / "out" / "generated_responses" / LINEAR / "stimuli-pictures" / "subject-01.zarr" / "a.txt"
    stranger.parent.mkdir(parents=True)
    stranger.write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="was made by no synthesis"):
            run(overwrite=overwrite)
    assert stranger.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "words"),
    [("notes.txt", "is no store, and not empty"), ("encoding_models/readme", "NED's layout.*export --to ned")],
)
def test_a_folder_of_other_things_is_left_alone(run, tmp_path, name, words):
    other = tmp_path / "out" / name
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    before = sorted((tmp_path / "out").rglob("*"))
    with pytest.raises(OutputError, match=words):
        run(overwrite=True)
    assert sorted((tmp_path / "out").rglob("*")) == before


def test_responses_may_lie_in_the_store_of_the_models(run, models, tmp_path):
    shutil.copytree(models.address, tmp_path / "models")
    done = run(output=tmp_path / "models")
    store = done.store()
    assert LINEAR in store.models()["id"].tolist() and not store.response_sets().empty


def test_a_plan_of_another_version_is_not_gone_on_with(interrupted, run, here, tmp_path):
    (path,) = (tmp_path / "out").rglob("plan.json")
    plan = json.loads(path.read_text())
    path.write_text(json.dumps(plan | {"format": 99}))
    with pytest.raises(InputValueError, match=r"has format 99, written by braincodec .*--overwrite"):
        run()
    run(overwrite=True)
    assert len(here.computed) == 3


def test_files_that_were_touched_are_compared_by_content(interrupted, run, here, pictures):
    (pictures / "00.png").touch()
    assert run().resumed
    assert here.compared == 1 and here.computed == [(0, 1), (0, 2)]


def test_a_stimulus_that_changed_is_named(interrupted, run, here, pictures):
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(pictures / "01.png")
    with pytest.raises(InputValueError, match=r"stimuli changed since .* was begun: 01.png; put the images back"):
        run()
    assert not here.computed


def test_a_finished_store_stays_listed_when_changed_stimuli_are_refused(run, pictures, tmp_path):
    whole = (pictures / "03.png").read_bytes()
    (pictures / "03.png").write_bytes(b"no image")
    run()
    (pictures / "03.png").write_bytes(whole)
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(pictures / "01.png")
    with pytest.raises(InputValueError, match=r"stimuli changed since .*: 01.png"):
        run(resume=True)
    assert bc.verify(tmp_path / "out", progress=False).ok


def test_other_stimuli_are_refused_without_reading_them(interrupted, run, here, tmp_path):
    with pytest.raises(InputValueError, match=r"asked for something else.*count was 10, is 9"):
        run(stimuli=write_pictures(tmp_path / "fewer", 9), name="pictures")
    with pytest.raises(InputValueError, match=r"was begun with other stimuli \(count was 10, is 9\)"):
        synthesize(stimuli=tmp_path / "fewer", output=tmp_path / "out", resume=True)
    assert here.compared == 0


def test_a_stimulus_that_cannot_be_read_is_marked_and_listed(run, pictures):
    (pictures / "03.png").write_bytes(b"no image")
    done = run()
    assert [one.id for one in done.skipped] == ["03.png"]
    found = done.store().responses(LINEAR, stimuli="pictures")
    assert np.isnan(found.values).all(1).tolist() == [position == 3 for position in range(10)]
    assert list(json.loads(found.attrs["skipped"])) == ["03.png"]


def test_a_stimulus_that_was_repaired_is_computed_again(run, here, pictures, tmp_path):
    whole = (pictures / "03.png").read_bytes()
    (pictures / "03.png").write_bytes(b"no image")
    run()
    here.computed.clear()
    (pictures / "03.png").write_bytes(whole)
    done = run(resume=True)
    assert here.computed == [(0, 0)] and not done.skipped
    assert not np.isnan(done.store().responses(LINEAR, stimuli="pictures").values).any()


def test_a_stimulus_that_could_not_be_read_for_a_while_is_computed_again(run, here, pictures, tmp_path):
    import os

    picture, whole = pictures / "03.png", (pictures / "03.png").read_bytes()
    before = picture.stat()
    picture.write_bytes(b"x" * len(whole))
    os.utime(picture, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(run().skipped) == 1
    picture.write_bytes(whole)
    os.utime(picture, ns=(before.st_atime_ns, before.st_mtime_ns))
    here.computed.clear()
    done = synthesize(output=tmp_path / "out", resume=True, progress=False, on_note=here.notes.append)
    assert here.computed == [(0, 0)] and not done.skipped and here.compared == 0
    assert bc.verify(tmp_path / "out", progress=False).ok


def test_a_stimulus_that_only_one_pass_could_read_is_tried_again(run, here, pictures):
    whole = (pictures / "03.png").read_bytes()
    (pictures / "03.png").write_bytes(b"no image")
    here.before = {1: lambda: (pictures / "03.png").write_bytes(whole)}
    done = run("eeg-small,fmri-fwrf", block=10)
    assert here.computed == [(0, 0), (1, 0), (0, 0)] and not done.skipped
    assert any("computed again" in words for words in done.notes)


def test_a_stimulus_that_cannot_be_read_ends_the_run_when_asked(run, pictures):
    (pictures / "03.png").write_bytes(b"no image")
    with pytest.raises(DamagedFileError, match=r"'03.png'.*--on-bad mark"):
        run(on_bad="raise")


def test_a_run_that_ended_at_a_bad_stimulus_may_go_on_and_mark_it(run, here, pictures, tmp_path):
    (pictures / "05.png").write_bytes(b"no image")
    for on_bad in ("raise", "raise"):
        with pytest.raises(DamagedFileError, match=r"'05.png'"):
            run(on_bad=on_bad)
    assert here.computed == [(0, 0)]
    done = run(on_bad="mark")
    assert done.resumed and [one.id for one in done.skipped] == ["05.png"]
    assert here.computed == [(0, 0), (0, 1), (0, 2)]
    assert bc.verify(tmp_path / "out", progress=False).ok


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"stored_dtype": "float16"}, "stored_dtype was float32, is float16"),
        ({"tile": 8}, "tile was 2, is 8"),
        ({"rois": ["V1"]}, "rois was None, is "),
    ],
)
def test_settings_that_are_given_again_must_be_those_of_the_earlier_run(interrupted, here, tmp_path, settings, words):
    with pytest.raises(InputValueError, match=f"other settings .*{words}"):
        synthesize(output=tmp_path / "out", resume=True, **settings)
    assert not here.computed


def test_another_model_under_the_same_name_is_noticed(interrupted, here, models, pictures, tmp_path):
    other = tmp_path / "models"
    shutil.copytree(models.address, other)
    shutil.rmtree(other / LINEAR)
    models.encoder("fmri-gaussian").save(other / LINEAR / "subject-01")
    with pytest.raises(InputValueError, match=r"fmri-linear subject 1 .* is another model"):
        synthesize(other, LINEAR, stimuli=pictures, output=tmp_path / "out", on_note=here.notes.append, **QUICK)


def test_images_in_memory_have_to_be_given_again(run, here, tmp_path):
    images = np.zeros((10, 16, 16, 3), np.uint8)
    here.most = 1
    with pytest.raises(KeyboardInterrupt):
        run(stimuli=images, name="grey")
    here.most = None
    with pytest.raises(InputValueError, match="give them again"):
        synthesize(output=tmp_path / "out", resume=True)
    given = {"stimuli": images, "progress": False, "on_note": here.notes.append}
    assert synthesize(output=tmp_path / "out", resume=True, **given).resumed


def test_a_list_of_images_is_recorded(run, here, pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(pictures)
    here.most = 1
    with pytest.raises(KeyboardInterrupt):
        run(stimuli=[f"{number:02d}.png" for number in (7, 2, 5, 1, 9)], name="few")
    here.most = None
    monkeypatch.chdir(tmp_path)
    done = synthesize(output=tmp_path / "out", resume=True, progress=False, on_note=here.notes.append)
    assert done.resumed
    found = done.store().stimulus_set("few")
    assert found.ids.tolist() == ["07.png", "02.png", "05.png", "01.png", "09.png"]
    np.testing.assert_array_equal(found[0], np.asarray(Image.open(pictures / "07.png")))
    made = done.store().response_sets().iloc[0]
    titles = done.store().stimulus_titles(
        made["model"], stimuli="few", subject=made["subject"], roi=made["roi"] or None
    )
    assert titles.tolist() == ["07", "02", "05", "01", "09"]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"names": "fmri-liner"}, UnknownNameError, "did you mean 'fmri-linear'"),
        ({"rois": "V9"}, UnknownNameError, "'V9' of fmri-linear subject 1.*FFA-1"),
        ({"subjects": 9}, UnknownNameError, "unknown subject 9 of fmri-linear.*available: 1"),
        ({"stimuli": "no/such/folder"}, MissingFileError, "no/such/folder"),
        ({"name": "a/b"}, InputValueError, "such as 'a-b'"),
        ({"tile": 4, "block": 6}, InputValueError, "not made of whole tiles"),
        ({"tile": 2**40, "block": None}, InputValueError, "tiles of 1,099,.* free: take smaller ones"),
        ({"cluster": "slrum"}, UnknownNameError, "did you mean 'slurm'"),
        ({"workers": 0}, InputValueError, "workers must be a whole number"),
        ({"cluster_options": {"queue": "gpu"}}, InputValueError, "cluster='slurm'"),
        ({"storage_options": {"key": "a"}}, InputValueError, "are for remote addresses"),
        ({"output": "http://example.org/x"}, InputValueError, "can be read, not written to"),
        ({"resume": True, "overwrite": True}, InputValueError, "choose one of them"),
        ({"names": None}, InputValueError, "models are missing"),
        ({"stimuli": None}, InputValueError, "stimuli are missing"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(run, here, tmp_path, changes, error, words):
    with pytest.raises(error, match=words):
        run(changes.pop("names", LINEAR), **changes)
    assert not (tmp_path / "out").exists() and not here.computed


def test_what_was_moved_since_a_run_began_may_be_given_again(models, pictures, here, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(pictures, first / "pictures")
    shutil.copytree(models.address, first / "models")
    quiet = {"output": tmp_path / "out", "on_note": str, **QUICK}
    here.most = 1
    with pytest.raises(KeyboardInterrupt):
        synthesize(first / "models", LINEAR, stimuli=first / "pictures", **quiet)
    here.most = None
    first.rename(second)
    with pytest.raises(MissingFileError, match=r"models not found: .*say where they are now \(--store, store=\)"):
        synthesize(**quiet, resume=True)
    with pytest.raises(MissingFileError, match=r"stimuli not found: .*now \(--stimuli, stimuli=\)"):
        synthesize(second / "models", **quiet, resume=True)
    assert synthesize(second / "models", stimuli=second / "pictures", **quiet, resume=True).resumed


def test_nothing_to_go_on_with_is_said(tmp_path):
    with pytest.raises(MissingFileError, match="synthesis to go on with not found"):
        synthesize(output=tmp_path / "out", resume=True)


def test_several_syntheses_to_go_on_with_have_to_be_told_apart(run, here, tmp_path):
    run()
    run(FWRF, add=True, name="others")
    with pytest.raises(InputValueError, match="holds several syntheses"):
        synthesize(output=tmp_path / "out", resume=True)
    done = synthesize(output=tmp_path / "out", name="others", resume=True, on_note=here.notes.append)
    assert done.plan.request.stimuli == "others"


def test_two_runs_do_not_write_to_one_store(run, tmp_path):
    from braincodec.synthesis.storage.place import open_place

    with open_place(tmp_path / "out").exclusive(), pytest.raises(OutputError, match="being written by another"):
        run()


def test_a_model_without_a_licence_is_remarked_upon(run, here, models, pictures, tmp_path):
    done = run()
    (words,) = [words for words in done.notes if "licence" in words]
    assert words.startswith("fmri-linear: no licence states redistribution") and words in here.notes
    with pytest.warns(UserWarning, match="no licence states"):
        synthesize(models, LINEAR, stimuli=pictures, output=tmp_path / "other", **QUICK)


def test_a_dry_run_tells_everything_and_writes_nothing(models, pictures, tmp_path):
    forecast = plan_synthesis(
        models, "all", stimuli=pictures, output=tmp_path / "out", workers=2, progress=False, **{"tile": 2, "block": 4}
    )
    words = str(forecast)
    assert forecast.arrays == 7 and not (tmp_path / "out").exists()
    for expected in (
        "output        " + str(tmp_path / "out") + ": new",
        "shared        a network's features: once in place of 2",
        "7 arrays of 10 stimuli, float32",
        "compressed (by a probe)",
        "with 2 workers on this machine, 1 thread each",
        "free, ",
        "note          fmri-lea: no licence",
    ):
        assert expected in words
    assert forecast.seconds > 0


def test_a_tile_beyond_the_memory_is_refused_before_it_is_tried(models, pictures, tmp_path):
    with pytest.raises(InputValueError, match=r"take a worker about .* of memory"):
        plan_synthesis(models, LINEAR, stimuli=pictures, output=tmp_path / "out", tile=2**40)


def test_one_stimulus_is_one(models, pictures, tmp_path):
    forecast = plan_synthesis(
        models, LINEAR, stimuli=[sorted(pictures.iterdir())[0]], name="one", output=tmp_path / "out", probe_seconds=0
    )
    assert "of 1 stimulus, float32" in str(forecast)


def test_a_dry_run_of_an_interrupted_run_counts_what_is_left(interrupted, models, pictures, tmp_path):
    forecast = plan_synthesis(models, LINEAR, stimuli=pictures, output=tmp_path / "out", probe_seconds=0, **QUICK)
    assert forecast.finished == {0: 4} and forecast.seconds is None
    assert forecast.missing_bytes < forecast.stored_bytes
    assert "goes on, 1 of 3 blocks are there" in str(forecast)


def test_a_disk_that_is_too_small_is_refused_before_long_work(models, pictures, tmp_path):
    from dataclasses import replace

    forecast = plan_synthesis(models, LINEAR, stimuli=pictures, output=tmp_path / "out", probe_seconds=0)
    assert check_room(replace(forecast, free_bytes=None)) == []
    assert check_room(replace(forecast, free_bytes=forecast.missing_bytes)) == []
    (words,) = check_room(replace(forecast, free_bytes=forecast.missing_bytes - 1))
    assert "may become full" in words
    with pytest.raises(OutputError, match="make room, store them as float16, or take fewer"):
        check_room(replace(forecast, free_bytes=int(forecast.missing_bytes * SMALLEST_PART) - 1))


def test_plans_lie_under_the_hash_of_their_request(run, tmp_path):
    from braincodec.synthesis.storage.place import open_place

    done = run()
    assert jobs(open_place(tmp_path / "out")) == [done.plan.request.hash()[:12]]


def test_a_store_in_a_bucket_is_written_gone_on_with_and_read(run, here, bucket):
    there = {"output": bucket.address, "storage_options": bucket.options}
    here.most = 1
    with pytest.raises(KeyboardInterrupt):
        run(**there)
    here.most = None
    done = run(**there)
    assert done.resumed and done.address == bucket.address
    near = run()
    found, expected = (one.store().responses(LINEAR, stimuli="pictures") for one in (done, near))
    np.testing.assert_array_equal(found.values, expected.values)
    assert bc.verify(bucket.address, bucket.options, progress=False).ok
    assert here.notes[-1].count("disk") == 1 and "disk" not in "".join(here.notes[:2])


def test_what_cannot_be_written_is_refused_before_models_are_loaded(run, bucket, tmp_path, monkeypatch):
    monkeypatch.setattr("braincodec.synthesis.planning.preparing.make_plan", lambda *_, **__: pytest.fail("loaded"))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputValueError, match="file is a file"):
        run(output=tmp_path / "file" / "below")
    with pytest.raises(UnreachableError, match="cannot write s3://no-such-bucket-here/store"):
        run(output="s3://no-such-bucket-here/store", storage_options=bucket.options)


@pytest.mark.slow
def test_processes_write_to_a_bucket(models, pictures, bucket, tmp_path):
    there = {"stimuli": pictures, "cluster": "local", "workers": 2, **QUICK}
    near = synthesize(models, "eeg-*", output=tmp_path / "out", on_note=print, **there)
    far = synthesize(models, "eeg-*", output=bucket.address, storage_options=bucket.options, on_note=print, **there)
    for subject in (1, 2):
        found, expected = (
            one.store().responses("eeg-small", stimuli="pictures", subject=subject) for one in (far, near)
        )
        np.testing.assert_array_equal(found.values, expected.values)
