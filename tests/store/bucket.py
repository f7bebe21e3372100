"""An S3 server on loopback with a small published folder and a small store of our own."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from braincodec import open_store

from ..small_models import AFFINE, VOLUME_SHAPE, fwrf_weights, gabor_linear, images

BUCKET = "brain-encoding-response-generator"
PLACE = "encoding_models/modality-fmri/train_dataset-nsd/model-fwrf"
WEIGHTS = f"{PLACE}/encoding_models_weights/weights_sub-01_roi-V1.pt"
METADATA = f"{PLACE}/metadata/metadata_sub-01_roi-V1.npy"
IMAGES = images(3)


class Gate:
    """Between the client and the server: notes what is asked for, and spoils answers on request."""

    def __init__(self, app) -> None:
        self.app = app
        self.fetched: list[str] = []
        self.listed = 0
        self.spoil = None

    def __call__(self, environ, start_response):
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if "list-type" in environ.get("QUERY_STRING", ""):
            self.listed += 1
        elif method == "GET":
            self.fetched.append(path.removeprefix(f"/{BUCKET}/"))
        if self.spoil is None or method != "GET":
            return self.app(environ, start_response)
        answer: list = []
        body = b"".join(self.app(environ, lambda status, headers, info=None: answer.extend((status, headers))))
        status, headers, body = self.spoil(path, *answer[:2], body)
        headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]


def berg_folder() -> dict[str, bytes]:
    """Files of a folder as published, with one small model."""
    weights = fwrf_weights(3)
    readout = {name: tensor for name, tensor in weights.items() if name in ("rf0", "rf1", "rf2", "w", "b")}
    trunk = {name: tensor for name, tensor in weights.items() if name not in readout}
    checkpoint, metadata = io.BytesIO(), io.BytesIO()
    torch.save({"stim_mean": weights["mu"], "best_params": {"enc": trunk, "fwrfs": {1: readout}}}, checkpoint)
    mask = np.zeros(VOLUME_SHAPE, bool)
    mask[2, 3, 1:4] = True
    fmri = {"ncsnr": np.ones(3, np.float32), "roi_mask_volume": mask, "fmri_affine": AFFINE}
    np.save(metadata, {"fmri": fmri, "encoding_models": {}}, allow_pickle=True)
    files = {WEIGHTS: checkpoint.getvalue(), METADATA: metadata.getvalue()}
    return files | {WEIGHTS.replace("V1", "V2"): b"never read", f"{PLACE}/encoding_models_weights/.hidden": b""}


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    """A store of our own on this machine."""
    root = tmp_path_factory.mktemp("native")
    encoder = gabor_linear(6, model="whole")
    encoder.save(root / "whole" / "subject-01")
    place = root / "generated_responses" / "whole" / "stimuli-test"
    encoder.encode_to(place / "subject-01.zarr", IMAGES, device="cpu")
    return root


@pytest.fixture(scope="module")
def server(native) -> Iterator[Gate]:
    """An S3 server with the published bucket, and one of ours."""
    pytest.importorskip("s3fs", reason="needs the extra 'remote'")
    pytest.importorskip("moto.server", reason="needs moto[server]")
    import boto3
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    gate = Gate(running._server.app)
    running._server.app = gate
    gate.url = "http://{}:{}".format(*running.get_host_and_port())
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    gate.client = boto3.client("s3", endpoint_url=gate.url, **keys)
    for bucket in (BUCKET, "ours"):
        gate.client.create_bucket(Bucket=bucket, ACL="public-read-write")
    for path in sorted(native.rglob("*")):
        if path.is_file():
            key = f"models/{path.relative_to(native).as_posix()}"
            gate.client.put_object(Bucket="ours", Key=key, Body=path.read_bytes(), ACL="public-read")
    yield gate
    running.stop()


@pytest.fixture
def bucket(server) -> Iterator[Gate]:
    """The published bucket with fresh files, and nothing noted yet."""
    for key, content in berg_folder().items():
        server.client.put_object(Bucket=BUCKET, Key=key, Body=content, ACL="public-read")
    server.fetched.clear()
    server.listed, server.spoil = 0, None
    yield server
    server.spoil = None
    for item in server.client.list_objects_v2(Bucket=BUCKET)["Contents"]:
        server.client.delete_object(Bucket=BUCKET, Key=item["Key"])


@pytest.fixture
def opened(bucket, tmp_path):
    """Open the bucket, with a cache of this test's own."""

    def open_it(address=f"s3://{BUCKET}", **options):
        options = {"anon": True, "client_kwargs": {"endpoint_url": bucket.url}, "cache": tmp_path / "cache"} | options
        return open_store(address, **options)

    return open_it
