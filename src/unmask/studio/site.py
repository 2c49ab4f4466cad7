"""The pages: one document, its style sheet and its modules, all from the package."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from unmask.pages import STYLE, colour_rules
from unmask.palette import ABSTAINED, COLOURS, ink

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).with_name("static")
_FRESH = {"Cache-Control": "no-cache"}  # after an update, the browser must not mix old modules with new ones


class _Fresh(StaticFiles):
    """Files that the browser asks for anew each time, and gets only when they have changed."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response: Response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers.update(_FRESH)
        if isinstance(response, FileResponse) and str(response.path).endswith(".js"):
            response.headers["Content-Type"] = "text/javascript; charset=utf-8"  # some systems say text/plain
        return response


def files() -> StaticFiles:
    """The modules and the rest of the style sheet."""
    return _Fresh(directory=_FOLDER)


@router.head("/")
@router.get("/")
async def page() -> Response:
    """The document."""
    return FileResponse(_FOLDER / "index.html", media_type="text/html; charset=utf-8", headers=_FRESH)


@router.get("/style.css")
async def style() -> Response:
    """The common style of unmask's pages, the colours of the expressions, and what the studio adds."""
    own = (_FOLDER / "studio.css").read_text(encoding="utf-8")
    return Response(STYLE + colour_rules() + _inks() + own, media_type="text/css; charset=utf-8", headers=_FRESH)


def _inks() -> str:
    """For each expression, what can be read upon its colour."""
    colours = [*COLOURS.items(), ("none", ABSTAINED)]
    return "\n".join(f".{name} {{ --ink: rgb{ink(colour)}; }}" for name, colour in colours) + "\n"
