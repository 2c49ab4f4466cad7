"""Pictures that are the frames of one film."""

from __future__ import annotations

from collections.abc import Generator

from unmask.media.base import Failure, Frame, ImageSequence
from unmask.media.span import WHOLE, Sieve, Span


def sequence_frames(sequence: ImageSequence, span: Span = WHOLE) -> Generator[Frame | Failure, None, None]:
    """Frames of an image sequence, and a Failure, whose error names the file, in the place of one that cannot be read.

    The source is always the sequence's own; a picture that cannot be read keeps its place in time. A sequence
    that ends before the span is a Failure too.
    """
    from unmask.media.expand import expand
    from unmask.media.opening import open_frame

    sieve, reached, time_s = Sieve(span), False, None
    for index, item in enumerate(expand(sequence.source)):
        time_s = index / sequence.fps
        if span.ends_by(time_s):
            return
        if not sieve.passes(time_s):
            continue
        reached = True
        frame = open_frame(item)
        if isinstance(frame, Failure):
            yield Failure(sequence.source, frame.error, index)
        else:
            yield Frame(frame.image, sequence.source, index, float(time_s))
    if not reached and span.start_s is not None:
        # A source that is not there is one item, which cannot be opened at any time.
        only = open_frame(item) if time_s == 0 else None
        error = only.error if isinstance(only, Failure) else span.missed(sequence.source, time_s)
        yield Failure(sequence.source, error)
