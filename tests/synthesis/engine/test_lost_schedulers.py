"""A scheduler that is lost between two looks, in every way that its client has to say so; nothing is started here."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
from distributed.client import ClosedClientError
from distributed.comm import CommClosedError

from braincodec.errors import InputValueError, UnreachableError
from braincodec.synthesis.workers.cluster import open_cluster
from braincodec.synthesis.workers.cluster.base import Cluster
from braincodec.synthesis.workers.engine import run_blocks

ADDRESS = "tcp://127.0.0.1:1"
KEPT = r"[2-4] of 5 blocks are kept, and the same command goes on from there$"


class Client:
    """A client with one worker, whose first blocks end well and whose next one raises."""

    id, status, scheduler = "client", "running", SimpleNamespace(ncores=None)

    def __init__(self, *, upon_submit=None, upon_result=None, status="running", upon_look=None, of_block=None):
        self.upon = {"submit": upon_submit, "result": upon_result, "look": upon_look}
        self.status_afterwards, self.of_block = status, of_block
        self.submitted = itertools.count()
        self.lost = False

    def fail(self, upon):
        if self.upon[upon] is not None:
            self.status, self.lost = self.status_afterwards, True
            raise self.upon[upon]

    def sync(self, *_, **__):
        if self.lost:
            self.fail("look")
        return {"tcp://127.0.0.1:2": 2}

    def register_plugin(self, *_, **__):
        if self.of_block is None:
            raise CommClosedError("no matter")

    def submit(self, task, name, block, **_):
        number = next(self.submitted)
        if number == 2:
            self.fail("submit")

        def result(timeout):
            from braincodec.synthesis.workers.worker import Outcome

            if number == 2:
                self.fail("result")
            return Outcome(result=self.of_block(block))

        return SimpleNamespace(result=result, release=lambda: None, add_done_callback=lambda call: call(None))


@pytest.fixture
def run(make_job):
    from stand_in import record_of

    def run_with(**failures):
        client = Client(of_block=record_of, **failures)
        job = make_job(count=20)
        run_blocks(Cluster(client, ADDRESS, None, lambda _: None, 1.0), job, job.plan.blocks())

    return run_with


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CommClosedError("Comm <TCP (closed)> already closed."), "running"),
        (TimeoutError("timed out after 30 s."), "running"),
        (ClosedClientError("Client is closed. Can't send update-graph message."), "closed"),
        (RuntimeError("IOLoop is closed"), "closed"),
        (AttributeError("'NoneType' object has no attribute 'send'"), "connecting"),
    ],
)
def test_a_scheduler_that_is_lost_while_work_is_handed_out_ends_the_run_with_what_is_kept(run, error, status):
    with pytest.raises(UnreachableError, match=rf"^the scheduler at {ADDRESS} is gone; {KEPT}"):
        run(upon_submit=error, status=status)


@pytest.mark.parametrize(
    "upon_look", [OSError("refused"), RuntimeError("ConnectionPool is closed"), NameError("result")]
)
def test_a_scheduler_that_is_lost_while_a_result_is_fetched_ends_the_run_with_what_is_kept(run, upon_look):
    with pytest.raises(UnreachableError, match=rf"^the scheduler at {ADDRESS} is gone; {KEPT}"):
        run(upon_result=CommClosedError("in <TCP>"), upon_look=upon_look)


def test_an_error_of_another_making_is_not_laid_on_a_scheduler_that_answers(run):
    with pytest.raises(BrokenPipeError, match=r"^nobody reads the progress$"):
        run(upon_submit=BrokenPipeError("nobody reads the progress"))


def test_a_worker_that_cannot_begin_is_left_out_where_the_scheduler_answers(run):
    with pytest.raises(InputValueError, match=rf"^no worker can do the work: .*ModuleNotFoundError: stand_in; {KEPT}"):
        run(upon_result=ModuleNotFoundError("stand_in"))


def test_a_client_that_cannot_be_closed_hides_nothing_and_is_not_closed_again(monkeypatch):
    closed = []

    class Closing(Client):
        def __init__(self, *_, **__):
            super().__init__()

        def close(self):
            closed.append(self)
            raise TimeoutError("timed out after 20 s.")

        def run_on_scheduler(self, _):
            return []

    monkeypatch.setattr("distributed.Client", Closing)
    with pytest.raises(UnreachableError, match="what ended the run"), open_cluster(ADDRESS):
        raise UnreachableError("what ended the run")
    (client,) = closed
    assert client.status == "closed"


def test_a_scheduler_that_did_not_answer_is_not_asked_again(monkeypatch):
    asked = []
    client = Client()
    client.sync = lambda *_, **__: asked.append(1) or 1 / 0
    client.unregister_worker_plugin = asked.append
    cluster = Cluster(client, ADDRESS, None, lambda _: None, 1.0)
    cluster.deploy(None, "job")
    for _ in range(2):
        with pytest.raises(UnreachableError, match="is gone, or does not answer"):
            cluster.workers()
    cluster.withdraw()
    assert len(asked) == 1 and cluster.is_lost
