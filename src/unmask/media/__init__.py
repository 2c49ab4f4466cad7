"""Open any source of pictures: files, folders, globs, standard input, bytes and arrays.

::

    sources --expand--> Input (one file, or the bytes or array itself) --open_frame--> Frame, or Failure with the reason

:func:`frames` does both, with several threads if asked to.
"""

from unmask.media.base import Failure, Frame, Input, Source
from unmask.media.expand import count, expand
from unmask.media.opening import frames, open_frame, ordered_map

__all__ = ["Failure", "Frame", "Input", "Source", "count", "expand", "frames", "open_frame", "ordered_map"]
