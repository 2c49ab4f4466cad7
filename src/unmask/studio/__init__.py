"""The studio: a web application for one's own machine, and the same server as a REST service.

::

    browser or program --> Guard (who, how much, how often) --> routes --> Batcher --> Reader
                                                                 live, films --> unmask.reader, frame by frame

Nothing leaves the machine, and nothing is kept: pictures are read in memory, films in a temporary file without a name.
"""

from __future__ import annotations

from unmask.studio.settings import KEY_VARIABLE, Limits, Settings

__all__ = ["KEY_VARIABLE", "Limits", "Settings"]
