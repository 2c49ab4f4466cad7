"""The REST service: what it answers, to whom, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the studio's libraries are not installed: pip install 'unmask[studio]'")

from PIL import Image
from starlette.testclient import TestClient

import unmask
from unmask.studio import Settings, schemas
from unmask.studio.app import create_app

HOME = "http://127.0.0.1:8000"
CSV_HEAD = "source,index,time_s,width,height,model,face,x1,y1,x2,y2,detection_score,track_id,expression"


def client_of(settings: Settings) -> TestClient:
    """A client of a server with these settings; a failure of the server is an answer, not an exception."""
    return TestClient(create_app(settings), base_url=HOME, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A client of a server with the usual limits."""
    with client_of(Settings(detector="mtcnn", workers=2)) as client:
        yield client


@pytest.fixture(scope="module")
def portrait(photo: Path) -> bytes:
    """The astronaut's file."""
    return photo.read_bytes()


def png_head(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and ends there."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    header = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 9) + b"IDAT" + bytes(9)


def blank(width: int = 64, height: int = 48) -> bytes:
    """A PNG without a face."""
    buffer = io.BytesIO()
    Image.new("L", (width, height), 128).save(buffer, format="PNG")
    return buffer.getvalue()


def assert_refused(answer: Any, status: int) -> dict[str, Any]:
    """The answer has the status, and says what is wrong and what to do; returns its JSON."""
    assert answer.status_code == status, answer.text
    said: dict[str, Any] = answer.json()
    assert said["error"]
    assert said["next"]
    return said


def test_a_picture_is_read_as_the_library_reads_it(client: TestClient, portrait: bytes) -> None:
    """The service adds nothing to a reading and takes nothing away, but for the name of its source."""
    answer = client.post("/v1/read", files={"file": ("me.jpg", portrait)})
    assert answer.status_code == 200
    said = schemas.Readings.model_validate_json(answer.text, strict=False)
    assert said.failures == []
    expected = next(unmask.load(detector="mtcnn").read(portrait)).to_json()
    assert answer.json()["readings"] == [{**expected, "source": "me.jpg"}]


def test_files_keep_their_order_and_failures_their_reasons(client: TestClient, portrait: bytes) -> None:
    """Good and bad files in one request: readings and failures each in the order of the files."""
    files = [("a.jpg", portrait), ("notes.txt", b"Dear diary"), ("b.png", blank()), ("cut.jpg", portrait[:9000])]
    answer = client.post("/v1/read", files=[("any", file) for file in files])
    assert answer.status_code == 200
    said = answer.json()
    assert [reading["source"] for reading in said["readings"]] == ["a.jpg", "b.png"]
    assert [len(reading["faces"]) for reading in said["readings"]] == [1, 0]
    assert [failure["source"] for failure in said["failures"]] == ["notes.txt", "cut.jpg"]
    assert "not a picture" in said["failures"][0]["error"]
    assert "fetch it again" in said["failures"][1]["next"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd.png", "passwd.png"),  # folders are left out
        ("C:\\pictures\\a.png", "a.png"),
        ("<script>.png", "<script>.png"),  # the page writes it as text
        ("é\u202e.png", "é\u202e.png"),
        ("", "file 1"),
    ],
)
def test_names_of_files_are_only_names(client: TestClient, name: str, shown: str) -> None:
    """What a client calls a file is kept as its name and never used as a path."""
    body = (
        f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        + blank()
        + b"\r\n--x--"
    ).replace(b"\\", b"\\\\")
    answer = client.post("/v1/read", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert [reading["source"] for reading in answer.json()["readings"]] == [shown]


def test_a_request_chooses_what_it_is_read_with(client: TestClient, portrait: bytes) -> None:
    """Head, detector, thresholds and no abstention, as parameters."""

    def face(**choice: Any) -> dict[str, Any]:
        answer = client.post("/v1/read", files={"file": ("me.jpg", portrait)}, params=choice)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["readings"][0]["faces"][0]
        return found

    assert list(face(head="fer2013")["scores"]) == [str(label) for label in unmask.FER2013.labels]
    assert face(detector="whole")["box"] == [0, 0, 512, 512]
    assert face(min_size=400)["abstained"] == "too small"
    assert face(detector="whole", abstain="false")["expression"] is not None


@pytest.mark.parametrize(
    ("request_", "status", "word"),
    [
        ({"content": b"x", "headers": {"Content-Type": "application/json"}}, 415, "multipart"),
        ({"content": b"x"}, 415, "no content type"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "boundary"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 400, "damaged"),
        ({"content": b"--b--", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 422, "no file"),
        ({"data": {"head": "fer2013"}, "files": {"f": ("a.png", blank())}}, 422, "/v1/read?head=..."),
        ({"files": {"f": ("a.txt", b"text")}}, 415, "not a picture"),
        ({"files": {"f": ("a.png", b"")}}, 415, "zero bytes"),
        ({"files": {"f": ("a.png", blank()[:40])}}, 422, "damaged"),
        ({"files": {"f": ("a.png", png_head(60_000, 60_000))}}, 413, "start the server with a higher --max-pixels"),
        ({"files": {"f": ("a.MP4", b"film")}}, 415, "a.MP4: is a film and no picture"),
        ({"files": [("f", ("a.png", blank()))] * 65}, 413, "more than 64 files"),
        ({"files": {"f": ("a.png", blank())}, "params": {"head": "fer2012"}}, 422, "did you mean 'fer2013'?"),
        ({"files": {"f": ("a.png", blank())}, "params": {"model": "/etc/passwd"}}, 422, "no model"),
        ({"files": {"f": ("a.png", blank())}, "params": {"detector": "haar"}}, 422, "no detector"),
        ({"files": {"f": ("a.png", blank())}, "params": {"min_confidense": 1}}, 422, "did you mean 'min_confidence'?"),
        (
            {"files": {"f": ("a.png", blank())}, "params": {"min_size": [5, 6]}},
            422,
            "'min_size' is given more than once",
        ),
        ({"files": {"f": ("a.png", blank())}, "params": {"min_confidence": "1.5"}}, 422, "min_confidence"),
        ({"files": {"f": ("a.png", blank())}, "params": {"min_size": "nan"}}, 422, "min_size"),
        ({"files": {"f": ("a.png", blank())}, "params": {"min_size": 1, "abstain": False}}, 422, "min_size"),
    ],
)
def test_wrong_requests(client: TestClient, request_: dict[str, Any], status: int, word: str) -> None:
    """Each kind of wrong request has its status, its reason and its next step."""
    assert word in json.dumps(assert_refused(client.post("/v1/read", **request_), status))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/read", 405), ("POST", "/healthz", 405), ("GET", "/v2", 404), ("GET", "/static/none.js", 404)],
)
def test_wrong_addresses(client: TestClient, method: str, path: str, status: int) -> None:
    """What is not there is refused in the same JSON."""
    assert "/openapi.json" in assert_refused(client.request(method, path), status)["next"]


@pytest.mark.parametrize("path", ["/static/../serve.py", "/static/..%2fserve.py", "/static/%2e%2e/%2e%2e/reader.py"])
def test_only_the_pages_files_are_served(client: TestClient, path: str) -> None:
    """No address leads out of the folder of static files."""
    assert client.get(path).status_code == 404


def test_a_failure_of_the_server_tells_nothing(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw is a 500 without its text."""
    monkeypatch.setattr("unmask.studio.api.json_response", lambda *_: 1 / 0)
    assert "zero" not in json.dumps(assert_refused(client.get("/v1/models"), 500))


def test_drawing(client: TestClient, portrait: bytes) -> None:
    """A picture comes back with its faces marked, from a reading or read anew, and blurred when asked."""
    reading = client.post("/v1/read", files={"file": ("me.jpg", portrait)}).json()["readings"][0]
    pictures = []
    whole = json.dumps({"readings": [reading], "failures": []})  # as /v1/read answers
    for fields, query in (
        ({"reading": json.dumps(reading)}, ""), ({}, ""), ({}, "?blur=true"), ({"reading": whole}, "")
    ):  # fmt: skip
        answer = client.post(f"/v1/draw{query}", files={"file": ("me.jpg", portrait)}, data=fields)
        assert answer.headers["content-type"] == "image/png"
        pictures.append(np.asarray(Image.open(io.BytesIO(answer.content))))
    assert pictures[0].shape == (512, 512, 3)
    assert np.array_equal(pictures[0], pictures[1])
    assert np.array_equal(pictures[0], pictures[3])
    x1, y1, x2, y2 = (round(value) for value in reading["faces"][0]["box"])
    inside = (slice(y1 + 10, y2 - 10), slice(x1 + 10, x2 - 10))
    assert (
        np.diff(pictures[2][inside].astype(int), axis=0).std()
        < 0.5 * np.diff(pictures[0][inside].astype(int), axis=0).std()
    )


def test_a_reading_of_another_picture_is_not_drawn(client: TestClient, portrait: bytes) -> None:
    """Sizes must agree, and the field must hold a reading."""
    other = {**schemas.EXAMPLE_READING, "width": 10, "height": 10}
    several = json.dumps({"readings": [schemas.EXAMPLE_READING] * 2})
    for text in (json.dumps(other), "{}", "nonsense", "[" * 100_000, several, '{"readings": []}', '{"readings": [1]}'):
        assert_refused(client.post("/v1/draw", files={"file": ("a.jpg", portrait)}, data={"reading": text}), 422)
    assert_refused(client.post("/v1/draw", files={"file": ("a.jpg", b"no")}), 415)
    torn = {"file": ("a.jpg", portrait[: len(portrait) // 2])}
    assert "damaged or incomplete JPEG" in assert_refused(client.post("/v1/draw", files=torn), 422)["error"]
    reading = client.post("/v1/read", files={"file": ("a.jpg", portrait)}).text
    assert_refused(client.post("/v1/draw", files={"file": ("a.jpg", b"no")}, data={"reading": reading}), 415)


def test_crowds_are_not_drawn(client: TestClient, portrait: bytes) -> None:
    """Where each label goes depends on all others, which takes too long for more faces than a picture shows."""
    crowd = {**schemas.EXAMPLE_READING, "faces": schemas.EXAMPLE_READING["faces"] * 1001}
    files, fields = {"file": ("a.jpg", portrait)}, {"reading": json.dumps(crowd)}
    assert "send 1,000 or fewer" in assert_refused(client.post("/v1/draw", files=files, data=fields), 422)["next"]


def test_refusals_are_short(client: TestClient) -> None:
    """They do not send back all that was sent."""
    for wrong in ({"faces": "a" * 100_000}, {"source": "a" * 100_000, "width": -1}):
        body = {"readings": [{**schemas.EXAMPLE_READING, **wrong}]}
        answer = client.post("/v1/export", json=body)
        assert_refused(answer, 422)
        assert len(answer.content) < 3000


def test_exporting(client: TestClient) -> None:
    """Readings become the files that the command line writes."""
    body = {"readings": [schemas.EXAMPLE_READING, {**schemas.EXAMPLE_READING, "source": "=1+1.jpg", "faces": []}]}
    answer = client.post("/v1/export", json=body)
    assert answer.headers["content-disposition"] == 'attachment; filename="expressions.csv"'
    assert answer.text.startswith(CSV_HEAD)
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["expression"] for row in rows] == ["happy", ""]
    assert rows[1]["source"] == "'=1+1.jpg"  # no spreadsheet runs it
    assert client.post("/v1/export?format=json", json=body).json() == body["readings"]
    lines = client.post("/v1/export?format=jsonl", json=body).text.splitlines()
    assert [json.loads(line) for line in lines] == body["readings"]


def test_an_answer_is_exported_as_it_is(client: TestClient, portrait: bytes) -> None:
    """What `/v1/read` answered goes into a file; what it could not read stays out of it."""
    files = [("file", ("photo.jpg", portrait)), ("file", ("bad.jpg", b"bad"))]
    answer = client.post("/v1/read", files=files).json()
    assert len(answer["failures"]) == 1
    assert client.post("/v1/export?format=json", json=answer).json() == answer["readings"]


def test_exports_can_come_in_parts(client: TestClient) -> None:
    """A part without a face has the columns of the others when they are named."""
    nobody = {"readings": [{**schemas.EXAMPLE_READING, "faces": []}]}
    whole = client.post("/v1/export", json={"readings": [schemas.EXAMPLE_READING]}).text
    labels = list(schemas.EXAMPLE_READING["faces"][0]["scores"])
    part = client.post("/v1/export", json={**nobody, "labels": labels}).text
    assert part.splitlines()[0] == whole.splitlines()[0]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),  # no JSON
        (b"[]", 422),
        (b'{"readings": [{}]}', 422),
        (b'{"readings": [{"faces": 1e999}]}', 422),
        (b'{"readings": [], "labels": ["bored"]}', 422),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
    ],
)
def test_wrong_exports(client: TestClient, content: bytes, status: int) -> None:
    """What is no list of readings is refused."""
    headers = {"Content-Type": "application/json"}
    assert_refused(client.post("/v1/export", content=content, headers=headers), status)
    assert_refused(client.post("/v1/export?format=exe", json={"readings": []}), 422)


def test_json_has_to_be_called_so(client: TestClient) -> None:
    """What curl sends unless it is told otherwise is refused with the header that it needs."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.post("/v1/export", content=json.dumps({"readings": []}), headers=headers)
    assert "Content-Type: application/json" in assert_refused(answer, 415)["next"]


@pytest.mark.parametrize("address", ["/", "/healthz"])
def test_heads(client: TestClient, address: str) -> None:
    """Probes that ask for the head alone get it."""
    assert client.head(address).status_code == 200


def test_models_and_health(client: TestClient) -> None:
    """What can be chosen, as the schema says; the defaults are marked once each."""
    said = schemas.Models.model_validate_json(client.get("/v1/models").text)
    assert [model.name for model in said.models if model.default] == ["small"]
    assert [detector.name for detector in said.detectors if detector.default] == ["mtcnn"]
    assert said.models[0].heads[0].labels == list(unmask.FERPLUS.labels)
    health = schemas.Health.model_validate_json(client.get("/healthz").text)
    assert (health.status, health.model, health.detector) == ("ok", "small", "mtcnn")


def test_metrics_count(client: TestClient, portrait: bytes) -> None:
    """The text format of Prometheus: each family has its help and type, and reading a picture counts."""

    def values() -> dict[str, float]:
        text = client.get("/metrics").text
        assert text.endswith("\n")
        found = {}
        for line in text.splitlines():
            sample = re.fullmatch(r'([a-z_]+(?:\{(?:[a-z]+="[^"]*",?)+\})?) ([0-9.e+-]+)', line)
            assert sample or re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .+", line), line
            if sample:
                found[sample[1]] = float(sample[2])
        return found

    before = values()
    client.post("/v1/read", files={"file": ("me.jpg", portrait)})
    after = values()

    def more(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    assert more('unmask_requests_total{method="POST",route="/v1/read",status="200"}') == 1
    assert more('unmask_pictures_total{outcome="read"}') == 1
    assert more("unmask_faces_total") == 1
    assert more("unmask_wait_seconds_count") == 1
    assert after['unmask_batch_pictures_bucket{le="+Inf"}'] == after["unmask_batch_pictures_count"]
    assert after["unmask_requests_running"] == after["unmask_held_bytes"] == after["unmask_pictures_waiting"] == 0


def test_the_openapi_document(client: TestClient) -> None:
    """Each route has a summary, its refusals and, for a form, its body; the example is a reading."""
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/read",
        "/v1/draw",
        "/v1/export",
        "/v1/films",
        "/v1/films/annotated",
        "/v1/models",
        "/healthz",
        "/metrics",
    }
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], path
            assert method == "get" or {"400", "413", "415", "422", "429", "503"} <= set(operation["responses"]), path
    assert "multipart/form-data" in document["paths"]["/v1/read"]["post"]["requestBody"]["content"]
    example = document["paths"]["/v1/read"]["post"]["responses"]["200"]["content"]["application/json"]["example"]
    assert unmask.Reading.from_json(example["readings"][0]).to_json() == example["readings"][0]
    schemas.Readings.model_validate_json(json.dumps(example))


def test_the_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    """No address of another server stands in any file of the page, and every file that it names is there."""
    folder = Path(schemas.__file__).with_name("static")
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:)?//[a-z0-9-]+\.", text.replace("http://localhost", "")), path.name
        for name in re.findall(r'(?:from "\./|/static/)([a-z]+\.[a-z]+)', text):
            assert client.get(f"/static/{name}").status_code == 200, name


def test_the_page_says_what_the_documentation_says() -> None:
    """Each paragraph about the scores, the uses out of scope and the notice stands in docs/meaning.md."""
    page = Path(schemas.__file__).with_name("static").joinpath("index.html").read_text(encoding="utf-8")
    docs = (Path(__file__).parents[1] / "docs/meaning.md").read_text(encoding="utf-8")

    def plain(text: str) -> str:
        text = re.sub(r"<[^>]+>|\[|\]\([^)]*\)|[*`_>]", "", text)
        return re.sub(r"\s+", " ", text).strip()

    meaning = page[page.index('<section id="meaning"') : page.index("<h2>What this page keeps")]
    paragraphs = [
        plain(part) for part in re.findall(r"<(?:p|blockquote)\b[^>]*>(.*?)</(?:p|blockquote)>", meaning, re.S)
    ]
    sentences = [part for text in paragraphs for part in re.split(r"(?<=\.) (?=[A-Z])", text)]
    missing = [part for part in sentences if part not in plain(docs)]
    assert [part for part in missing if "Settings" not in part and "A face gets scores" not in part] == []
    assert len(sentences) > 10
