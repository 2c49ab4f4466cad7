"""What FastAPI cannot know for the OpenAPI document: the names that this server offers, and examples with nulls."""

from __future__ import annotations

from typing import Any

from unmask.studio import schemas
from unmask.studio.readers import Readers

_FAILURE = {
    "source": "cut.jpg",
    "error": "cut.jpg: damaged or incomplete JPEG file (image file is truncated)",
    "next": "fetch it again, or save it anew from a program that can open it",
}
_READ = {"readings": [schemas.EXAMPLE_READING], "failures": [_FAILURE]}
_EXPORT = {"readings": [schemas.EXAMPLE_READING]}


def complete(document: dict[str, Any], readers: Readers) -> None:
    """Add to the document, in place; FastAPI leaves every null out of examples, and a reading has some."""
    names = {
        "model": [entry["name"] for entry in readers.entries()],
        "head": sorted({head["name"] for entry in readers.entries() for head in entry["heads"]}),
        "detector": [entry["name"] for entry in readers.detectors()],
    }
    paths = document["paths"]
    for methods in paths.values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in names:
                    parameter["schema"] = {"type": "string", "enum": names[parameter["name"]]}
    answer = paths["/v1/read"]["post"]["responses"]["200"]
    answer["content"]["application/json"]["example"] = _READ
    body = paths["/v1/export"]["post"]["requestBody"]
    body["content"]["application/json"]["example"] = _EXPORT
    readings = document["components"]["schemas"]["ExportBody"]["properties"]["readings"]
    readings["items"] = {"$ref": "#/components/schemas/Reading"}
