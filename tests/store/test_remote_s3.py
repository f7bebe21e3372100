"""A store in a bucket, served by an S3 server on loopback."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from braincodec import open_store
from braincodec.errors import DamagedFileError, MissingFileError, OutputError, UnreachableError

from .bucket import BUCKET, IMAGES, METADATA, PLACE, WEIGHTS, berg_folder


def cached(tmp_path) -> list[str]:
    """Fetched files, without the notes on them."""
    return sorted(p.name for p in (tmp_path / "cache").rglob("*") if p.is_file() and "notes" not in p.parts)


def test_the_public_bucket_opens_word_for_word(bucket, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.url)
    monkeypatch.setenv("BRAINCODEC_CACHE", str(tmp_path / "cache"))
    store = open_store("s3://brain-encoding-response-generator", anon=True)
    assert store.models().id.tolist() == ["fmri-nsd-fwrf"]
    assert store.encoder("fmri-nsd-fwrf", subject=1, roi="V1").response_shape == (3,)
    assert cached(tmp_path) == ["metadata_sub-01_roi-V1.npy", "weights_sub-01_roi-V1.pt"]


def test_models_are_listed_without_fetching_a_file(opened, bucket, tmp_path):
    table = opened().models()
    assert table.rois.tolist() == [["V1", "V2"]]
    assert bucket.fetched == []
    assert bucket.listed > 0
    assert cached(tmp_path) == []


def test_only_the_files_asked_for_are_fetched_and_only_once(opened, bucket, tmp_path):
    encoder = opened().encoder("fmri-nsd-fwrf", subject=1, roi="V1")
    assert sorted(set(bucket.fetched)) == sorted([WEIGHTS, METADATA])
    assert len(bucket.fetched) == 2
    assert encoder.units.k.values.tolist() == [1, 2, 3]
    responses = encoder.encode(IMAGES, device="cpu")
    bucket.fetched.clear()
    again = opened().encoder("fmri-nsd-fwrf", subject=1, roi="V1")
    assert bucket.fetched == []
    assert np.allclose(again.encode(IMAGES, device="cpu").values, responses.values, atol=1e-5)


def test_a_changed_file_is_fetched_again(opened, bucket):
    first = opened().encoder("fmri-nsd-fwrf", roi="V1")
    changed = berg_folder()[METADATA].replace(np.float32(1).tobytes() * 3, np.float32(2).tobytes() * 3)
    bucket.client.put_object(Bucket=BUCKET, Key=METADATA, Body=changed, ACL="public-read")
    bucket.fetched.clear()
    second = opened().encoder("fmri-nsd-fwrf", roi="V1")
    assert bucket.fetched == [METADATA]
    assert (first.units.ncsnr.values[0], second.units.ncsnr.values[0]) == (1, 2)


def test_a_copy_that_somebody_touched_is_fetched_again(opened, bucket, tmp_path):
    opened().encoder("fmri-nsd-fwrf", roi="V1")
    copy = next((tmp_path / "cache").rglob("metadata*.npy"))
    content = bytearray(copy.read_bytes())
    content[-10] ^= 255  # the same size
    copy.write_bytes(content)
    os.utime(copy, ns=(1, 1))
    bucket.fetched.clear()
    opened().encoder("fmri-nsd-fwrf", roi="V1")
    assert bucket.fetched == [METADATA]


def truncate(path, status, headers, body):
    return status, headers, body[: len(body) // 2] if path.endswith(".pt") else body


def alter(path, status, headers, body):
    return status, headers, bytes([body[0] ^ 1]) + body[1:] if path.endswith(".pt") else body


@pytest.mark.parametrize("spoil", [truncate, alter])
def test_a_file_spoilt_on_the_way_is_noticed_and_not_kept(opened, bucket, tmp_path, spoil):
    bucket.spoil = spoil
    store = opened()
    with pytest.raises((DamagedFileError, UnreachableError), match=r"weights_sub-01_roi-V1\.pt"):
        store.encoder("fmri-nsd-fwrf", roi="V1")
    assert not any(name.endswith(".pt") for name in cached(tmp_path))
    bucket.spoil = None
    assert store.encoder("fmri-nsd-fwrf", roi="V1").response_shape == (3,)  # the next try is whole


def test_a_file_that_changes_between_listing_and_fetching_is_noticed_once(opened, bucket, tmp_path):
    store = opened()
    store.folder.is_file(METADATA)
    store.folder.is_file(WEIGHTS)
    longer = berg_folder()[METADATA] + b"\0"
    bucket.client.put_object(Bucket=BUCKET, Key=METADATA, Body=longer, ACL="public-read")
    with pytest.raises((DamagedFileError, UnreachableError), match=r"metadata_sub-01_roi-V1\.npy"):
        store.folder.local(METADATA)
    assert cached(tmp_path) == []
    assert store.folder.local(METADATA).read_bytes() == longer


def test_files_of_an_encrypted_bucket_have_no_checksum_to_compare(opened, bucket, monkeypatch):
    kept = berg_folder()[METADATA]
    options = {"ServerSideEncryption": "aws:kms", "ACL": "public-read"}
    bucket.client.put_object(Bucket=BUCKET, Key=METADATA, Body=kept, **options)
    folder = opened().folder
    entry = type(folder)._entry
    # the tag of an encrypted file is no MD5, which the server here does not imitate
    monkeypatch.setattr(folder, "_entry", lambda name: {**entry(folder, name), "ETag": '"' + 32 * "0" + '"'})
    assert folder.local(METADATA).read_bytes() == kept
    with pytest.raises(DamagedFileError, match="other bytes than its checksum says"):
        folder.local(WEIGHTS)


@pytest.mark.parametrize("error", [KeyboardInterrupt, UnreachableError])
def test_an_interrupted_fetch_gives_no_file_and_goes_on_where_it_stopped(opened, bucket, tmp_path, monkeypatch, error):
    folder = opened().folder
    blocks = type(folder)._blocks

    def interrupted(self, name, entry, begin):
        yield next(blocks(self, name, entry, begin))[:1000]
        raise error("stop")

    with monkeypatch.context() as patch:
        patch.setattr(type(folder), "_blocks", interrupted)
        with pytest.raises(error):
            folder.local(WEIGHTS)
    assert cached(tmp_path) == []
    begun = []

    def noted(self, name, entry, begin):
        begun.append(begin)
        yield from blocks(self, name, entry, begin)

    monkeypatch.setattr(type(folder), "_blocks", noted)
    assert opened().folder.local(WEIGHTS).read_bytes() == berg_folder()[WEIGHTS]
    assert begun == [1000]


def test_what_came_of_an_older_version_is_not_continued(opened, bucket, monkeypatch):
    folder = opened().folder
    blocks = type(folder)._blocks

    def interrupted(self, name, entry, begin):
        yield next(blocks(self, name, entry, begin))[:100]
        raise UnreachableError("stop")

    with monkeypatch.context() as patch:
        patch.setattr(type(folder), "_blocks", interrupted)
        with pytest.raises(UnreachableError):
            folder.local(METADATA)
    changed = berg_folder()[METADATA][::-1]
    bucket.client.put_object(Bucket=BUCKET, Key=METADATA, Body=changed, ACL="public-read")
    assert opened().folder.local(METADATA).read_bytes() == changed


def test_two_at_once_do_not_disturb_each_other(opened, monkeypatch):
    first, second = opened().folder, opened().folder
    blocks = type(first)._blocks
    inner = []

    def nested(self, name, entry, begin):
        if self is first:
            inner.append(second.local(name).read_bytes())
        yield from blocks(self, name, entry, begin)

    monkeypatch.setattr(type(first), "_blocks", nested)
    assert first.local(WEIGHTS).read_bytes() == inner[0] == berg_folder()[WEIGHTS]


def test_offline_takes_what_was_fetched_and_names_what_was_not(opened, bucket, tmp_path, monkeypatch):
    expected = opened().encoder("fmri-nsd-fwrf", roi="V1").encode(IMAGES, device="cpu")
    bucket.fetched.clear()
    bucket.listed = 0
    monkeypatch.setenv("BRAINCODEC_OFFLINE", "1")
    store = opened()
    assert store.models().rois.tolist() == [["V1"]]
    assert np.array_equal(store.encoder("fmri-nsd-fwrf", roi="V1").encode(IMAGES, device="cpu"), expected)
    assert (bucket.fetched, bucket.listed) == ([], 0)
    with pytest.raises(MissingFileError, match=r"offline copy of the file not found.*roi-V2.*fetch it once"):
        store.folder.local(WEIGHTS.replace("V1", "V2"))
    store.folder.local(METADATA).write_bytes(b"changed")
    with pytest.raises(DamagedFileError, match="was changed since it was fetched"):
        store.folder.local(METADATA)
    with pytest.raises(MissingFileError, match="offline copy not found: s3://ours"):
        opened("s3://ours")
    monkeypatch.setenv("BRAINCODEC_OFFLINE", "0")
    assert opened().models().rois.tolist() == [["V1", "V2"]]


def test_an_absent_file_is_named_with_its_address(opened, bucket):
    bucket.client.delete_object(Bucket=BUCKET, Key=METADATA)
    bucket.client.delete_object(Bucket=BUCKET, Key=WEIGHTS.replace("V1", "V2"))
    store = opened()
    with pytest.raises(MissingFileError, match=rf"weights of .* V2.*not found: s3://{BUCKET}/{PLACE}/.*roi-V2\.pt"):
        store.encoder("fmri-nsd-fwrf", roi="V2")
    with pytest.raises(MissingFileError, match=f"not found: s3://{BUCKET}/no/such/file"):
        store.folder.local("no/such/file")
    with pytest.raises(MissingFileError, match=f"not found: s3://{BUCKET}/no/such"):
        store.folder.local_folder("no/such")
    assert store.folder.names("no/such") == []
    assert not store.folder.is_file("encoding_models/../../x")


def test_an_absent_bucket_is_named(opened):
    with pytest.raises(MissingFileError, match="store not found: s3://no-such-bucket"):
        opened("s3://no-such-bucket")


def test_hidden_files_are_not_listed(opened):
    assert opened().folder.names(f"{PLACE}/encoding_models_weights") == [
        "weights_sub-01_roi-V1.pt",
        "weights_sub-01_roi-V2.pt",
    ]


def test_no_key_leads_out_of_the_cache(opened, bucket, tmp_path):
    for key in ("set/../../../../escaped", "set/a\\..\\..\\escaped", "set/good"):
        bucket.client.put_object(Bucket=BUCKET, Key=key, Body=b"x", ACL="public-read")
    folder = opened().folder
    assert folder.names("set") == ["good"]
    assert [item.name for item in folder.local_folder("set").iterdir()] == ["good"]
    assert not list(tmp_path.rglob("*escaped*"))


def test_a_fetched_folder_loses_files_that_are_gone_there(opened, bucket):
    for key in ("set/a", "set/deep/b"):
        bucket.client.put_object(Bucket=BUCKET, Key=key, Body=b"x", ACL="public-read")
    place = opened().folder.local_folder("set")
    assert sorted(str(path.relative_to(place)) for path in place.rglob("*")) == ["a", "deep", "deep/b"]
    bucket.client.delete_object(Bucket=BUCKET, Key="set/deep/b")
    opened().folder.local_folder("set")
    assert [path.name for path in place.iterdir()] == ["a"]


def refuse(path, status, headers, body):
    error = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    return "403 Forbidden", [("Content-Type", "application/xml")], error.encode()


def test_no_permission_is_said_quickly(opened, bucket):
    bucket.spoil = refuse
    begin = time.monotonic()
    with pytest.raises(UnreachableError, match=rf"no permission to read s3://{BUCKET}.*anon=True"):
        opened()
    assert time.monotonic() - begin < 10


def test_no_permission_for_one_file_names_it(opened, bucket):
    store = opened()
    store.models()
    bucket.spoil = refuse
    with pytest.raises(UnreachableError, match=rf"no permission to read s3://{BUCKET}/.*\.(pt|npy)"):
        store.encoder("fmri-nsd-fwrf", roi="V1")


def test_no_connection_is_said_quickly(opened):
    begin = time.monotonic()
    with pytest.raises(UnreachableError, match=rf"cannot read s3://{BUCKET}: .*127\.0\.0\.1:9"):
        opened(client_kwargs={"endpoint_url": "http://127.0.0.1:9"})
    assert time.monotonic() - begin < 20


@pytest.fixture
def answering_nothing():
    """A server that takes connections and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_patience_can_be_chosen(opened, answering_nothing):
    begin = time.monotonic()
    patience = {"connect_timeout": 1, "read_timeout": 0.3, "retries": {"max_attempts": 0}}
    with pytest.raises(UnreachableError):
        opened(client_kwargs={"endpoint_url": answering_nothing}, config_kwargs=patience)
    assert time.monotonic() - begin < 20


def test_a_store_of_ours_at_an_address(opened, bucket, native, tmp_path):
    store = opened("s3://ours/models/")
    bucket.fetched.clear()
    assert store.models().id.tolist() == ["whole"]
    encoder = store.encoder("whole", roi="V1")
    wanted = open_store(native).encoder("whole", roi="V1")
    assert np.allclose(
        encoder.encode(IMAGES, device="cpu").values, wanted.encode(IMAGES, device="cpu").values, atol=1e-5
    )
    assert len(cached(tmp_path)) == 5


def test_generated_responses_at_an_address_are_read_piece_by_piece(opened, bucket, native, tmp_path):
    store = opened("s3://ours/models")
    assert store.response_sets().stimuli.tolist() == ["test"]
    responses = store.responses("whole", stimuli="test", subject=1, roi="V1")
    chunks = [name for name in bucket.fetched if "/responses/c/" in name]
    assert chunks == []
    local = open_store(native).responses("whole", stimuli="test", subject=1, roi="V1")
    assert np.array_equal(responses.values, local.values)
    assert not [name for name in cached(tmp_path) if "zarr" in name]


def test_full_disk_of_the_cache_is_an_output_error(opened, tmp_path, monkeypatch):
    import errno

    folder = opened().folder

    def full(self, name, entry, begin):
        raise OSError(errno.ENOSPC, "No space left on device")
        yield b""

    monkeypatch.setattr(type(folder), "_blocks", full)
    with pytest.raises(OutputError, match=r"cannot write .*weights.*No space left"):
        folder.local(WEIGHTS)
