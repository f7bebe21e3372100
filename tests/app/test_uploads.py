"""Photographs that strangers send."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from braincodec.app import uploads
from braincodec.app.uploads import LONGEST_KEPT, UploadError, checked_pixels, read_upload, reduced
from braincodec.features import Preprocessing

from ..small_models import images

PHOTOGRAPH = Image.fromarray(images(1, size=64)[0])


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_the_usual_kinds_are_read(kind):
    options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    pixels = read_upload(encoded(PHOTOGRAPH, kind, **options))
    assert pixels.shape == (64, 64, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - np.asarray(PHOTOGRAPH)).mean() < 12  # GIF has 256 colours


def test_the_type_is_judged_by_the_content_not_the_name(tmp_path):
    path = tmp_path / "holiday.txt"
    path.write_bytes(encoded(PHOTOGRAPH, "PNG"))
    assert np.array_equal(read_upload(path), np.asarray(PHOTOGRAPH))
    path = tmp_path / "holiday.png"
    path.write_text("not a picture")
    with pytest.raises(UploadError, match="PNG, JPEG, WebP"):
        read_upload(path)


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7 a document",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
        b"GIF89a",
        b"\xff\xd8\xff\xe0",
        b"P6 9999 9999 255\n",
        b"\x93NUMPY\x01\x00",
    ],
    ids=["pdf", "svg", "postscript", "damaged png", "short gif", "short jpeg", "ppm", "npy"],
)
def test_what_is_no_photograph_gets_one_sentence(content):
    with pytest.raises(UploadError) as info:
        read_upload(content)
    assert "\n" not in str(info.value)
    assert "please" in str(info.value)


@pytest.mark.parametrize("content", [b""], ids=["empty"])
def test_an_empty_file_is_named(content):
    with pytest.raises(UploadError, match="empty"):
        read_upload(content)


def test_a_file_that_is_gone_is_asked_for_again(tmp_path):
    with pytest.raises(UploadError, match="send it again"):
        read_upload(tmp_path / "gone.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_truncated_files_are_refused(kind):
    noisy = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    content = encoded(noisy, kind)
    with pytest.raises(UploadError):
        read_upload(content[: len(content) // 2])


def test_too_many_bytes_are_refused_unread(monkeypatch, tmp_path):
    monkeypatch.setattr(uploads, "MOST_BYTES", 1000)
    path = tmp_path / "large.png"
    path.write_bytes(encoded(PHOTOGRAPH, "BMP"))
    monkeypatch.setattr(type(path), "read_bytes", lambda _: pytest.fail("was read"))
    with pytest.raises(UploadError, match="at most"):
        read_upload(path)


def png_that_declares(width: int, height: int) -> bytes:
    """A small PNG file of a very large black image."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**6), 9))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(8000, 8000), (30_000, 30_000), (2**31 - 1, 2**31 - 1), (60_000_000, 1)])
def test_decompression_bombs_are_refused_before_they_are_decoded(size, monkeypatch):
    monkeypatch.setattr(uploads, "decode_image", lambda *_: pytest.fail("was decoded"))
    with pytest.raises(UploadError, match="too large"):
        read_upload(png_that_declares(*size))


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.fromarray(frame) for frame in images(3, size=64)]
    content = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert np.array_equal(read_upload(content), np.asarray(frames[0]))


def test_the_rotation_of_the_camera_is_applied():
    wide = Image.fromarray(images(1, size=64)[0][:32])
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    pixels = read_upload(encoded(wide, "PNG", exif=exif))
    assert np.array_equal(pixels, np.rot90(np.asarray(wide), -1))


def test_transparent_pixels_are_white():
    transparent = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    assert (read_upload(encoded(transparent, "PNG")) == 255).all()


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(np.full((16, 16), 30_000, np.uint16)),
        Image.new("L", (16, 16), 116),
        Image.new("P", (16, 16), 116),
        Image.new("LA", (16, 16), (116, 255)),
        Image.new("1", (16, 16), 1),
    ],
    ids=["16 bits", "grey", "palette", "grey with alpha", "black and white"],
)
def test_other_modes_become_rgb(image):
    assert read_upload(encoded(image, "PNG")).shape == (16, 16, 3)


def test_sixteen_bits_are_scaled_not_cut():
    pixels = read_upload(encoded(Image.fromarray(np.full((16, 16), 30_000, np.uint16)), "PNG"))
    assert (pixels == round(30_000 / 257)).all()


def test_cmyk_photographs_become_rgb():
    pixels = read_upload(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))
    assert pixels[0, 0, 0] > 200
    assert pixels[0, 0, 1] < 60


def test_a_photograph_of_a_few_pixels_is_refused():
    with pytest.raises(UploadError, match="at least"):
        read_upload(encoded(Image.new("RGB", (4, 40)), "PNG"))


def test_large_photographs_are_reduced_and_look_the_same_to_a_network():
    from braincodec.simulate.photos import photograph

    grain = np.kron(photograph("coffee"), np.ones((6, 6, 1), np.uint8))
    small = reduced(grain)
    assert min(small.shape[:2]) == LONGEST_KEPT
    network = Preprocessing(square_crop=True, resize=224, divisor=1.0)
    assert float((network(small[None]) - network(grain[None])).abs().mean()) < 1.5  # of 255
    assert reduced(small) is small


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200), st.integers(0, 400), st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"]))
def test_damaged_files_of_any_kind_are_pixels_or_a_sentence(noise, place, kind):
    content = bytearray(encoded(PHOTOGRAPH, kind))
    content[place : place + len(noise)] = noise
    try:
        pixels = read_upload(bytes(content))
    except UploadError as error:
        assert "\n" not in str(error)
    else:
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((9, 9), np.uint8),
        np.zeros((9, 9, 4), np.uint8),
        np.zeros((9, 9, 3)),
        np.zeros((0, 9, 3), np.uint8),
        None,
    ],
    ids=["grey", "four channels", "floats", "nothing", "none"],
)
def test_pixels_of_another_shape_or_type_are_refused(pixels):
    with pytest.raises(UploadError):
        checked_pixels(pixels)
