import io
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from braincodec.errors import DamagedFileError, UnsafeFileError
from braincodec.stimuli.decode import IMAGE_SUFFIXES, decode_image, image_header, is_image_name

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decode(data, name="picture"):
    return decode_image(io.BytesIO(data), name)


def smooth_image(size=(48, 64)):
    y, x = np.mgrid[: size[0], : size[1]]
    return Image.fromarray(np.stack([x * 3, y * 4, 255 - x - y], -1).astype(np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_give_the_stored_pixels(kind):
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(COLOURS), kind)), COLOURS)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_come_close(kind):
    image = smooth_image()
    error = np.abs(decode(encoded(image, kind, quality=95)).astype(int) - np.asarray(image))
    assert error.mean() < 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_any_mode_becomes_rgb_uint8(mode):
    if mode == "I;16":
        image = Image.fromarray(RNG.integers(0, 65536, (6, 9)).astype(np.uint16))
    else:
        image = Image.fromarray(COLOURS).convert(mode)
    decoded = decode(encoded(image, "TIFF"))
    assert decoded.shape == (6, 9, 3)
    assert decoded.dtype == np.uint8
    assert decoded.flags.writeable


def test_grey_has_three_equal_channels():
    decoded = decode(encoded(Image.fromarray(COLOURS[..., 0])))
    np.testing.assert_array_equal(decoded, np.repeat(COLOURS[..., :1], 3, axis=2))


def test_sixteen_bit_grey_is_scaled_and_not_clipped():
    levels = np.array([[0, 257, 32896, 65535]], np.uint16)
    assert decode(encoded(Image.fromarray(levels)))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_palette_colours_are_looked_up():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 0])
    image.putdata([1, 0])
    assert decode(encoded(image))[0].tolist() == [[200, 100, 0], [10, 20, 30]]


def test_transparent_pixels_are_blended_over_white():
    rgba = np.array([[[200, 0, 0, 255], [200, 0, 0, 0], [200, 0, 0, 128]]], np.uint8)
    opaque, clear, half = decode(encoded(Image.fromarray(rgba)))[0].tolist()
    assert opaque == [200, 0, 0]
    assert clear == [255, 255, 255]
    assert half == pytest.approx([227, 127, 127], abs=1)


def test_a_transparent_palette_entry_is_white():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 0])
    image.putdata([1, 0])
    assert decode(encoded(image, transparency=1))[0].tolist() == [[255, 255, 255], [10, 20, 30]]


def test_cmyk_is_converted_with_the_right_sign():
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red, green, blue = decode(encoded(image, "JPEG", quality=95))[8, 8]
    assert red > 200 and green < 60 and blue < 60


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation):
    upright = np.asarray(smooth_image())
    # what a camera stores so that the viewer's turn gives the upright picture
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    np.testing.assert_array_equal(decode(data), upright)


def test_a_broken_exif_block_does_not_lose_the_image():
    image = smooth_image()
    data = encoded(image, "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff\x00\x01")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow mentions the block
        assert decode(data).shape == (48, 64, 3)


def test_of_an_animation_the_first_picture_is_taken():
    frames = [Image.new("L", (4, 4), level) for level in (10, 200)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data).mean() == pytest.approx(10, abs=1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.95])
def test_a_truncated_image_is_named(kind, share):
    data = encoded(Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)), kind)
    with pytest.raises(DamagedFileError, match="cat"):
        decode(data[: int(len(data) * share)], "cat.jpg")


def test_text_is_no_image():
    with pytest.raises(DamagedFileError, match="not an image"):
        decode(b"hello, this is text", "notes.jpg")


def test_postscript_is_never_given_to_its_interpreter():
    with pytest.raises(DamagedFileError, match="not an image"):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n", "page.png")


def test_thirty_two_bit_pixels_without_a_range_are_refused():
    image = Image.fromarray(np.ones((4, 4), np.float32))
    with pytest.raises(DamagedFileError, match="value_range"):
        decode(encoded(image, "TIFF"))


def test_a_decompression_bomb_is_refused_unread():
    header = bytearray(encoded(Image.new("L", (1, 1)), "BMP"))
    header[18:22] = header[22:26] = (20_000).to_bytes(4, "little")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own mention of the size
        with pytest.raises(UnsafeFileError, match=r"20000|400000000"):
            decode(bytes(header), "bomb.bmp")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_decode_or_raise_our_error(data):
    original = bytearray(encoded(smooth_image((16, 16)), data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "TIFF"]))))
    for _ in range(data.draw(st.integers(1, 8))):
        original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            decoded = decode(bytes(original))
        except DamagedFileError:
            return
    assert decoded.dtype == np.uint8 and decoded.ndim == 3


def test_header_gives_height_and_width():
    assert image_header(io.BytesIO(encoded(smooth_image(), "JPEG")), "x") == (48, 64)


def test_suffixes_are_matched_without_case():
    assert all(is_image_name("x" + suffix.upper()) for suffix in IMAGE_SUFFIXES)
    assert not is_image_name("jpg")
