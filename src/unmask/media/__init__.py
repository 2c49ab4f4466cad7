"""Open any source as frames: pictures, folders, globs, standard input, bytes, arrays, films, cameras and streams.

::

    sources --expand--> Input (one file, or the bytes or array itself) --open_frame--> Frame, or Failure with the reason
                                                                       --open_film---> many of them, with their times

:func:`frames` does both, with several threads if asked to.
"""

from unmask.media.base import Camera, Failure, Frame, ImageSequence, Input, Source, Stream
from unmask.media.expand import count, expand, expand_named
from unmask.media.opening import each, frames, open_film, open_frame
from unmask.media.pipeline import ahead, check_workers, ordered_map
from unmask.media.span import WHOLE, Span

__all__ = [
    "WHOLE",
    "Camera",
    "Failure",
    "Frame",
    "ImageSequence",
    "Input",
    "Source",
    "Span",
    "Stream",
    "ahead",
    "check_workers",
    "count",
    "each",
    "expand",
    "expand_named",
    "frames",
    "open_film",
    "open_frame",
    "ordered_map",
]
