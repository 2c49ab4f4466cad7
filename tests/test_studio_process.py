"""The server as a process: starting, stopping, being killed."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the studio's libraries are not installed: pip install 'unmask[studio]'")
httpx = pytest.importorskip("httpx2", reason="httpx2, the tests' HTTP client, is not installed")

pytestmark = pytest.mark.slow


@contextmanager
def server(
    *arguments: str, temporary: Path | None = None, browser: str = ""
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its address."""
    command = [sys.executable, "-m", "unmask", "studio", "--port", "0", *arguments]
    command += [] if browser else ["--no-browser"]
    environment = {**os.environ, **({"TMPDIR": str(temporary)} if temporary else {})}
    environment |= {"BROWSER": browser} if browser else {}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    try:
        lines: list[str] = []
        while not (found := re.search(r"is at (http://\S+)", lines[-1] if lines else "")):
            lines.append(process.stderr.readline())
            assert lines[-1], "".join(lines)
        yield process, found[1]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_stopping_answers_what_is_in_flight(photo: Path) -> None:
    """SIGTERM in the middle of a request: it is answered in whole, nothing new is taken, and the exit code is 0."""
    files = [("file", ("a.jpg", photo.read_bytes()))] * 48
    with server("--detector", "mtcnn") as (process, address), concurrent.futures.ThreadPoolExecutor() as pool:
        asked = pool.submit(httpx.post, f"{address}v1/read", files=files, timeout=120)
        while "unmask_requests_running 1" not in httpx.get(f"{address}metrics").text:
            time.sleep(0.01)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        answer = asked.result()
        assert answer.status_code == 200
        assert len(answer.json()["readings"]) == 48
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert "nothing was kept" in process.stderr.read()
        with pytest.raises(httpx.TransportError):
            httpx.get(address)


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A minute of grey pictures."""
    films = pytest.importorskip("films", reason="PyAV is not installed: pip install 'unmask[video]'")
    path: Path = tmp_path_factory.mktemp("film") / "long.mp4"
    films.write_film(path, [np.full((360, 480, 3), 16 + number % 200, np.uint8) for number in range(1500)])
    return path.read_bytes()


@pytest.mark.parametrize("path", ["films", "films/annotated"])
def test_stopping_ends_films(long_film: bytes, path: str) -> None:
    """SIGINT in the middle of a film: it ends soon with its reason as JSON, and nothing but words is said."""
    with server("--detector", "mtcnn") as (process, address), concurrent.futures.ThreadPoolExecutor() as pool:
        files = {"file": ("long.mp4", long_film)}
        asked = pool.submit(httpx.post, f"{address}v1/{path}", files=files, timeout=120)
        while 'unmask_frames_total{kind="film"}' not in httpx.get(f"{address}metrics").text:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        answer = asked.result()
        assert process.wait(20) == 0
        assert process.stderr is not None
        told = process.stderr.read().splitlines()
    if path == "films":
        events = [json.loads(line) for line in answer.text.splitlines()]
        assert [event["event"] for event in events[-3:]] == ["reading", "error", "summary"]
        assert events[-1]["summary"]["frames"] == len(events) - 2 < 1500
        said = events[-2]
    else:
        assert answer.status_code == 503
        said = answer.json()
    assert said["error"] == "the server is stopping"
    assert said["next"]
    assert told == [
        "unmask: waiting for 1 request; Ctrl-C again ends at once",
        "unmask studio has stopped; nothing was kept",
    ]


def test_a_second_interrupt_ends_at_once(photo: Path) -> None:
    """The request in flight is answered as busy, and no traceback is shown."""
    files = [("file", ("a.jpg", photo.read_bytes()))] * 64
    with server("--detector", "mtcnn", "--workers", "1") as (process, address):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            asked = pool.submit(httpx.post, f"{address}v1/read", files=files, timeout=120)
            while "unmask_requests_running 1" not in httpx.get(f"{address}metrics").text:
                time.sleep(0.01)
            assert process.stderr is not None
            process.send_signal(signal.SIGINT)
            told = process.stderr.readline()
            process.send_signal(signal.SIGINT)
            answer = asked.result()
        assert process.wait(20) == 0
        told += process.stderr.read()
    assert answer.status_code == 503
    assert answer.json()["error"] == "the server is stopping"
    assert told.count("\n") == 2


def test_being_killed_leaves_nothing_behind(photo: Path, tmp_path: Path) -> None:
    """Killed (kill -9) in the middle of an upload and after a picture: no file of either stays."""
    noise = os.urandom(3 * 2**20)  # larger than what is kept in memory
    with server("--detector", "whole", temporary=tmp_path) as (process, address):
        port = int(address.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as upload:
            head = (
                "POST /v1/films HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n"
                "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
                '--b\r\nContent-Disposition: form-data; name="f"; filename="film.mp4"\r\n\r\n'
            )
            upload.sendall(head.encode() + noise)
            httpx.post(f"{address}v1/read", files={"file": ("a.jpg", photo.read_bytes())})
            process.kill()
            process.wait()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_browser_in_the_terminal_holds_nothing_up(tmp_path: Path) -> None:
    """The server answers while the browser runs, and ends though it still does."""
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\ntouch {tmp_path}/opened\nexec sleep 20\n")
    browser.chmod(0o755)
    with server("--detector", "whole", browser=f"{browser} %s") as (process, address):
        while not (tmp_path / "opened").exists():
            time.sleep(0.05)
        assert httpx.get(f"{address}healthz", timeout=5).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    """An address that cannot be listened on ends with its reason and exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "unmask", "studio", "--no-browser", "--port", str(taken.getsockname()[1])]
        result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "cannot be listened on" in result.stderr
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--max-files", "0"], 2, "--max-files: expected a finite number of at least 1"),
        (["--model", "none"], 2, "no model 'none'"),
        (["--detector", "haar"], 2, "unknown detector 'haar'"),
        (["--api-key", "a b"], 2, "API key"),
        (["--api-key", ""], 2, "--api-key is empty, and without a key anybody is let in"),
        (["--max-body", "0.5", "--max-files", "0"], 2, "--max-files: expected"),  # half a megabyte can be
        (["--max-body", "-5"], 2, "--max-body: expected a finite number of at least 1, got -5\n"),
        (["--host", "host.invalid"], 2, "cannot be listened on"),
        (["--host", "a..b"], 2, "cannot be listened on"),
    ],
)
def test_wrong_options(arguments: list[str], code: int, word: str) -> None:
    """Each ends with one line that says what is wrong."""
    command = [sys.executable, "-m", "unmask", "studio", "--port", "0", "--no-browser", *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == code
    assert word in result.stderr
    assert "Traceback" not in result.stderr


def test_other_machines_are_warned_of() -> None:
    """Who lets other machines in without a key is told so; the key may come from the environment."""
    with server("--host", "0.0.0.0", "--api-key", "sesame") as (_, address):
        assert httpx.get(f"{address}v1/models").status_code == 401
    command = [sys.executable, "-m", "unmask", "studio", "--host", "0.0.0.0", "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert "no key is asked for" in process.stderr.readline()
        finally:
            process.terminate()
            process.communicate(timeout=30)


def test_forwarded_addresses_are_not_believed() -> None:
    """Who writes another address into each request is counted as who they are."""
    with server("--max-rate", "0.1", "--detector", "whole") as (_, address):
        answers = [
            httpx.get(f"{address}v1/models", headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code
            for number in range(6)
        ]
    assert answers[-1] == 429


def test_messages_are_not_unpacked() -> None:
    """Compression, by which a small message fills the memory, is not agreed to."""
    with server("--detector", "whole") as (_, address):
        url = httpx.URL(address)
        with socket.create_connection((url.host, url.port or 80)) as client:
            client.sendall(
                f"GET /v1/live HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n".encode()
            )
            head = client.recv(4096).decode("latin-1")
    assert head.startswith("HTTP/1.1 101")
    assert "permessage-deflate" not in head


def test_a_slow_request_is_given_up() -> None:
    """A body that does not come is answered in time, and the connection may be used for another request."""
    with server("--timeout", "1", "--detector", "whole") as (_, address):
        port = int(address.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(
                b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n"
                b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
            )
            assert connection.recv(1000).startswith(b"HTTP/1.1 408")
        assert httpx.get(f"{address}healthz").status_code == 200
