"""Who may use the server, how much of it, and what every answer forbids the browser."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the studio's libraries are not installed: pip install 'unmask[studio]'")

from starlette.testclient import TestClient
from test_studio_api import HOME, assert_refused, blank, client_of

from unmask.cli import main
from unmask.errors import ConfigError
from unmask.studio import Limits, Settings


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A client of a server with the usual limits."""
    with client_of(Settings(detector="whole", workers=1)) as client:
        yield client


@pytest.fixture(scope="module")
def portrait(photo: Path) -> bytes:
    """The astronaut's file."""
    return photo.read_bytes()


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"port": 65536}, "port 65536"),
        ({"workers": 0}, "workers 0"),
        ({"api_key": "with blanks"}, "no blanks"),
        ({"api_key": "schlüssel"}, "ASCII"),
        ({"hosts": ("http://faces.example.org/",)}, "a name alone"),
        ({"hosts": ("faces.example.org:8443",)}, "without http://, port"),
        ({"hosts": ("[::1]:8443",)}, "without http://, port"),
    ],
)
def test_wrong_settings(wrong: dict[str, object], word: str) -> None:
    """A server that could not work is refused before it starts."""
    with pytest.raises(ConfigError, match=word):
        Settings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [{"max_files": 0}, {"timeout": float("nan")}, {"max_rate": -1}, {"max_body": True}, {"max_pixels": 10**9}]
)
def test_wrong_limits(wrong: dict[str, float]) -> None:
    """Limits are numbers of at least 1, a picture's within what is decoded; only the rate may be 0, for none."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Limits(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e30"])
def test_wrong_limits_on_the_command_line(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """They are refused like any wrong use, before anything is served."""
    assert main(["studio", "--no-browser", "--max-pixels", value]) == 2
    assert "--max-pixels: " in capsys.readouterr().err


def test_help_names_every_limit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each limit can be given, and its help says what it is when it is not: the number of :class:`Limits`."""
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["studio", "--help"]) == 0
    lines = {words[0]: line for line in capsys.readouterr().out.splitlines() if (words := line.split())}
    for name, value in dataclasses.asdict(Limits()).items():
        size = {"MB": 2**20, "MPIXELS": 10**6}.get(lines[option := f"--{name.replace('_', '-')}"].split()[1], 1)
        assert lines[option].endswith(f"(default: {value / size:g})")


def test_the_key_is_not_shown() -> None:
    """Settings can be printed."""
    assert "sesame" not in repr(Settings(api_key="sesame"))


def test_the_queue_has_an_end(portrait: bytes) -> None:
    """More pictures than may wait are refused as busy; fewer are read."""
    with client_of(Settings(detector="whole", workers=1, limits=Limits(max_waiting=2))) as client:
        batcher = client.app.state.studio.batcher  # type: ignore[attr-defined]
        with batcher._changed:  # no worker can take anything
            batcher._jobs.extend([None, None])
        answer = client.post("/v1/read", files={"file": ("a.jpg", portrait)})
        batcher._jobs.clear()
        assert_refused(answer, 503)
        assert answer.headers["retry-after"] == "1"
        assert client.post("/v1/read", files={"file": ("a.jpg", portrait)}).status_code == 200


@pytest.mark.parametrize(
    ("limits", "statuses", "remedy"),
    [
        (Limits(max_body=10_000), [413, 413], "--max-body"),
        (Limits(max_held=10_000), [503, 503], "again"),
        (Limits(max_pixels=1000), [413, 413], "--max-pixels"),
        (Limits(max_rate=0.1), [200, 429], "again"),  # a bucket of ten seconds holds one request
    ],
)
def test_limits(portrait: bytes, limits: Limits, statuses: list[int], remedy: str) -> None:
    """What is beyond a limit is refused and names the option for more; what may be tried again says when."""
    with client_of(Settings(detector="whole", workers=1, limits=limits)) as client:
        for status in statuses:
            answer = client.post("/v1/read", files={"file": ("a.jpg", portrait)})
            assert answer.status_code == status
            if status in (429, 503):
                assert int(answer.headers["retry-after"]) >= 1
            if status != 200:
                assert remedy in assert_refused(answer, status)["next"]


def test_keys_cannot_be_tried_out() -> None:
    """Whoever shows wrong keys is slowed down like everybody."""
    with client_of(Settings(detector="whole", workers=1, api_key="sesame", limits=Limits(max_rate=0.2))) as client:
        statuses = [client.get("/v1/models", headers={"X-API-Key": key}).status_code for key in ("a", "b", "c")]
        assert statuses == [401, 401, 429]


def test_too_many_bytes_of_unknown_number(portrait: bytes) -> None:
    """A body without Content-Length is counted as it comes."""
    with client_of(Settings(detector="whole", workers=1, limits=Limits(max_body=10_000))) as client:
        chunks = (portrait[start : start + 1000] for start in range(0, len(portrait), 1000))
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        assert_refused(client.post("/v1/read", content=chunks, headers=headers), 413)


@pytest.mark.parametrize(("limits", "status"), [(Limits(max_body=10_000), 413), (Limits(max_held=10_000), 503)])
def test_limits_of_an_export_of_unknown_length(limits: Limits, status: int) -> None:
    """JSON without Content-Length that goes beyond a limit is told so; it is not called damaged."""
    with client_of(Settings(detector="whole", workers=1, limits=limits)) as client:
        headers = {"Content-Type": "application/json"}
        answer = client.post("/v1/export", content=(b" " * 1000 for _ in range(20)), headers=headers)
        assert "bytes" in assert_refused(answer, status)["error"]
        assert ("retry-after" in answer.headers) == (status == 503)
        assert answer.headers["x-content-type-options"] == "nosniff"
        small = client.post("/v1/export", content=iter([b'{"readings"', b": []}"]), headers=headers)
        assert small.status_code == 200
        assert (
            f'unmask_requests_total{{method="POST",route="/v1/export",status="{status}"}} 1'
            in client.get("/metrics").text
        )


def test_an_answer_comes_in_time_or_is_refused(portrait: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that is not read in time is given up, and never read."""
    with client_of(Settings(detector="whole", workers=1, limits=Limits(timeout=1))) as client:
        batcher = client.app.state.studio.batcher  # type: ignore[attr-defined]
        monkeypatch.setattr(batcher, "_take", lambda: [])  # the next time that a worker asks, it ends
        client.post("/v1/read", files={"file": ("a.jpg", portrait)})
        answer = client.post("/v1/read", files={"file": ("a.jpg", portrait)})
        assert_refused(answer, 503)
        assert answer.headers["retry-after"] == "5"
        assert batcher._jobs[-1].result.cancelled()


def test_the_key() -> None:
    """With a key, the service answers only to it; pages, health and the OpenAPI document need none."""
    with client_of(Settings(detector="whole", workers=1, api_key="open-sesame")) as client:
        for headers in (
            {},
            {"X-API-Key": "open"},
            {"Authorization": "Bearer é"},
            {"Authorization": "Basic open-sesame"},
        ):
            answer = client.get(
                "/v1/models", headers=[(key.encode(), value.encode()) for key, value in headers.items()]
            )
            assert_refused(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
        assert_refused(client.get("/metrics"), 401)
        for headers in ({"X-API-Key": "open-sesame"}, {"Authorization": "bearer open-sesame"}):
            assert client.get("/v1/models", headers=headers).status_code == 200
        for path in ("/", "/style.css", "/static/main.js", "/healthz", "/openapi.json"):
            assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("[::1]:8000", 200),
        ("192.168.1.5:8000", 200),  # addresses cannot be pointed elsewhere
        ("face.example", 200),  # the server was started with these names
        ("FACE.example.:8000", 200),
        ("other.example", 200),
        ("own.example", 200),
        ("rebound.example", 400),
        ("127.0.0.1.rebound.example", 400),
        ("localhost.rebound.example:8000", 400),
        ("[::1", 400),
        ("", 400),
    ],
)
def test_only_known_names_are_answered(host: str, status: int) -> None:
    """A name that somebody points to this machine gives no access to it (DNS rebinding)."""
    names = ("face.example", "Other.Example.", "2001:db8::1")
    with client_of(Settings(detector="whole", workers=1, host="Own.example", hosts=names)) as client:
        assert client.get("/v1/models", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [(HOME, 200), (None, 200), ("https://elsewhere.example", 403), ("http://127.0.0.1:9999", 403), ("null", 403)],
)
def test_pages_of_other_sites_may_not_ask(client: TestClient, origin: str | None, status: int) -> None:
    """A browser names the page that it acts for; only the server's own page may send anything."""
    headers = {} if origin is None else {"Origin": origin}
    answer = client.post("/v1/read", files={"file": ("a.png", blank())}, headers=headers)
    assert answer.status_code == status
    assert not [name for name in answer.headers if name.startswith("access-control")]
    preflight = client.options("/v1/read", headers={"Origin": "https://elsewhere.example"})
    assert_refused(preflight, 403)


def test_headers_of_every_answer(client: TestClient) -> None:
    """Scripts and connections of the server's own only, no framing, no guessing of types, no caching of results."""
    for path in ("/", "/style.css", "/static/main.js", "/healthz", "/nowhere"):
        headers = client.get(path).headers
        assert "default-src 'none'; script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] in ("no-store", "no-cache")
        assert "camera=(self)" in headers["permissions-policy"]
