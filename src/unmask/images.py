"""The one image contract, and safe decoding to it.

An image is ``uint8``, C-contiguous, either RGB ``(H, W, 3)`` or grey ``(H, W)``, upright as a viewer shows it. A grey
picture stays grey. Everything else that a file may hold is brought to this form here and nowhere else: orientation is
applied, transparency laid over white, CMYK and palettes become RGB, and of 9 to 16 bits a sample the upper 8 are kept.
"""

from __future__ import annotations

import difflib
import importlib
import io
import itertools
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from unmask.errors import InputError, LimitError, UnmaskError

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from PIL.ImageFile import ImageFile

Image = NDArray[np.uint8]
"""RGB ``(H, W, 3)`` or grey ``(H, W)``."""

MAX_PIXELS = 100_000_000
"""Width times height of the largest picture that is decoded unless the caller allows more."""

MAX_BYTES = 256 * 2**20
"""Size of the largest file that is read unless the caller allows more."""

SIGNATURE_BYTES = 32
"""So many first bytes of a file are enough to know its format."""

_RAISED_BY = "in Python, read the array of unmask.images.load(path, max_pixels=...)"

_FILM = re.compile(rb".{4}ftyp(?!avi|hei|mif|msf)|\x1a\x45\xdf\xa3|RIFF.{4}AVI |FLV\x01|\0\0\x01\xba", re.DOTALL)
"""How films begin: MP4 and MOV, Matroska and WebM, AVI, FLV, MPEG."""

PICTURE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic",
     ".heif")
)  # fmt: skip
"""Endings, in lower case, of the files that are looked for in folders. A file that is named may have any ending."""

# Format: how its files begin, and the class that reads them. The classes are used without Pillow's Image.open, because
# that one applies a size limit which any other code of the process may have moved or turned into a warning.
_FORMATS = {
    "JPEG": (rb"\xff\xd8\xff", "PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": (rb"\x89PNG\r\n\x1a\n", "PIL.PngImagePlugin", "PngImageFile"),
    "WebP": (rb"RIFF.{4}WEBP", "PIL.WebPImagePlugin", "WebPImageFile"),
    "BMP": (rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", "PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": (rb"GIF8[79]a", "PIL.GifImagePlugin", "GifImageFile"),
    "TIFF": (rb"II[*+]\0|MM\0[*+]", "PIL.TiffImagePlugin", "TiffImageFile"),
    "AVIF": (rb".{4}ftypavi[fs]", "PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIC": (rb".{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", "pillow_heif", "HeifImageFile"),
}

# EXIF orientation: steps down and across, and whether rows become columns, from the upright picture to the stored one.
_TURNS = {
    1: (1, 1, False),
    2: (1, -1, False),
    3: (-1, -1, False),
    4: (-1, 1, False),
    5: (1, 1, True),
    6: (1, -1, True),
    7: (-1, -1, True),
    8: (-1, 1, True),
}
_ORIENTATION, _TILE_WIDTH, _TILE_LENGTH = 274, 322, 323  # tags of EXIF and TIFF
_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0

_PROFILE_SPACE = slice(16, 20)  # where an ICC profile says of which colours it is (ICC.1:2022, table 17)
_GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N")
_REFUSED_MODES = {
    "F": "floating-point samples, of which black and white are not known",
    "I": "32-bit samples, of which black and white are not known",
    "LAB": "CIELAB colours",
}
_BLOCK = 1024  # side of the squares in which pixels are converted
_PILLOW_IS_QUIET = ("ignore", None, Warning, re.compile(r"PIL\.|pillow_heif"), 0)


def picture_format(head: bytes) -> str | None:
    """Name of the format of a file that begins with ``head`` (``SIGNATURE_BYTES`` are enough), or None."""
    for name, (signature, _, _) in _FORMATS.items():
        if re.match(signature, head, re.DOTALL):
            return name
    return None


def file_format(path: Path) -> str | None:
    """Name of the format of a picture file, whatever its name, or None. Raises OSError."""
    with path.open("rb") as file:
        return picture_format(file.read(SIGNATURE_BYTES))


def decode(
    data: bytes, *, name: str = "image", max_pixels: int = MAX_PIXELS, raised_by: str | None = _RAISED_BY
) -> Image:
    """The picture in the bytes of a JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF or HEIC file; of several frames the first.

    Memory stays below 24 bytes a pixel (of the picture, and so of ``max_pixels``) beside ``data``. HEIC needs the
    package pillow-heif, which is not installed with unmask.

    Parameters
    ----------
    data
        A whole file.
    name
        What error messages call it.
    max_pixels
        Largest width times height; read from the header, before anything is decoded.
    raised_by
        How that limit is raised, as the message says; None where it cannot be.

    Returns
    -------
    Grey ``(H, W)`` where the file is grey, else RGB ``(H, W, 3)``.

    Raises
    ------
    LimitError
        The picture has more than ``max_pixels``.
    InputError
        The bytes are of another format, damaged, or end early.
    """
    kind = picture_format(data)
    if kind is None:
        if _FILM.match(data):
            raise InputError(f"{name}: is a film and no picture; give it a film's ending, such as .mp4")
        begin = f"it begins with {data[:12]!r}" if data else "it has zero bytes"
        raise InputError(
            f"{name}: not a picture that unmask reads: {begin}; expected {', '.join(_FORMATS)}. "
            "Fetch the file again, or convert it to one of these"
        )
    from PIL.Image import DecompressionBombError

    reader = _reader(kind, name)
    with _quiet_pillow():
        try:
            with reader(io.BytesIO(data)) as picture:
                _check_size(picture, name, max_pixels, raised_by)
                picture.load()
                return _pixels(picture, name)
        except UnmaskError:
            raise
        except DecompressionBombError as error:
            raise LimitError(
                f"{name}: more pixels than Pillow decodes in this process ({error}); scale the picture down"
            ) from error
        except Exception as error:  # damaged bytes make Pillow raise nearly anything; to the user it is all the same
            reason = str(error) or type(error).__name__
            raise InputError(
                f"{name}: damaged or incomplete {kind} file ({reason}); fetch it again, or save it anew from a program "
                "that can open it"
            ) from error


def load(path: str | Path, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> Image:
    """The picture in a file; see :func:`decode` for formats, memory and what is returned.

    Parameters
    ----------
    max_bytes
        Size of the largest file that is read.

    Raises
    ------
    LimitError
        The file has more than ``max_bytes``, or the picture more than ``max_pixels``.
    InputError
        There is no such file, it may not be read, or it is not a whole picture.
    """
    path = Path(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{path}: is a folder; name a picture in it")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: is a device or pipe; name a file, or pass what comes from it as bytes")
        if status.st_size > max_bytes:
            raise LimitError(
                f"{path}: {status.st_size:,} bytes, the limit is {max_bytes:,}; "
                "save it smaller, or, in Python, raise max_bytes"
            )
        data = path.read_bytes()
    except FileNotFoundError:
        if path.is_symlink():
            raise InputError(f"{path}: is a link to '{path.readlink()}', which is not there; mend the link") from None
        raise InputError(f"{path}: no such file{_similar(path)}") from None
    except PermissionError:
        raise InputError(f"{path}: may not be read; change its permissions, or read it as its owner") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}); check the path and the disk") from error
    return decode(data, name=str(path), max_pixels=max_pixels)


def encoded(image: Image, kind: Literal["PNG", "JPEG"], **options: Any) -> bytes:
    """A picture file of an image; the options are Pillow's, such as ``quality``."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, format=kind, **options)
    return buffer.getvalue()


def colour_profile(source: str | Path | bytes) -> bytes | None:
    """The ICC profile of RGB colours, which :func:`decode` leaves as they are; None without one.

    A picture that is made of the decoded one looks like it only with the same profile. Never raises.

    Parameters
    ----------
    source
        Path of a picture file, or its bytes.
    """
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file, _quiet_pillow():
            kind = picture_format(file.read(SIGNATURE_BYTES))
            if kind is None:
                return None
            file.seek(0)
            profile = _reader(kind, "")(file).info.get("icc_profile")
    except Exception:  # as in decode; a picture whose profile cannot be read has none
        return None
    # Of grey and CMYK pictures the profile says nothing about RGB.
    return profile if isinstance(profile, bytes) and profile[_PROFILE_SPACE] == b"RGB " else None


def as_image(array: Any, *, name: str = "image", max_pixels: int = MAX_PIXELS) -> Image:
    """An array of the caller as an image; not copied where it already is one.

    Parameters
    ----------
    array
        ``uint8`` of shape ``(H, W)`` or ``(H, W, 1)``, grey; ``(H, W, 3)``, RGB; or ``(H, W, 4)``, RGB with alpha,
        which is laid over white. Nothing is scaled and no channels are swapped: OpenCV's BGR is for the caller to turn.

    Raises
    ------
    LimitError
        It has more than ``max_pixels``.
    InputError
        It is something else; the message says how to convert it.
    """
    if not isinstance(array, np.ndarray):
        raise InputError(f"{name}: expected a NumPy array, got {type(array).__name__}; use numpy.asarray(x)")
    shape = "x".join(map(str, array.shape)) or "no dimensions"
    if array.dtype != np.uint8:
        raise InputError(f"{name}: expected uint8, 0 to 255, got {_describe(array)}; use {_conversion(array)}")
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] not in (1, 3, 4):
        raise InputError(f"{name}: expected height x width x channels, got {shape}; use x.transpose(1, 2, 0)")
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))):
        advice = "pass its pictures one by one" if array.ndim == 4 else "reshape it"
        raise InputError(f"{name}: expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), got {shape}; {advice}")
    height, width = array.shape[:2]
    if not array.size:
        raise InputError(f"{name}: an array of {shape} has no pixels; leave it out")
    _check_pixels(width, height, name, max_pixels)
    if array.ndim == 3 and array.shape[2] == 4:
        pixels = np.empty((height, width, 3), np.uint8)
        for block in _blocks(width, height):
            pixels[block] = _over_white(array[block])
        return pixels
    return np.ascontiguousarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def to_grey(image: Image) -> Image:
    """Grey ``(H, W)`` of an image, weighted 0.299 red, 0.587 green, 0.114 blue (ITU-R BT.601)."""
    if image.ndim == 2:
        return image
    import cv2

    return cast("Image", cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def to_rgb(image: Image) -> Image:
    """RGB ``(H, W, 3)`` of an image; grey is repeated."""
    if image.ndim == 3:
        return image
    import cv2

    return cast("Image", cv2.cvtColor(image, cv2.COLOR_GRAY2RGB))


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings about damaged tags and large pictures from the user, and from becoming errors.

    ``warnings.catch_warnings`` would do the same to all code and undo what other threads set meanwhile; one entry more
    in the list of filters touches nothing else, and is taken out of the same list.
    """
    filters = cast("list[Any]", warnings.filters)
    filters.insert(0, _PILLOW_IS_QUIET)
    try:
        yield
    finally:
        with suppress(ValueError):  # another thread emptied the list
            filters.remove(_PILLOW_IS_QUIET)


def _reader(kind: str, name: str) -> type[ImageFile]:
    """The class that opens files of a format; it reads their header at once and their pixels in ``load``."""
    _, module_name, reader = _FORMATS[kind]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != "pillow_heif":
            raise
        raise InputError(
            f"{name}: {kind} needs a package that is not installed; it comes with: pip install pillow-heif"
        ) from None
    if not getattr(module, "SUPPORTED", True):
        raise InputError(f"{name}: this Pillow was built without {kind}; install its wheel, or convert the picture")
    return cast("type[ImageFile]", getattr(module, reader))


def _check_size(picture: ImageFile, name: str, max_pixels: int, raised_by: str | None) -> None:
    _check_pixels(*picture.size, name, max_pixels, raised_by)
    # A TIFF's tile is decoded whole, and may be said to be larger than the picture.
    tags = getattr(picture, "tag_v2", {})
    _check_pixels(
        int(tags.get(_TILE_WIDTH, 0)), int(tags.get(_TILE_LENGTH, 0)), f"{name}: a tile", max_pixels, raised_by
    )


def _check_pixels(width: int, height: int, name: str, max_pixels: int, raised_by: str | None = _RAISED_BY) -> None:
    if width * height > max_pixels:
        raise LimitError(
            f"{name}: {width:,} x {height:,} = {width * height:,} pixels, the limit is {max_pixels:,}; "
            f"scale the picture down{f', or, {raised_by}' if raised_by else ''}"
        )


def _pixels(picture: ImageFile, name: str) -> Image:
    """Upright pixels of a decoded picture, block by block: converted whole, it would be in memory several times."""
    if picture.mode in _REFUSED_MODES:
        raise InputError(
            f"{name}: holds {_REFUSED_MODES[picture.mode]}; convert it to grey or RGB of 8 or 16 bits a sample"
        )
    width, height = picture.size
    down, across, turned = _TURNS.get(_orientation(picture), _TURNS[1])
    shape = (width, height) if turned else (height, width)
    grey = _is_grey(picture)
    bits, negative = _deep_samples(picture)
    pixels = np.empty(shape if grey else (*shape, 3), np.uint8)
    stored = pixels[::down, ::across]
    if turned:
        stored = stored.swapaxes(0, 1)
    for rows, columns in _blocks(width, height):
        block = picture.crop((columns.start, rows.start, columns.stop, rows.stop))
        values = _converted(block, grey=grey, bits=bits)
        stored[rows, columns] = 255 - values if negative else values
    return pixels


def _deep_samples(picture: PillowImage) -> tuple[int, bool]:
    """Of a grey picture of more than 8 bits: how many there are, and whether 0 is white, which Pillow leaves so."""
    if not picture.mode.startswith("I;16"):
        return 16, False
    tags = getattr(picture, "tag_v2", {})
    bits = min(max(int(np.ravel(tags.get(_BITS, 16))[0]), 9), 16)
    return bits, tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO


def _is_grey(picture: ImageFile) -> bool:
    if picture.mode not in ("P", "PA"):
        return picture.mode in _GREY_MODES
    palette = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def _orientation(picture: ImageFile) -> Any:
    try:
        return picture.getexif().get(_ORIENTATION)
    except Exception:  # as in decode; a picture whose camera data are damaged is still a picture
        return None


def _converted(block: PillowImage, *, grey: bool, bits: int) -> NDArray[np.uint8]:
    """Pixels of a Pillow picture, ``(h, w)`` if grey, else ``(h, w, 3)``; deep samples have so many bits."""
    if block.mode.startswith("I;16"):
        samples = np.asarray(block)
        return np.where(samples == block.info.get("transparency", -1), 255, samples >> (bits - 8)).astype(np.uint8)
    if block.has_transparency_data:
        return _over_white(np.asarray(block.convert("LA" if grey else "RGBA")))
    return np.asarray(block.convert("L" if grey else "RGB"))


def _over_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours ``(h, w)`` or ``(h, w, 3)`` of ``(h, w, 2)`` or ``(h, w, 4)``, the last channel being alpha, on white."""
    colour, alpha = pixels[..., :-1].astype(np.uint16), pixels[..., -1:].astype(np.uint16)
    mixed = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return mixed[..., 0] if mixed.shape[2] == 1 else mixed


def _blocks(width: int, height: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of squares that cover a picture."""
    for top, left in itertools.product(range(0, height, _BLOCK), range(0, width, _BLOCK)):
        yield slice(top, min(top + _BLOCK, height)), slice(left, min(left + _BLOCK, width))


def _similar(path: Path) -> str:
    """End of a message about a missing file: the most similar name beside it."""
    if not path.parent.is_dir():
        return f", nor its folder '{path.parent}'; check the path"
    with suppress(OSError):  # a folder may be open to use and closed to listing
        beside = [entry.name for entry in itertools.islice(path.parent.iterdir(), 10_000)]
        if near := difflib.get_close_matches(path.name, beside, n=1, cutoff=0.75):
            return f"; did you mean '{path.parent / near[0]}'?"
    return "; check its name"


def _describe(array: NDArray[Any]) -> str:
    if array.dtype.kind != "f" or not array.size:
        return str(array.dtype)
    if not np.isfinite(array).all():
        return f"{array.dtype} with NaN or infinity in it"
    return f"{array.dtype} from {array.min():g} to {array.max():g}"


def _conversion(array: NDArray[Any]) -> str:
    if array.dtype == np.bool_:
        return "x.astype(numpy.uint8) * 255"
    if array.dtype == np.uint16:
        return "(x >> 8).astype(numpy.uint8)"
    if array.dtype.kind == "f":
        finite = array[np.isfinite(array)]
        if finite.size < array.size:
            return "numpy.nan_to_num first"
        if array.size and finite.min() >= 0 and finite.max() <= 1:
            return "(x * 255).round().astype(numpy.uint8), which takes 0 to 1 for black to white"
    return "x.clip(0, 255).astype(numpy.uint8), if 0 is black and 255 is white"
