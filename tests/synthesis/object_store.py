"""An S3 server on loopback."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Bucket:
    """Where to write, and how to reach it."""

    address: str
    options: dict[str, Any]


@pytest.fixture(scope="session")
def s3_server():
    """Address of the server."""
    pytest.importorskip("s3fs", reason="needs the extra 'remote'")
    pytest.importorskip("moto.server", reason="needs moto[server]")
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield "http://{}:{}".format(*running.get_host_and_port())
    running.stop()


@pytest.fixture
def bucket(s3_server):
    """An empty bucket of the test's own."""
    import boto3

    name = f"bucket-{uuid.uuid4().hex[:12]}"
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1", **keys).create_bucket(Bucket=name)
    return Bucket(f"s3://{name}/store", {"key": "a", "secret": "b", "client_kwargs": {"endpoint_url": s3_server}})
