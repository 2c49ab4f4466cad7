"""Whatever is sent, the server answers with a status of its own and goes on: no 500, and every refusal says why."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="the studio's libraries are not installed: pip install 'unmask[studio]'")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.testclient import TestClient
from test_studio_api import client_of

from unmask.studio import Limits, Settings

ALLOWED = {200, 400, 413, 415, 422}

fuzz = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A client of a server without a rate limit."""
    with client_of(Settings(detector="whole", workers=1, limits=Limits(max_rate=0, max_body=2**20))) as client:
        yield client


def picture() -> bytes:
    """A small grey JPEG."""
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize((64, 64)).save(buffer, format="JPEG")
    return buffer.getvalue()


PICTURE = picture()
FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + PICTURE + b"\r\n--b--\r\n"


def assert_answered(client: TestClient, path: str, content: bytes, kind: str) -> None:
    """The answer has an allowed status and, if it is a refusal, an error and a next step."""
    answer = client.post(path, content=content, headers={"Content-Type": kind})
    assert answer.status_code in ALLOWED, answer.text
    if answer.status_code != 200:
        said = answer.json()
        assert said["error"]
        assert said["next"]
    assert client.get("/healthz").status_code == 200


damaged = st.tuples(
    st.lists(st.tuples(st.integers(0, len(FORM) - 1), st.integers(0, 255)), max_size=20), st.integers(0, len(FORM))
)
"""Bytes of a form to change, and where to cut it off."""


@fuzz
@given(damaged)
def test_damaged_forms(client: TestClient, damage: tuple[list[tuple[int, int]], int]) -> None:
    """A form with bytes changed in head and picture, and cut off."""
    changes, end = damage
    body = bytearray(FORM)
    for place, value in changes:
        body[place] = value
    for path in ("/v1/read", "/v1/draw"):
        assert_answered(client, path, bytes(body[:end]), "multipart/form-data; boundary=b")
        assert_answered(client, path, bytes(body), "multipart/form-data; boundary=b")


@fuzz
@given(st.binary(max_size=300), st.sampled_from(["b", "", "x" * 300, '"', "b; charset=none", "b\\"]))
def test_any_bytes_as_forms(client: TestClient, content: bytes, boundary: str) -> None:
    """Bytes that are no form, under odd boundaries."""
    for path in ("/v1/read", "/v1/draw", "/v1/films"):
        assert_answered(client, path, content, f"multipart/form-data; boundary={boundary}")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@fuzz
@given(json_values, st.sampled_from(["csv", "json", "jsonl"]))
def test_any_json_as_readings(client: TestClient, value: object, kind: str) -> None:
    """JSON of any shape where readings should be."""
    for body in (value, {"readings": value}, {"readings": [value]}, {"readings": [{"faces": [value]}]}):
        text = json.dumps(body).encode("utf-8", "surrogatepass")
        assert_answered(client, f"/v1/export?format={kind}", text, "application/json")


@fuzz
@given(
    st.sampled_from(["model", "head", "detector", "min_size", "min_margin", "abstain", "other"]), st.text(max_size=30)
)
def test_any_query(client: TestClient, name: str, value: str) -> None:
    """Any text as any parameter."""
    answer = client.post("/v1/read", params={name: value}, files={"file": ("a.jpg", PICTURE)})
    assert answer.status_code in ALLOWED, answer.text
