"""The REST service under load on this machine: throughput against the library's own, latency, and damaged requests.

1. The library reads COUNT pictures with as many workers as there are cores; the service reads the same ones for several
   clients at a time. The two take turns, so that a drifting machine is fair to both.
2. REQUESTS requests, half of them damaged in ways that a seed chooses. Every answer must have the status of its kind,
   and the server's memory after all must be that after the first tenth.
3. The server is killed in the middle of its work (kill -9): nothing may be left behind, and a new one must answer.

usage: python benchmarks/service_load.py [PICTURE] [--count 400] [--requests 10000] [--clients 8] [--rounds 3]
                                         [--detector NAME]
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import unmask

LEAST_SHARE = 0.85
MAX_GROWTH_MB = 50
BOUNDARY = "unmask-benchmark"


@contextmanager
def server(folder: Path, detector: str | None) -> Iterator[tuple[int, int]]:
    """A server process of its own: process id and port."""
    command = [sys.executable, "-m", "unmask", "studio", "--port", "0", "--no-browser", "--max-rate", "0"]
    command += ["--detector", detector] if detector else []
    environment = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
    if found is None:
        raise RuntimeError(f"the server did not start: {line}{process.stderr.read()}")
    threading.Thread(target=lambda: sys.stderr.writelines(process.stderr or ()), daemon=True).start()
    try:
        yield process.pid, int(found[1])
    finally:
        process.terminate()
        process.wait()


def multipart(*files: tuple[str, bytes]) -> bytes:
    """A form of files."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n'
    parts = [(head % name).encode() + data + b"\r\n" for name, data in files]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


class Client:
    """One connection that is opened anew when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
        """The status of the answer, which is read whole."""
        for last_try in (False, True):
            try:
                self._connection.request(method, path, body, headers)
                answer = self._connection.getresponse()
                answer.read()
                return answer.status
            except (http.client.HTTPException, OSError):
                self._connection.close()
                if last_try:
                    raise
        raise AssertionError


def library_rate(picture: bytes, count: int, detector: str | None) -> float:
    """Pictures a second of the library, with a worker a core."""
    reader = unmask.load(detector=detector)
    list(reader.read([picture] * 8))
    start = time.perf_counter()
    for _ in reader.read((picture for _ in range(count)), workers=os.cpu_count() or 1):
        pass
    return count / (time.perf_counter() - start)


def service_rate(port: int, picture: bytes, count: int, clients: int, per_request: int) -> tuple[float, list[float]]:
    """Pictures a second of the service, and the times of the requests in milliseconds."""
    body = multipart(*[(f"{number}.jpg", picture) for number in range(per_request)])
    turns = iter(range(count // per_request))
    lock = threading.Lock()
    times: list[float] = []

    def work() -> None:
        client = Client(port)
        while True:
            with lock:
                if next(turns, None) is None:
                    return
            start = time.perf_counter()
            status = client.ask("POST", "/v1/read", body, FORM)
            times.append(1000 * (time.perf_counter() - start))
            assert status == 200, status

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(work) for _ in range(clients)]:
            done.result()
    return len(times) * per_request / (time.perf_counter() - start), times


Case = tuple[str, str, bytes, dict[str, str], tuple[int, ...]]
"""Method, path, body, headers, and the statuses that are right."""


def cases(picture: bytes, chance: random.Random) -> Iterator[Case]:
    """Requests without end: sound and damaged in turn."""
    sound = multipart(("a.jpg", picture))
    while True:
        yield "POST", "/v1/read", sound, FORM, (200,)
        cut, at = chance.randrange(len(picture)), chance.randrange(len(sound))
        flipped = bytearray(picture)
        for _ in range(chance.randrange(1, 50)):
            flipped[chance.randrange(len(flipped))] = chance.randrange(256)
        noise = chance.randbytes(chance.randrange(2000))
        yield chance.choice(
            [
                ("POST", "/v1/read", multipart(("cut.jpg", picture[:cut])), FORM, (200, 415, 422)),
                ("POST", "/v1/read", multipart(("flipped.jpg", bytes(flipped))), FORM, (200, 413, 415, 422)),
                ("POST", "/v1/read", multipart(("noise", noise)), FORM, (413, 415, 422)),
                ("POST", "/v1/read", multipart(("empty.jpg", b"")), FORM, (415,)),
                ("POST", "/v1/read", multipart(*[("x", noise[:9])] * 65), FORM, (413,)),
                ("POST", "/v1/read", sound[:at], FORM, (200, 400, 415, 422)),
                ("POST", "/v1/read", noise, FORM, (400, 422)),
                ("POST", "/v1/read", noise, {"Content-Type": "multipart/form-data"}, (400,)),
                ("POST", "/v1/read", noise, JSON, (415,)),
                ("POST", "/v1/read?head=" + noise[:9].hex(), sound, FORM, (422,)),
                ("POST", "/v1/read?min_confidence=nan", sound, FORM, (422,)),
                ("POST", "/v1/read?" + noise[:9].hex() + "=1", sound, FORM, (422,)),
                ("POST", "/v1/export", noise, JSON, (400, 422)),
                ("POST", "/v1/export", b'{"readings": [{"faces": 1e999}]}', JSON, (422,)),
                ("POST", "/v1/draw", multipart(("a.jpg", picture), ("b.jpg", picture)), FORM, (413,)),
                ("POST", "/v1/read", sound, {**FORM, "Host": "elsewhere.example"}, (400,)),
                ("POST", "/v1/read", sound, {**FORM, "Origin": "https://elsewhere.example"}, (403,)),
                ("GET", "/v1/read", b"", {}, (405,)),
                ("DELETE", "/v1/" + noise[:9].hex(), b"", {}, (404,)),
                ("GET", "/static/..%2f..%2fserve.py", b"", {}, (404,)),
            ]
        )


def raw_garbage(port: int, chance: random.Random) -> None:
    """Bytes that are no HTTP, or HTTP cut off."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        length = chance.choice(["-1", "9" * 30, "99"])
        head = f"POST /v1/read HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n"
        connection.sendall(chance.choice([chance.randbytes(200), head.encode(), head.encode() + b"\r\nhalf"]))


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1]) / 1000


def fuzz(
    pid: int, port: int, picture: bytes, requests: int, clients: int
) -> tuple[Counter[int], list[str], list[float]]:
    """Statuses that came, wrong ones in words, and memory in MB after a tenth and after all."""
    source = cases(picture, random.Random(0))  # noqa: S311 (a seed that can be named again)
    statuses: Counter[int] = Counter()
    wrong: list[str] = []
    lock = threading.Lock()

    def work(count: int) -> None:
        client, chance = Client(port), random.Random(count)  # noqa: S311
        for number in range(count):
            with lock:
                method, path, body, headers, right = next(source)
            status = client.ask(method, path, body, headers)
            with lock:
                statuses[status] += 1
                if status not in right:
                    wrong.append(f"{method} {path} {headers}: {status}, expected {right}")
            if number % 20 == 0:
                raw_garbage(port, chance)

    memory = []
    for share in (0.1, 0.9):
        each = round(requests * share / clients)
        with ThreadPoolExecutor(clients) as pool:
            for done in [pool.submit(work, each) for _ in range(clients)]:
                done.result()
        memory.append(memory_mb(pid))
    return statuses, wrong, memory


def killed(picture: bytes, clients: int, detector: str | None) -> bool:
    """Whether a server killed in the middle of its work leaves nothing behind, and a new one answers."""
    with tempfile.TemporaryDirectory() as name:
        with server(Path(name), detector) as (pid, port):
            threads = [threading.Thread(target=lambda: _ignore(port, picture), daemon=True) for _ in range(clients)]
            for thread in threads:
                thread.start()
            time.sleep(0.5)
            os.kill(pid, signal.SIGKILL)
            for thread in threads:
                thread.join()
        left = list(Path(name).iterdir())
        with server(Path(name), detector) as (_, port):
            answers = Client(port).ask("POST", "/v1/read", multipart(("a.jpg", picture)), FORM) == 200
    return answers and not left


def _ignore(port: int, picture: bytes) -> None:
    client, body = Client(port), multipart(*[("a.jpg", picture)] * 8)
    try:
        while True:
            client.ask("POST", "/v1/read", body, FORM)
    except (http.client.HTTPException, OSError):
        return


def percentile(times: list[float], share: float) -> float:
    """The time that so large a share of the requests does not exceed."""
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def main() -> int:
    """Measure, print, and say whether all held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", default=str(Path(__file__).parents[1] / "docs/images/astronaut.jpg"))
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--detector", help="default: yunet once fetched, else mtcnn")
    arguments = parser.parse_args()
    picture = Path(arguments.picture).read_bytes()
    with tempfile.TemporaryDirectory() as name, server(Path(name), arguments.detector) as (pid, port):
        service_rate(port, picture, 64, arguments.clients, 8)  # warms both ends
        failed = False
        for per_request in (1, 8):
            shares, rates, times = [], [], []
            for _ in range(arguments.rounds):
                own = library_rate(picture, arguments.count, arguments.detector)
                rate, some = service_rate(port, picture, arguments.count, arguments.clients, per_request)
                shares.append(rate / own)
                rates.append((own, rate))
                times += some
            own, rate = (statistics.median(column) for column in zip(*rates, strict=True))
            share = statistics.median(shares)
            failed |= share < LEAST_SHARE
            print(
                f"{per_request} picture(s) a request, {arguments.clients} clients: {rate:.1f} pictures a second, the "
                f"library {own:.1f}, share {share:.3f} (at least {LEAST_SHARE}); "
                f"p50 {percentile(times, 0.5):.0f} ms, p99 {percentile(times, 0.99):.0f} ms"
            )
        statuses, wrong, (early, late) = fuzz(pid, port, picture, arguments.requests, arguments.clients)
        counts = dict(sorted(statuses.items()))
        print(f"{statuses.total()} requests, half of them damaged: {counts}, {len(wrong)} wrong answers")
        print(*wrong[:20], sep="\n", end="\n" if wrong else "")
        print(f"memory: {early:.0f} MB after a tenth, {late:.0f} MB after all (at most {MAX_GROWTH_MB} MB more)")
        failed |= bool(wrong) or late - early > MAX_GROWTH_MB
    clean = killed(picture, arguments.clients, arguments.detector)
    print(f"killed at work: {'nothing left behind, a new server answers' if clean else 'FAILED'}")
    return int(failed or not clean)


if __name__ == "__main__":
    sys.exit(main())
