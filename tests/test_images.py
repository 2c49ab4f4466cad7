"""The image contract: what every format, mode and orientation decodes to, and that nothing but InputError comes out."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image as Pillow

from unmask import images
from unmask.errors import InputError, LimitError
from unmask.images import as_image, decode, load, picture_format, to_grey, to_rgb

RGB = np.array(
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[10, 20, 30], [200, 100, 50], [255, 255, 255]]], dtype=np.uint8
)  # (2, 3, 3): no two pixels alike, so that every turn can be told from the others
GREY = np.array([[0, 50, 100], [150, 200, 255]], dtype=np.uint8)


def encode(picture: Pillow.Image, format_: str, **options: Any) -> bytes:
    """The bytes of a file."""
    buffer = io.BytesIO()
    picture.save(buffer, format_, **options)
    return buffer.getvalue()


def large(side: int = 64) -> Pillow.Image:
    """A colourful picture with some detail, RGB."""
    y, x = np.mgrid[:side, :side]
    return Pillow.fromarray(np.stack([x * 4, y * 4, (x * y) % 251], axis=-1).astype(np.uint8))


def smooth() -> Pillow.Image:
    """Colours that change slowly, so that compression loses little of them; RGB."""
    y, x = np.mgrid[:64, :64]
    return Pillow.fromarray(np.stack([x * 3, y * 3, 100 + x], axis=-1).astype(np.uint8))


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [png_chunk(b"IHDR", header), png_chunk(b"IDAT", zlib.compress(bytes(1000))), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(width: int, height: int, tile_side: int) -> bytes:
    """A black deflated RGB TIFF of one tile, which is as large as it likes."""
    data = zlib.compress(bytes(tile_side * tile_side * 3), 9)
    tags = {256: width, 257: height, 258: 8, 259: 8, 262: 2, 277: 3, 322: tile_side, 323: tile_side, 324: 8}
    tags[325] = len(data)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def orientation(code: int) -> Pillow.Exif:
    """Camera data that hold an orientation."""
    exif = Pillow.Exif()
    exif[274] = code
    return exif


def with_alpha(colours: NDArray[np.uint8], alpha: int) -> NDArray[np.uint8]:
    """The colours with one more channel of a constant."""
    return np.dstack([colours, np.full(colours.shape[:2], alpha, np.uint8)])


def over_white(colours: NDArray[np.uint8], alpha: int) -> NDArray[np.uint8]:
    """What colours look like on white, by the definition."""
    return np.rint(255 + (colours.astype(float) - 255) * alpha / 255).astype(np.uint8)


def deep_tiff(rows: list[list[int]], bits: int, *, white_is_zero: bool = False) -> bytes:
    """A grey TIFF of one uncompressed strip: words of 16 bits, or 12 bits packed, high bits first, rows on bytes."""
    packed = b""
    for row in rows:
        text = "".join(f"{value:0{bits}b}" for value in row)
        text += "0" * (-len(text) % 8)
        packed += bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))
    if bits == 16:
        packed = np.array(rows, "<u2").tobytes()
    height, width = len(rows), len(rows[0])
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: 0 if white_is_zero else 1, 273: 8, 277: 1, 278: height}
    tags[279] = len(packed)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + struct.pack("<H", len(tags)) + entries + bytes(4)


OTHER = Pillow.new("RGB", (3, 2), "teal")
SIXTEEN_BIT = np.array([[0, 255, 256], [0x7FFF, 0xFF00, 0xFFFF]], dtype=np.uint16)
BILEVEL = Pillow.fromarray(np.array([[0, 255, 0], [255, 0, 255]], np.uint8)).convert("1")
PALETTE = Pillow.fromarray(RGB).quantize(6)
GREY_PALETTE = Pillow.fromarray(np.array([[0, 1, 2], [3, 2, 1]], np.uint8), "P")
GREY_PALETTE.putpalette([v for v in (200, 9, 100, 50) for _ in range(3)])

LOSSLESS = [
    # name, file, pixels that must come out exactly
    ("png rgb", encode(Pillow.fromarray(RGB), "PNG"), RGB),
    ("png grey stays grey", encode(Pillow.fromarray(GREY), "PNG"), GREY),
    ("png one bit", encode(BILEVEL, "PNG"), [[0, 255, 0], [255, 0, 255]]),
    ("png palette", encode(PALETTE, "PNG"), RGB),
    ("png grey palette", encode(GREY_PALETTE, "PNG"), [[200, 9, 100], [50, 100, 9]]),
    ("png palette, one colour clear", encode(GREY_PALETTE, "PNG", transparency=1), [[200, 255, 100], [50, 100, 255]]),
    ("png palette, several alphas",
     encode(GREY_PALETTE, "PNG", transparency=b"\xff\x00\x80"), [[200, 255, 177], [50, 177, 255]]),
    ("png rgba", encode(Pillow.fromarray(with_alpha(RGB, 128)), "PNG"), over_white(RGB, 128)),
    ("png clear", encode(Pillow.fromarray(with_alpha(RGB, 0)), "PNG"), np.full_like(RGB, 255)),
    ("png grey and alpha", encode(Pillow.fromarray(with_alpha(GREY, 51), "LA"), "PNG"), over_white(GREY, 51)),
    ("png rgb, one colour clear", encode(Pillow.fromarray(RGB), "PNG", transparency=(10, 20, 30)),
     np.where(RGB == (10, 20, 30), 255, RGB)),
    ("png 16 bit", encode(Pillow.fromarray(SIXTEEN_BIT), "PNG"), [[0, 0, 1], [0x7F, 0xFF, 0xFF]]),
    ("png 16 bit, one grey clear", encode(Pillow.fromarray(SIXTEEN_BIT), "PNG", transparency=256),
     [[0, 0, 255], [0x7F, 0xFF, 0xFF]]),
    ("png animated", encode(Pillow.fromarray(RGB), "PNG", save_all=True, append_images=[OTHER]), RGB),
    ("bmp rgb", encode(Pillow.fromarray(RGB), "BMP"), RGB),
    ("bmp grey", encode(Pillow.fromarray(GREY), "BMP"), GREY),
    ("bmp one bit", encode(BILEVEL, "BMP"), [[0, 255, 0], [255, 0, 255]]),
    ("gif", encode(PALETTE, "GIF"), RGB),
    ("gif animated", encode(PALETTE, "GIF", save_all=True, append_images=[OTHER]), RGB),
    ("gif, one colour clear", encode(GREY_PALETTE, "GIF", transparency=1), [[200, 255, 100], [50, 100, 255]]),
    ("tiff rgb", encode(Pillow.fromarray(RGB), "TIFF"), RGB),
    ("tiff rgb deflated", encode(Pillow.fromarray(RGB), "TIFF", compression="tiff_deflate"), RGB),
    ("tiff grey", encode(Pillow.fromarray(GREY), "TIFF", compression="tiff_lzw"), GREY),
    ("tiff 16 bit", encode(Pillow.fromarray(SIXTEEN_BIT), "TIFF"), [[0, 0, 1], [0x7F, 0xFF, 0xFF]]),
    ("tiff 16 bit, big endian", encode(Pillow.fromarray(SIXTEEN_BIT.astype(">u2")), "TIFF"),
     [[0, 0, 1], [0x7F, 0xFF, 0xFF]]),
    ("tiff 16 bit lzw", encode(Pillow.fromarray(SIXTEEN_BIT), "TIFF", compression="tiff_lzw"),
     [[0, 0, 1], [0x7F, 0xFF, 0xFF]]),
    ("tiff 16 bit, white is 0", deep_tiff(SIXTEEN_BIT.tolist(), 16, white_is_zero=True),
     [[255, 255, 254], [0x80, 0, 0]]),
    ("tiff 12 bit", deep_tiff([[0, 15, 16, 4095], [2048, 17, 0, 31]], 12), [[0, 0, 1, 255], [128, 1, 0, 1]]),
    ("tiff of pages", encode(Pillow.fromarray(RGB), "TIFF", save_all=True, append_images=[large(9)]), RGB),
    ("tiff cmyk", encode(Pillow.fromarray(RGB).convert("CMYK"), "TIFF"), RGB),
    ("tiff rgba", encode(Pillow.fromarray(with_alpha(RGB, 128)), "TIFF"), over_white(RGB, 128)),
    ("webp lossless", encode(Pillow.fromarray(RGB), "WEBP", lossless=True), RGB),
    ("webp rgba", encode(Pillow.fromarray(with_alpha(RGB, 128)), "WEBP", lossless=True), over_white(RGB, 128)),
    ("webp animated", encode(Pillow.fromarray(RGB), "WEBP", lossless=True, save_all=True, append_images=[OTHER]), RGB),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in LOSSLESS], ids=[row[0] for row in LOSSLESS])
def test_lossless_files_decode_to_their_exact_pixels(data: bytes, expected: Any) -> None:
    """Every format and mode that loses nothing gives the pixels that were written, in the contract's form."""
    image = decode(data)
    np.testing.assert_array_equal(image, np.asarray(expected))
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable


LOSSY = [
    ("jpeg", "JPEG", "RGB", {}),
    ("jpeg grey", "JPEG", "L", {}),
    ("jpeg progressive", "JPEG", "RGB", {"progressive": True}),
    ("jpeg cmyk, which Adobe stores inverted", "JPEG", "CMYK", {}),
    ("webp", "WEBP", "RGB", {}),
    ("avif", "AVIF", "RGB", {}),
    ("tiff holding jpeg", "TIFF", "RGB", {"compression": "jpeg"}),
]


@pytest.mark.parametrize(("format_", "mode", "options"), [row[1:] for row in LOSSY], ids=[row[0] for row in LOSSY])
def test_lossy_files_decode_to_nearly_their_pixels(format_: str, mode: str, options: dict[str, Any]) -> None:
    """Lossy formats give the picture to within what compression at quality 95 loses on smooth colours."""
    picture = smooth().convert("L") if mode == "L" else smooth()
    image = decode(encode(picture.convert(mode), format_, quality=95, **options))
    assert image.shape == ((64, 64) if mode == "L" else (64, 64, 3))
    assert np.abs(image.astype(int) - np.asarray(picture)).mean() < 2


def stored_for(upright: NDArray[np.uint8], code: int) -> NDArray[np.uint8]:
    """How a camera stores a picture under an orientation, each written out by its definition in the EXIF standard."""
    transposed = upright.swapaxes(0, 1)
    return np.ascontiguousarray(
        {
            1: upright,
            2: upright[:, ::-1],  # row 0 is the top, column 0 the right side
            3: upright[::-1, ::-1],  # bottom, right
            4: upright[::-1],  # bottom, left
            5: transposed,  # row 0 is the left side, column 0 the top
            6: transposed[::-1],  # right, top
            7: transposed[::-1, ::-1],  # right, bottom
            8: transposed[:, ::-1],  # left, bottom
        }[code]
    )


@pytest.mark.parametrize("code", range(1, 9))
@pytest.mark.parametrize("format_", ["PNG", "TIFF", "TIFF deflated", "WEBP"])
def test_orientations_give_the_same_pixels(format_: str, code: int) -> None:
    """All eight orientations decode to the upright picture, in every lossless format that can hold one."""
    options: dict[str, dict[str, Any]] = {
        "PNG": {"exif": orientation(code)},
        "TIFF": {"tiffinfo": {274: code}},
        "TIFF deflated": {"tiffinfo": {274: code}, "compression": "tiff_deflate"},
        "WEBP": {"exif": orientation(code), "lossless": True},
    }
    stored = Pillow.fromarray(stored_for(RGB, code))
    image = decode(encode(stored, format_.split()[0], **options[format_]))
    np.testing.assert_array_equal(image, RGB)
    assert image.flags.c_contiguous


@pytest.mark.parametrize("code", range(1, 9))
def test_orientations_of_a_photo(code: int) -> None:
    """JPEG, as cameras write it: stored turned, it decodes to what it decodes to when stored upright."""
    upright = np.asarray(large())[:48]  # whole blocks of 16, so that turning moves no block's border
    stored = encode(
        Pillow.fromarray(stored_for(upright, code)), "JPEG", exif=orientation(code), quality=100, subsampling=0
    )
    image = decode(stored)
    assert image.shape == (48, 64, 3)
    assert np.abs(image.astype(int) - upright).mean() < 1.5


def test_pictures_of_more_than_one_block_have_no_seams() -> None:
    """A picture of several conversion blocks, not a multiple of them, comes out whole and turned."""
    width, height = images._BLOCK + 7, 2 * images._BLOCK + 3
    y, x = np.mgrid[:height, :width]
    upright = np.stack([x % 251, y % 241, (x + y) % 239], axis=-1).astype(np.uint8)
    stored = Pillow.fromarray(stored_for(upright, 6))
    np.testing.assert_array_equal(decode(encode(stored, "PNG", exif=orientation(6), compress_level=1)), upright)
    with_alpha_ = with_alpha(upright, 200)
    np.testing.assert_array_equal(as_image(with_alpha_), over_white(upright, 200))


BAD_EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\x7f\xff\xff\xff"


@pytest.mark.parametrize(
    "exif",
    [
        pytest.param(BAD_EXIF, id="offset beyond the end"),
        pytest.param(b"Exif\0\0II*\0", id="ends early"),
        pytest.param(b"Exif\0\0not a header at all", id="nonsense"),
        pytest.param(b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x63\0\0", id="orientation 99"),
        pytest.param(b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x02A\0\0\0", id="orientation is a text"),
    ],
)
def test_damaged_camera_data_do_not_spoil_a_picture(exif: bytes, recwarn: pytest.WarningsRecorder) -> None:
    """A sound picture with broken camera data is read as it is stored, without a word from Pillow."""
    warnings.simplefilter("always")
    data = encode(large(), "JPEG")
    damaged = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    np.testing.assert_array_equal(decode(damaged), decode(data))
    assert not recwarn.list


@pytest.mark.parametrize("format_", ["PNG", "WEBP"])
def test_camera_data_that_are_none_do_not_spoil_a_picture(format_: str) -> None:
    """Formats whose camera data are parsed only for the orientation are as forgiving."""
    data = encode(Pillow.fromarray(RGB), format_, exif=b"Exif\0\0not a header at all", lossless=True)
    np.testing.assert_array_equal(decode(data), RGB)


REFUSED = [
    # name, bytes, what the message must say
    ("nothing", b"", "zero bytes"),
    ("text", b"Hello, this is not a picture", "begins with b'Hello, this '"),
    ("a film", b"\0\0\0 ftypisom" + bytes(40), "is a film and no picture; give it a film's ending, such as .mp4"),
    ("another film", b"\x1a\x45\xdf\xa3" + bytes(40), "is a film and no picture"),
    ("web page", b"<!DOCTYPE html><html></html>", "JPEG, PNG, WebP"),
    ("text that begins as bitmaps do", b"BMW.jpg\nBMX.jpg\nand so on and so on\n", "not a picture"),
    ("signature only", b"\x89PNG\r\n\x1a\n", "damaged or incomplete PNG"),
    ("float tiff", encode(Pillow.fromarray(np.zeros((2, 2), np.float32)), "TIFF"), "floating-point"),
    ("32-bit tiff", encode(Pillow.fromarray(np.zeros((2, 2), np.int32)), "TIFF"), "32-bit"),
    ("CIELAB tiff", encode(Pillow.new("LAB", (2, 2)), "TIFF"), "CIELAB"),
    ("postscript, which Pillow would run", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
]


@pytest.mark.parametrize(("data", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_no_picture_is_refused(data: bytes, says: str) -> None:
    """Other files, and samples without a known black and white, are refused by name and with the reason."""
    with pytest.raises(InputError) as caught:
        decode(data, name="holiday.jpg")
    assert str(caught.value).startswith("holiday.jpg: ")
    assert says in str(caught.value)


STEPS = np.arange(4096, dtype=np.uint16).reshape(64, 64)
SOUND = {
    "jpeg": encode(large(), "JPEG"),
    "jpeg progressive": encode(large(), "JPEG", progressive=True),
    "png": encode(large(), "PNG"),
    "png interlaced palette": encode(large().quantize(32), "PNG"),
    "gif": encode(large().quantize(32), "GIF"),
    "gif animated": encode(large().quantize(32), "GIF", save_all=True, append_images=[large(32).resize((64, 64))]),
    "bmp": encode(large(), "BMP"),
    "tiff": encode(large(), "TIFF"),
    "tiff deflated": encode(large(), "TIFF", compression="tiff_deflate", tiffinfo={274: 6}),
    "tiff lzw 16 bit": encode(Pillow.fromarray(STEPS), "TIFF", compression="tiff_lzw"),
    "tiff jpeg": encode(large(), "TIFF", compression="jpeg"),
    "webp": encode(large(), "WEBP"),
    "webp lossless": encode(large(), "WEBP", lossless=True, exif=orientation(6)),
}  # fmt: skip


@pytest.mark.parametrize("part", [0.5, 0.9])
@pytest.mark.parametrize("kind", [kind for kind in SOUND if kind != "gif animated"])
def test_half_pictures_are_refused(kind: str, part: float) -> None:
    """A file that ends early is an error, never a picture that is grey at the bottom."""
    data = SOUND[kind]
    with pytest.raises(InputError, match=r"damaged or incomplete|not a picture"):
        decode(data[: int(len(data) * part)])


@given(data=st.binary(max_size=200), kind=st.sampled_from(sorted(SOUND)), keep=st.integers(0, 40))
@settings(max_examples=300)
def test_random_bytes_give_input_errors(data: bytes, kind: str, keep: int) -> None:
    """Whatever follows a sound beginning, only InputError comes out."""
    try:
        image = decode(SOUND[kind][:keep] + data, max_pixels=10_000)
    except InputError:
        return
    assert image.dtype == np.uint8


@given(
    kind=st.sampled_from(sorted(SOUND)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    near_the_start=st.booleans(),
)
@settings(max_examples=1200)
def test_damaged_files_give_input_errors(kind: str, changes: list[tuple[float, int]], near_the_start: bool) -> None:
    """Bytes changed anywhere, and in headers above all, give a picture or InputError, and no warning."""
    data = bytearray(SOUND[kind])
    for place, value in changes:
        data[int(place * min(len(data), 200 if near_the_start else len(data)))] = value
    try:
        image = decode(bytes(data), max_pixels=1_000_000)
    except InputError:
        return
    assert image.dtype == np.uint8
    assert image.shape[2:] in ((), (3,))


LIMITS = [
    ("a 30,000 x 30,000 header", png_header(30_000, 30_000), images.MAX_PIXELS, "30,000 x 30,000 = 900,000,000 pixels"),
    ("one pixel too many", encode(large(), "PNG"), 64 * 64 - 1, "the limit is 4,095"),
    ("a tile larger than its picture", tiff(64, 64, 256), 64 * 64, "a tile: 256 x 256"),
]


@pytest.mark.parametrize(("data", "limit", "says"), [row[1:] for row in LIMITS], ids=[row[0] for row in LIMITS])
def test_large_pictures_are_refused_from_their_headers(data: bytes, limit: int, says: str) -> None:
    """Too many pixels are refused with the size, the limit and the next step."""
    with pytest.raises(LimitError) as caught:
        decode(data, name="huge", max_pixels=limit)
    assert says in str(caught.value)
    assert "unmask.images.load(path, max_pixels=...)" in str(caught.value)


def test_a_picture_at_the_limit_is_read() -> None:
    """The limit is inclusive."""
    assert decode(encode(large(), "PNG"), max_pixels=64 * 64).shape == (64, 64, 3)
    assert decode(tiff(64, 64, 64), max_pixels=64 * 64).shape == (64, 64, 3)


@pytest.mark.parametrize("kind", ["png", "tiff", "webp", "gif"])
def test_pillows_own_limit_neither_warns_nor_moves(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that other code of the process gave Pillow stays, and a picture above it is read without its warning."""
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 64 * 64 - 1)
    assert decode(SOUND[kind]).shape == (64, 64, 3)
    assert Pillow.MAX_IMAGE_PIXELS == 64 * 64 - 1


def test_what_pillow_refuses_for_its_size_is_a_limit_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Pillow checks by itself, far above its limit, the error says so."""
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(LimitError, match="Pillow"):
        decode(SOUND["tiff"])


def test_warnings_of_other_code_and_threads_stay_as_they_are() -> None:
    """Decoding in many threads leaves the filters as they were, and hides no warning but Pillow's."""
    before = list(warnings.filters)
    damaged = encode(large(), "TIFF")[:-4] + b"\xff\xff\xff\x7f"  # the next directory is said to be out of reach
    threads = [threading.Thread(target=lambda: [decode(damaged) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        with pytest.warns(UserWarning, match="mine"):
            warnings.warn("mine", stacklevel=1)
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


MEMORY = """
import sys
from unmask import images

def peak():
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024

data = open(sys.argv[1], "rb").read()
images.decode(data[:-1] if len(sys.argv) > 2 else open(sys.argv[1] + ".small", "rb").read())  # loads the libraries
before = peak()
try:
    print(images.decode(data).shape[0])
except images.LimitError:
    print("refused")
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "header"])
def test_memory_is_bounded(kind: str, tmp_path: Path) -> None:
    """Decoding takes at most the 24 bytes a pixel that are promised, and refusing takes nothing."""
    side = 2000
    picture = large(side).convert("RGB" if kind == "JPEG" else "RGBA")
    every: dict[str, dict[str, Any]] = {
        "JPEG": {"exif": orientation(6), "progressive": True, "subsampling": 0},
        "PNG": {"exif": orientation(6), "compress_level": 1},
        "WEBP": {"exif": orientation(6), "lossless": True, "quality": 0, "method": 0},
        "TIFF": {"tiffinfo": {274: 6, 278: side}, "compression": "tiff_deflate"},
        "header": {},
    }
    options = every[kind]
    format_ = "PNG" if kind == "header" else kind
    path = tmp_path / "picture"
    path.write_bytes(png_header(30_000, 30_000) if kind == "header" else encode(picture, format_, **options))
    path.with_suffix(".small").write_bytes(encode(picture.crop((0, 0, 9, 9)), format_, **options))
    done = subprocess.run([sys.executable, "-c", MEMORY, path], capture_output=True, text=True, check=True, timeout=60)
    outcome, grown = done.stdout.split()
    assert outcome == ("refused" if kind == "header" else str(side))
    assert int(grown) < (2**20 if kind == "header" else 24 * side * side)


def test_heic_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is named, and looked for only when such a file comes."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(InputError, match=r"photo\.heic: HEIC needs .* pip install pillow-heif"):
        decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", name="photo.heic")


def test_heic_with_its_package() -> None:
    """A HEIC picture is read, without telling Pillow of the format for everybody."""
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    buffer = io.BytesIO()
    heif.from_pillow(smooth()).save(buffer, quality=95)
    image = decode(buffer.getvalue())
    assert np.abs(image.astype(int) - np.asarray(smooth())).mean() < 2
    assert "HEIF" not in Pillow.OPEN
    with pytest.raises(InputError):
        decode(buffer.getvalue()[:300])


def test_signature_bytes_are_enough() -> None:
    """The format is known from the first bytes alone."""
    for kind, data in SOUND.items():
        name = picture_format(data[: images.SIGNATURE_BYTES])
        assert name is not None
        assert name.lower() == kind.split()[0]


# --- files ---


def test_load_reads_a_file_by_its_content_and_not_its_name(tmp_path: Path) -> None:
    """A PNG that is called .jpg is a PNG."""
    path = tmp_path / "picture.jpg"
    path.write_bytes(encode(Pillow.fromarray(RGB), "PNG"))
    np.testing.assert_array_equal(load(path), RGB)
    np.testing.assert_array_equal(load(str(path)), RGB)


def test_load_names_what_is_wrong_with_a_path(tmp_path: Path) -> None:
    """Each kind of unreadable path has its own message, with the next step."""
    (tmp_path / "portrait.jpg").write_bytes(b"")
    (tmp_path / "notes.jpg").write_text("Dear diary")
    (tmp_path / "link.jpg").symlink_to("gone.jpg")
    cases = {
        tmp_path / "portait.jpg": f"no such file; did you mean '{tmp_path / 'portrait.jpg'}'?",
        tmp_path / "zzz": "no such file; check its name",
        tmp_path / "link.jpg": "is a link to 'gone.jpg', which is not there; mend the link",
        tmp_path / "nowhere" / "a.jpg": "nor its folder",
        tmp_path: "is a folder",
        tmp_path / "portrait.jpg": "zero bytes",
        tmp_path / "notes.jpg": "Dear diary",
        Path("a\0b.jpg"): "check the path",
        tmp_path / ("x" * 300): "check the path",
    }
    for path, says in cases.items():
        with pytest.raises(InputError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert says in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_load_does_not_wait_on_a_pipe(tmp_path: Path) -> None:
    """A named pipe that nobody writes to is refused instead of waited for."""
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(InputError, match="device or pipe"):
        load(tmp_path / "pipe.jpg")


def test_load_names_missing_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be read is told from one that is not there."""

    def forbidden(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    (tmp_path / "private.jpg").write_bytes(b"x")
    monkeypatch.setattr(Path, "read_bytes", forbidden)
    with pytest.raises(InputError, match=r"private\.jpg: may not be read"):
        load(tmp_path / "private.jpg")


def test_load_refuses_large_files_unread(tmp_path: Path) -> None:
    """The limit on bytes holds before anything is read; a sparse file of 300 MiB takes no time."""
    path = tmp_path / "large.tiff"
    with path.open("wb") as file:
        file.truncate(300 * 2**20)
    with pytest.raises(LimitError, match=r"314,572,800 bytes, the limit is 268,435,456"):
        load(path)
    path.write_bytes(encode(Pillow.fromarray(RGB), "TIFF"))
    with pytest.raises(LimitError):
        load(path, max_bytes=path.stat().st_size - 1)
    assert load(path, max_bytes=path.stat().st_size).shape == (2, 3, 3)


# --- arrays ---


def test_as_image_does_not_copy_what_already_is_an_image() -> None:
    """Grey and RGB pass through; one channel loses its axis; views are made contiguous."""
    assert as_image(RGB) is RGB
    assert as_image(GREY) is GREY
    np.testing.assert_array_equal(as_image(GREY[..., None]), GREY)
    turned = as_image(RGB[:, ::-1])
    np.testing.assert_array_equal(turned, RGB[:, ::-1])
    assert turned.flags.c_contiguous


ARRAYS = [
    # name, array, what the message must say
    ("list", [[1, 2]], "use numpy.asarray(x)"),
    ("float to 1", np.linspace(0, 1, 12).reshape(3, 4), "(x * 255).round().astype(numpy.uint8)"),
    ("float to 255", np.linspace(0, 255, 12).reshape(3, 4), "x.clip(0, 255).astype(numpy.uint8)"),
    ("NaN", np.full((3, 4), np.nan), "with NaN or infinity in it"),
    ("bool", np.zeros((3, 4), bool), "x.astype(numpy.uint8) * 255"),
    ("16 bit", np.zeros((3, 4), np.uint16), "(x >> 8).astype(numpy.uint8)"),
    ("int64", np.zeros((3, 4), np.int64), "got int64; use x.clip"),
    ("channels first", np.zeros((3, 48, 50), np.uint8), "x.transpose(1, 2, 0)"),
    ("batch", np.zeros((5, 48, 50, 3), np.uint8), "one by one"),
    ("two channels", np.zeros((48, 50, 2), np.uint8), "got 48x50x2"),
    ("a row", np.zeros(48, np.uint8), "got 48; reshape it"),
    ("a number", np.uint8(3), "use numpy.asarray(x)"),
    ("no pixels", np.zeros((0, 50, 3), np.uint8), "has no pixels"),
]


@pytest.mark.parametrize(("array", "says"), [row[1:] for row in ARRAYS], ids=[row[0] for row in ARRAYS])
def test_as_image_says_how_to_convert(array: Any, says: str) -> None:
    """What is no image is never scaled by guess; the message gives the expression that converts it."""
    with pytest.raises(InputError) as caught:
        as_image(array, name="<array 3>")
    assert str(caught.value).startswith("<array 3>: ")
    assert says in str(caught.value)


def test_as_image_holds_the_limit() -> None:
    """Arrays are held to the same number of pixels."""
    with pytest.raises(LimitError, match=r"20,000 x 10,000"):
        as_image(np.broadcast_to(np.uint8(0), (10_000, 20_000)))


@given(
    hnp.arrays(
        dtype=hnp.scalar_dtypes() | st.just(np.dtype(np.uint8)),
        shape=hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5),
    )
)
@settings(max_examples=300)
def test_any_array_is_an_image_or_an_input_error(array: NDArray[Any]) -> None:
    """Of all dtypes and shapes, only images come out, and nothing but InputError is raised."""
    try:
        image = as_image(array)
    except InputError:
        return
    assert array.dtype == np.uint8
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.shape[:2] == array.shape[:2]
    assert image.shape[2:] in ((), (3,))


def test_to_grey_weighs_as_bt601() -> None:
    """Pure colours give 0.299, 0.587 and 0.114 of 255; grey stays as it is."""
    np.testing.assert_array_equal(to_grey(RGB), [[76, 150, 29], [18, 124, 255]])
    assert to_grey(GREY) is GREY


def test_to_rgb_repeats_grey() -> None:
    """Three equal channels; RGB stays as it is."""
    np.testing.assert_array_equal(to_rgb(GREY), np.dstack([GREY] * 3))
    assert to_rgb(RGB) is RGB


def test_importing_loads_neither_pillow_nor_opencv() -> None:
    """The libraries that decode are loaded when something is decoded."""
    code = "import sys, unmask.images, unmask.media; print(sorted({'PIL', 'cv2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def profile(colours: bytes) -> bytes:
    """The head of an ICC profile of such colours, and so much of it as is looked at."""
    return bytes(16) + colours.ljust(4) + bytes(108)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "TIFF"])
def test_colour_profiles(kind: str, tmp_path: Path) -> None:
    """Of RGB colours, in any format; that of other colours says nothing about the pixels that are loaded."""
    path = tmp_path / "picture"
    for space, known in ((b"RGB", True), (b"GRAY", False), (b"CMYK", False)):
        path.write_bytes(encode(Pillow.fromarray(RGB), kind, icc_profile=profile(space)))
        assert images.colour_profile(path) == (profile(space) if known else None)
        assert images.colour_profile(path.read_bytes()) == images.colour_profile(path)
    path.write_bytes(encode(Pillow.fromarray(RGB), kind))
    assert images.colour_profile(path) is None


def test_what_has_no_colour_profile(tmp_path: Path) -> None:
    """Neither a damaged file, nor one of another kind, nor none."""
    whole = encode(Pillow.fromarray(RGB), "PNG", icc_profile=profile(b"RGB"))
    for number, content in enumerate((whole[:60], b"text", b"")):
        (tmp_path / str(number)).write_bytes(content)
        assert images.colour_profile(tmp_path / str(number)) is None
    assert images.colour_profile(tmp_path) is images.colour_profile("<bytes 1>") is images.colour_profile("a\0") is None
