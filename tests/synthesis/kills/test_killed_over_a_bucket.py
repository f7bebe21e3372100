"""Runs that write to an object store, whose worker is killed, and which are killed whole."""

from __future__ import annotations

import random
from urllib.parse import urlsplit

import pytest

from ..object_store import bucket, s3_server
from .whole_run import Output, assert_same, started

__all__ = ["bucket", "s3_server"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7])
def test_a_bucket_holds_what_a_folder_would_after_a_worker_and_the_run_were_killed(
    study, undisturbed, bucket, tmp_path, seed
):
    chance, output, log = random.Random(seed), Output(bucket.address, bucket.options), tmp_path / "log"
    environment = {
        "AWS_ACCESS_KEY_ID": bucket.options["key"],
        "AWS_SECRET_ACCESS_KEY": bucket.options["secret"],
        "AWS_ENDPOINT_URL": bucket.options["client_kwargs"]["endpoint_url"],
    }
    assert urlsplit(environment["AWS_ENDPOINT_URL"]).hostname == "127.0.0.1"
    with started(output, *study.request(), "--workers", "2", log=log, **environment) as run:
        assert run.wait_for_records(chance.randint(1, 8)), run.said
        assert run.kill_a_worker(chance)
        assert run.wait_for_records(output.count() + chance.randint(1, 8)), run.said
        run.kill()
    kept = output.records()
    assert 0 < len(kept) < study.blocks
    with started(output, "--resume", "--workers", "2", log=log, **environment) as run:
        assert run.wait() == 0, run.said
    assert kept.items() <= output.records().items()
    assert_same(output, undisturbed)
