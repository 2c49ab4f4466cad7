"""``unmask read`` on films, the whole way: rows, people, annotated films, reports, blurring, going on after a break."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av", reason="the extra 'video' is not installed")

from films import Picture, Portrait, grey_levels, remux, scenes, write_film

import unmask
from unmask.cli import main
from unmask.cli.counting import Tally
from unmask.errors import ConfigError, InputError
from unmask.media import Failure, Span, frames
from unmask.media.writing import FilmWriter
from unmask.readings import Reading
from unmask.session import FilmOptions

FRAMES = 45
RATE = Fraction(30000, 1001)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = main([*map(str, arguments), *([] if "--detector" in arguments else ["--detector", "mtcnn"])])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def crossing(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One and a half seconds with sound: two heads, one mirrored, pass each other; one hides the other on the way."""
    portrait = Portrait(photo)

    def draw(scene: Picture, at: float) -> None:
        portrait.paste(scene, 0.82 - 0.64 * at, side=88, mirrored=True, y=0.48)
        portrait.paste(scene, 0.18 + 0.64 * at, side=92, y=0.52)

    path = tmp_path_factory.mktemp("films") / "crossing.mp4"
    write_film(path, scenes(FRAMES, draw), ticks=list(range(FRAMES)), time_base=1 / RATE, tone=True)
    return path


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film without a face."""
    path = tmp_path_factory.mktemp("films") / "landscape.mp4"
    write_film(path, scenes(20, lambda scene, at: None))
    return path


@pytest.fixture(scope="module")
def rows(crossing: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Reading]:
    """The readings of the film with the two heads."""
    path = tmp_path_factory.mktemp("rows") / "out.jsonl"
    assert main(["read", str(crossing), "--detector", "mtcnn", "--out", str(path)]) == 0
    return [Reading.from_line(line) for line in path.read_text().splitlines()]


def test_two_who_cross_keep_their_numbers(rows: list[Reading], crossing: Path) -> None:
    """Every frame with its time; two people in all, each on its way from one side to the other."""
    assert [reading.index for reading in rows] == list(range(FRAMES))
    assert [reading.time_s for reading in rows] == [float(i / RATE) for i in range(FRAMES)]
    assert {reading.source for reading in rows} == {str(crossing)}
    assert {face.track_id for reading in rows for face in reading.faces} == {1, 2}
    ways: dict[int, list[float]] = {1: [], 2: []}
    for reading in rows:
        for face in reading.faces:
            assert face.track_id is not None
            ways[face.track_id].append((face.box.x1 + face.box.x2) / 2)
    assert ways[1][0] < 100 < 220 < ways[1][-1]
    assert ways[2][-1] < 100 < 220 < ways[2][0]
    assert min(len(way) for way in ways.values()) > 0.6 * FRAMES
    named = [face.expression for reading in rows for face in reading.faces if face.expression is not None]
    assert named.count(unmask.Expression.HAPPY) > 0.9 * len(named)


def test_a_film_without_a_face(capsys: pytest.CaptureFixture[str], landscape: Path, tmp_path: Path) -> None:
    """Each frame is a row, with its time; and everything else can be made of it too."""
    extras = ["--summary", tmp_path / "s.json", "--timeline", tmp_path / "t.png", "--report", tmp_path / "r.html"]
    code, out, _ = run(capsys, "read", landscape, "--format", "jsonl", *extras)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(line["index"], line["time_s"], line["faces"]) for line in lines] == [(i, i / 25, []) for i in range(20)]
    (film,) = json.loads((tmp_path / "s.json").read_text())["films"]
    assert (film["frames"], film["frames_without_a_face"], film["people"]) == (20, 20, [])
    assert (tmp_path / "t.png").exists()


def test_parts_and_steps(capsys: pytest.CaptureFixture[str], landscape: Path) -> None:
    """Start, end and step, in seconds or as clock time."""
    _, out, _ = run(capsys, "read", landscape, "--format", "csv", "--start", "0:00.2", "--end", "0.7", "--every", "0.2")
    assert [row["index"] for row in csv.DictReader(io.StringIO(out))] == ["5", "10", "15"]


def test_a_film_that_ends_before_the_start(capsys: pytest.CaptureFixture[str], landscape: Path, tmp_path: Path) -> None:
    """It is an input that could not be read, not a film without frames."""
    code, out, err = run(capsys, "read", landscape, "--format", "jsonl", "--start", "1:30")
    assert (code, out) == (1, "")
    assert "landscape.mp4: ends at 0.76 s, before the start, 90 s" in err


def frames_of(path: Path) -> list[tuple[float, Picture]]:
    """Times and pictures of a film."""
    with av.open(str(path)) as film:
        return [
            (float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24")) for frame in film.decode(video=0)
        ]


def sound_of(path: Path) -> np.ndarray:
    """The first track of sound, as it is heard."""
    with av.open(str(path)) as film:
        return np.concatenate([frame.to_ndarray()[0] for frame in film.decode(audio=0)])


def test_the_annotated_film(
    capsys: pytest.CaptureFixture[str], crossing: Path, rows: list[Reading], tmp_path: Path
) -> None:
    """H.264 with the same times, the same sound, and marks around the faces only."""
    target = tmp_path / "drawn.mp4"
    assert run(capsys, "read", crossing, "--format", "jsonl", "--annotate", target)[0] == 0
    with av.open(str(target)) as film:
        assert film.streams.video[0].codec_context.codec.canonical_name == "h264"
    drawn, plain = frames_of(target), frames_of(crossing)
    assert [time for time, _ in drawn] == pytest.approx([time for time, _ in plain], abs=1e-4)
    heard, original = sound_of(target), sound_of(crossing)
    # Copied, not coded anew; only the first packets, in which a decoder gets into the swing, may differ.
    assert np.array_equal(heard[2048:], original[2048 : len(heard)])
    assert len(heard) >= len(original) - 1024
    changed = np.abs(drawn[5][1].astype(int) - plain[5][1]).max(axis=2) > 80
    assert changed.any()
    near = np.zeros(changed.shape, bool)
    for face in rows[5].faces:
        x1, y1, x2, y2 = (round(value) for value in face.box.to_json())
        near[max(y1 - 40, 0) : y2 + 40, max(x1 - 40, 0) : x2 + 60] = True
    assert not changed[~near].any()


def test_a_part_of_the_sound(capsys: pytest.CaptureFixture[str], crossing: Path, tmp_path: Path) -> None:
    """A part of the film keeps its part of the sound, and begins at zero."""
    target = tmp_path / "part.mp4"
    run(capsys, "read", crossing, "--format", "jsonl", "--annotate", target, "--start", "0.5", "--end", "1.0")
    times = [time for time, _ in frames_of(target)]
    assert times[0] == 0
    assert times[-1] == pytest.approx(14 / RATE, abs=1e-3)
    assert len(sound_of(target)) / 8000 == pytest.approx(0.5, abs=0.2)  # to a packet of 1,024 samples on each side


@pytest.mark.parametrize(
    ("ending", "codec", "rate", "layout", "kept"),
    [
        ("avi", "pcm_s16le", 44100, "stereo", "stereo"),
        ("mov", "pcm_s24le", 192000, "stereo", "stereo"),
        ("avi", "pcm_s16le", 11000, "mono", "mono"),
        ("mov", "pcm_s16le", 48000, "5.1", "5.1"),
        ("mkv", "pcm_s16le", 48000, "5.1", "stereo"),  # Matroska says of raw sound only how many channels there are
    ],
)
def test_raw_sound_is_kept(ending: str, codec: str, rate: int, layout: str, kept: str, tmp_path: Path) -> None:
    """Sound as cameras and editors store it, of which AAC knows neither the rate nor the places of its channels."""
    path, target = tmp_path / f"film.{ending}", tmp_path / "drawn.mp4"
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    with av.open(str(path), "w") as film:
        track = film.add_stream("mpeg4", rate=25)
        track.width, track.height, track.pix_fmt = 64, 32, "yuv420p"
        sound = film.add_stream(codec, rate=rate, layout=layout)
        for number in range(25):
            film.mux(track.encode(av.VideoFrame.from_ndarray(np.full((32, 64, 3), 9 * number, np.uint8))))
        film.mux(track.encode(None))
        wave = (8000 * np.sin(2 * math.pi * 440 * np.arange(rate) / rate)).astype(np.int16)
        for start in range(0, rate, 1000):
            part = np.repeat(wave[start : start + 1000], channels)[None]
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            film.mux(sound.encode(frame))
        film.mux(sound.encode(None))
    with FilmWriter(target, sound=path) as writer:
        for time_s, picture in frames_of(path):
            writer.write(picture, time_s)
    with av.open(str(target)) as film:
        its_rate = film.streams.audio[0].codec_context.sample_rate
    heard = sound_of(target)
    with av.open(str(target)) as film:
        assert film.streams.audio[0].codec_context.layout.name == kept
    assert len(heard) / its_rate == pytest.approx(1, abs=0.2)  # to a packet of 1,024 samples on each side
    middle = heard[its_rate // 4 : 3 * its_rate // 4]
    strongest = np.abs(np.fft.rfft(middle)).argmax() * its_rate / len(middle)
    assert strongest == pytest.approx(440, abs=5)


def test_sound_of_films_put_together(tmp_path: Path) -> None:
    """The clock begins anew for pictures and sound: both go on, and the film is written whole."""
    pictures = [np.full((32, 64, 3), 9 * number, np.uint8) for number in range(25)]
    write_film(tmp_path / "one.ts", pictures, tone=True)
    both = tmp_path / "both.ts"
    both.write_bytes((tmp_path / "one.ts").read_bytes() * 2)
    target = tmp_path / "drawn.mp4"
    with FilmWriter(target, sound=both) as writer:
        for frame in frames(both):
            assert not isinstance(frame, Failure)
            writer.write(frame.image, frame.time_s or 0.0)
    assert len(frames_of(target)) == 50
    assert len(sound_of(target)) / 8000 == pytest.approx(2, abs=0.4)


def test_summary_and_report(capsys: pytest.CaptureFixture[str], crossing: Path, tmp_path: Path) -> None:
    """Two happy people with an event each; the page holds the film and needs nothing from elsewhere."""
    summary, page = tmp_path / "s.json", tmp_path / "r.html"
    run(capsys, "read", crossing, "--format", "jsonl", "--summary", summary, "--report", page)
    (film,) = json.loads(summary.read_text())["films"]
    assert [person["track_id"] for person in film["people"]] == [1, 2]
    for person in film["people"]:
        assert person["shares"]["happy"] > 0.9
        assert person["mean_scores"]["happy"] > 0.8
        assert {event["expression"] for event in person["events"]} == {"happy"}
        assert all(e["onset_s"] <= e["peak_s"] <= e["offset_s"] for e in person["events"])
        assert 0.8 < person["seen_s"] <= FRAMES / RATE + 0.01
    text = page.read_text()
    assert "data:video/mp4;base64," in text
    assert "Person 2" in text
    assert 'src="http' not in text
    assert list(tmp_path.glob("*.mp4")) == []


def test_a_large_film_stays_beside_the_page(
    capsys: pytest.CaptureFixture[str], crossing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page names it by its own folder's name for it."""
    monkeypatch.setattr("unmask.outputs.film_section.EMBED_BYTES", 1000)
    page = tmp_path / "r.html"
    run(capsys, "read", crossing, "--format", "jsonl", "--report", page, "--end", "0.3")
    assert 'src="./r.film1.mp4"' in page.read_text()
    assert len(frames_of(tmp_path / "r.film1.mp4")) == 9


def test_blurred_faces_cannot_be_found(
    capsys: pytest.CaptureFixture[str], crossing: Path, photo: Path, tmp_path: Path
) -> None:
    """In the annotated film, in no frame, and in the picture, no detector finds a face; the rest is as it was."""
    film, picture = tmp_path / "blurred.mp4", tmp_path / "blurred.png"
    run(capsys, "read", crossing, "--format", "jsonl", "--annotate", film, "--blur-faces")
    run(capsys, "read", photo, "--format", "jsonl", "--annotate", picture, "--blur-faces")
    drawn, plain = frames_of(film), frames_of(crossing)
    assert len(drawn) == len(plain)
    detector = unmask.load(detector="mtcnn").detector
    assert [number for number, (_, image) in enumerate(drawn) if detector.detect(image)] == []
    with Image.open(picture) as shown:
        assert detector.detect(np.asarray(shown.convert("RGB"))) == []
    assert np.abs(drawn[0][1][:, 150:160].astype(int) - plain[0][1][:, 150:160]).mean() < 6  # between the heads


def test_a_run_goes_on_where_it_stopped(
    capsys: pytest.CaptureFixture[str], crossing: Path, rows: list[Reading], tmp_path: Path
) -> None:
    """Torn in the middle of the crossing and resumed: every frame once, the same people, nearly the same scores."""
    out, film, summary = tmp_path / "out.jsonl", tmp_path / "drawn.mp4", tmp_path / "s.json"
    text = "".join(reading.to_line() + "\n" for reading in rows)
    lines = text.splitlines(keepends=True)
    out.write_text("".join(lines[:22]) + lines[22][:100])
    options = ("--resume", "--annotate", film, "--summary", summary)
    assert run(capsys, "read", crossing, "--out", out, *options)[0] == 0
    resumed = [Reading.from_line(line) for line in out.read_text().splitlines()]
    assert [reading.index for reading in resumed] == list(range(FRAMES))
    assert "".join(lines[:22]) == "".join(reading.to_line() + "\n" for reading in resumed[:22])
    same = 0
    for after, before in zip(resumed[22:], rows[22:], strict=True):
        numbers = {face.track_id: face for face in before.faces}
        for face in after.faces:
            if face.track_id in numbers:
                same += face.box.iou(numbers[face.track_id].box) > 0.7
    assert {face.track_id for reading in resumed for face in reading.faces} == {1, 2}
    assert same > 0.8 * sum(len(reading.faces) for reading in rows[22:])
    assert len(frames_of(film)) == FRAMES
    assert json.loads(summary.read_text())["films"][0]["frames"] == FRAMES


def test_a_report_that_goes_on_has_the_finished_film(
    capsys: pytest.CaptureFixture[str], crossing: Path, photo: Path, rows: list[Reading], tmp_path: Path
) -> None:
    """A picture, a film that was read to its end, and what follows: all are on the page, and the film counts once."""
    out, page, summary, drawn = (tmp_path / name for name in ("out.jsonl", "page.html", "s.json", "drawn"))
    assert run(capsys, "read", photo, "--out", out)[0] == 0
    still = out.read_text()
    last = tmp_path / "last.jpg"
    last.write_bytes(photo.read_bytes())
    done = still + "".join(reading.to_line() + "\n" for reading in rows)
    out.write_text(done + still.replace(str(photo), str(last)))
    options = ("--out", out, "--report", page, "--summary", summary, "--annotate", drawn, "--resume")
    assert run(capsys, "read", photo, crossing, last, *options)[0] == 0
    text = page.read_text()
    assert (text.count("<article"), text.count('<section class="film"')) == (2, 1)
    assert f"{FRAMES} frames from" in text
    assert [film["frames"] for film in json.loads(summary.read_text())["films"]] == [FRAMES]
    assert not drawn.exists() or not list(drawn.iterdir())


def test_a_run_that_goes_on_gives_no_number_twice(
    capsys: pytest.CaptureFixture[str],
    crossing: Path,
    rows: list[Reading],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those who were last seen before what is looked back on keep their numbers for themselves."""
    monkeypatch.setattr("unmask.outputs.jsonl.RECENT_S", 0.0)
    out = tmp_path / "out.jsonl"
    gone = [dataclasses.replace(face, track_id=face.track_id + 40) for face in rows[0].faces if face.track_id]
    earlier = [dataclasses.replace(rows[0], faces=tuple(gone))]
    earlier += [dataclasses.replace(reading, faces=()) for reading in rows[1:20]]
    out.write_text("".join(reading.to_line() + "\n" for reading in earlier))
    assert run(capsys, "read", crossing, "--out", out, "--resume")[0] == 0
    resumed = [Reading.from_line(line) for line in out.read_text().splitlines()]
    later = {face.track_id for reading in resumed[20:] for face in reading.faces}
    assert later
    assert min(number or 0 for number in later) > max(face.track_id or 0 for face in gone)


def test_a_run_goes_on_at_the_frame_behind_the_last(crossing: Path) -> None:
    """The float of a broken rate's time may lie behind the time itself; the frame is not lost."""
    (second, *_) = (item for item in frames(crossing) if not isinstance(item, Failure) and item.index == 1)
    assert second.time_s is not None
    assert Fraction(second.time_s) > 1 / RATE
    (first, *_) = frames(crossing, span=Span().resumed(second.time_s))
    assert not isinstance(first, Failure)
    assert first.index == 1


@pytest.mark.parametrize(
    ("option", "name"), [("--timeline", "folder.svg"), ("--summary", "folder.json"), ("--report", "folder.html")]
)
def test_what_cannot_be_written_costs_no_earlier_results(
    capsys: pytest.CaptureFixture[str], landscape: Path, tmp_path: Path, option: str, name: str
) -> None:
    """The results of an earlier run stay when another output cannot be written."""
    out = tmp_path / "out.csv"
    out.write_text("earlier\n")
    folder = tmp_path / name
    folder.mkdir()
    code, _, err = run(capsys, "read", landscape, "--out", out, option, folder)
    assert code == 1
    assert name in err
    assert out.read_text() == "earlier\n"


def test_a_timeline_without_matplotlib(
    capsys: pytest.CaptureFixture[str], landscape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The install line comes before anything is read or emptied."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    out = tmp_path / "out.csv"
    out.write_text("earlier\n")
    code, _, err = run(capsys, "read", landscape, "--out", out, "--timeline", tmp_path / "t.png")
    assert code == 2
    assert "pip install 'unmask[plots]'" in err
    assert out.read_text() == "earlier\n"


def test_a_finished_run_has_nothing_left(
    capsys: pytest.CaptureFixture[str], crossing: Path, rows: list[Reading], tmp_path: Path
) -> None:
    """To resume it changes nothing."""
    out = tmp_path / "out.jsonl"
    text = "".join(reading.to_line() + "\n" for reading in rows)
    out.write_text(text)
    assert run(capsys, "read", crossing, "--out", out, "--resume")[0] == 0
    assert out.read_text() == text


@pytest.mark.parametrize("options", [(), ("--annotate", "drawn.mp4"), ("--blur-faces",)], ids=" ".join)
@pytest.mark.parametrize("most", [0, 20_000])
def test_a_full_disk_leaves_nothing_hidden(most: int, options: tuple[str, ...], crossing: Path, tmp_path: Path) -> None:
    """No part of a film lies hidden beside the page; nor does it crash where not even a film's head can be written."""
    program = "import resource; from unmask.cli import run_process; limit = resource.RLIMIT_FSIZE; "
    program += f"resource.setrlimit(limit, ({most}, resource.getrlimit(limit)[1])); run_process()"
    command = [sys.executable, "-c", program, "read", str(crossing), "--detector", "mtcnn", "--format", "jsonl"]
    command += ["--report", "page.html", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"page.html", "drawn.mp4"}


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_what_it_has(stop: signal.Signals, photo: Path, tmp_path: Path) -> None:
    """Lines and a film that can be read; killed outright, the film is whole but for its last second."""
    if stop != signal.SIGKILL and signal.getsignal(stop) == signal.SIG_IGN:
        pytest.skip(f"{stop.name} is ignored here, and so it would be in the program that this test starts")
    portrait = Portrait(photo)
    path, out, film = tmp_path / "long.mp4", tmp_path / "out.jsonl", tmp_path / "drawn.mp4"
    write_film(path, scenes(800, lambda scene, at: portrait.paste(scene, 0.3 + 0.4 * at, side=90)))
    command = [sys.executable, "-m", "unmask", "read", str(path), "--detector", "mtcnn"]
    command += ["--out", str(out), "--annotate", str(film)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline and (not out.exists() or out.read_bytes().count(b"\n") < 120):
            time.sleep(0.05)
        process.send_signal(stop)
        _, err = process.communicate(timeout=150)
    assert process.returncode == (-signal.SIGKILL if stop == signal.SIGKILL else 130)
    assert "Traceback" not in err
    whole = [Reading.from_line(line) for line in out.read_text().splitlines(keepends=True) if line.endswith("\n")]
    assert 120 <= len(whole) < 800
    shown = len(frames_of(film))
    assert shown >= len(whole) - (70 if stop == signal.SIGKILL else 1)


@pytest.fixture
def interrupting() -> Iterator[signal.Signals]:
    """A signal that interrupts as Ctrl-C does, also where the tests run with that ignored."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield signal.SIGALRM
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("interrupting")
def test_an_interrupt_costs_a_film_one_picture_at_most(tmp_path: Path) -> None:
    """Wherever it falls, what was written before can be seen: no packet is lost on its way into the file."""
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), dtype=np.uint8)
    for trial in range(8):
        path = tmp_path / f"{trial}.mp4"
        written = 0
        with FilmWriter(path) as writer:
            for _ in range(20):
                writer.write(np.roll(noise, written, axis=1), written / 25)
                written += 1
            with suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.02 + 0.003 * trial)
                for _ in range(200):
                    writer.write(np.roll(noise, written, axis=1), written / 25)
                    written += 1
        assert written < 220
        assert len(frames_of(path)) >= written


def test_an_interrupt_while_a_film_is_completed_costs_nothing(
    interrupting: signal.Signals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The pictures that the encoder still holds come into the file first."""
    complete = FilmWriter._complete

    def interrupted(writer: FilmWriter) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, interrupting)
        time.sleep(0.1)
        complete(writer)

    monkeypatch.setattr(FilmWriter, "_complete", interrupted)
    writer = FilmWriter(tmp_path / "film.mp4")
    for number, picture in enumerate(grey_levels(20)):
        writer.write(picture, number / 25)
    with pytest.raises(KeyboardInterrupt):
        writer.close()
    assert len(frames_of(tmp_path / "film.mp4")) == 20


def test_a_session_reads_live_frames(rows: list[Reading], crossing: Path) -> None:
    """Frames pushed one by one give the readings of the film, person by person."""
    reader = unmask.load(detector="mtcnn")
    session = reader.session(source="live", film=FilmOptions(smooth_s=0.2))
    with av.open(str(crossing)) as film:
        for expected, frame in zip(rows[:12], film.decode(video=0), strict=False):
            pushed = session.push(frame.to_ndarray(format="rgb24"), time_s=expected.time_s)
            assert (pushed.source, pushed.index, pushed.time_s) == ("live", expected.index, expected.time_s)
            assert [face.track_id for face in pushed.faces] == [face.track_id for face in expected.faces]
            for face, other in zip(pushed.faces, expected.faces, strict=True):
                assert face.box.to_json() == pytest.approx(other.box.to_json(), abs=1)
                assert face.scores["happy"] == pytest.approx(other.scores["happy"], abs=0.02)  # type: ignore[index]
    assert session.push(np.zeros((90, 120), np.uint8)).faces == ()


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((90, 120, 3), np.float32),  # 0 to 1, or 0 to 255?
        np.zeros((90, 120, 2), np.uint8),  # two channels
        np.zeros((90, 120, 3), np.uint8).tolist(),  # no array
    ],
)
def test_a_session_refuses_what_is_no_picture(picture: Any) -> None:
    """It says so, and goes on with the next frame under the next number."""
    session = unmask.load(detector="mtcnn").session(source="live")
    with pytest.raises(InputError, match="live: expected"):
        session.push(picture, time_s=5.0)
    assert session.push(np.zeros((90, 120), np.uint8), time_s=0.0).index == 0


def test_a_session_takes_the_pictures_that_a_reader_takes(photo: Path) -> None:
    """Alpha is laid over white and a grey channel dropped, as everywhere."""
    with Image.open(photo) as picture:
        grey = np.asarray(picture.convert("L"))
        alpha = np.asarray(picture.convert("RGBA"))
    session = unmask.load(detector="mtcnn").session()
    for image in (grey[..., None], alpha):
        (face,) = session.push(image).faces
        assert face.expression == "happy"


@pytest.mark.parametrize("time_s", [0.9, math.nan, math.inf])
def test_time_does_not_go_back(time_s: float) -> None:
    """A frame from before the last one is refused; one of the same time and one without a time are not."""
    session = unmask.load(detector="mtcnn").session()
    blank = np.zeros((90, 120), np.uint8)
    session.push(blank, time_s=1.0)
    with pytest.raises(ConfigError, match=r"after 1\.0 s"):
        session.push(blank, time_s=time_s)
    assert session.push(blank, time_s=1.0).time_s == 1.0
    assert session.push(blank).time_s >= 1.0  # type: ignore[operator]


def test_smoothing_is_the_stated_filter(crossing: Path, rows: list[Reading]) -> None:
    """The film's scores are those of the raw film, filtered person by person with the default time constant."""
    raw = list(unmask.load(detector="mtcnn").read(str(crossing), film=FilmOptions(smooth_s=0)))
    assert [len(reading.faces) for reading in raw] == [len(reading.faces) for reading in rows]
    state: dict[int | None, tuple[float, float]] = {}
    for reading, smoothed in zip(raw, rows, strict=True):
        for face, other in zip(reading.faces, smoothed.faces, strict=True):
            assert face.track_id == other.track_id
            assert reading.time_s is not None
            value = dict(face.scores)[unmask.Expression.HAPPY]
            if face.track_id in state:
                before, then = state[face.track_id]
                value = before + (1 - math.exp(-(reading.time_s - then) / 0.2)) * (value - before)
            state[face.track_id] = value, reading.time_s
            assert dict(other.scores)[unmask.Expression.HAPPY] == pytest.approx(value, abs=1e-4)


def test_a_film_that_is_named_twice(capsys: pytest.CaptureFixture[str], landscape: Path, tmp_path: Path) -> None:
    """It is two films, to be drawn, described and counted; one that lies beside the page keeps its content."""
    folder, page, summary = tmp_path / "drawn", tmp_path / "r.html", tmp_path / "s.json"
    beside = tmp_path / "r.film1.mp4"
    beside.write_bytes(b"mine")
    options = ("--annotate", folder, "--report", page, "--summary", summary, "--format", "jsonl")
    assert run(capsys, "read", landscape, landscape, *options)[0] == 0
    assert sorted(path.name for path in folder.iterdir()) == ["landscape.mp4", "landscape_2.mp4"]
    assert len(frames_of(folder / "landscape.mp4")) == len(frames_of(folder / "landscape_2.mp4"))
    assert [film["frames"] for film in json.loads(summary.read_text())["films"]] == [20, 20]
    assert page.read_text().count("data:video/mp4") == 2
    assert beside.read_bytes() == b"mine"


def test_going_on_needs_names_of_their_own(capsys: pytest.CaptureFixture[str], photo: Path, tmp_path: Path) -> None:
    """Which of two inputs of one name has been read cannot be told."""
    code, _, err = run(capsys, "read", photo, photo, "--out", tmp_path / "out.jsonl", "--resume")
    assert code == 2
    assert "--resume cannot tell inputs of one name apart" in err


def test_going_on_draws_over_nothing(capsys: pytest.CaptureFixture[str], photo: Path, tmp_path: Path) -> None:
    """What an earlier run has drawn keeps its name, though another source of that name comes later."""
    names = [tmp_path / folder / "face.jpg" for folder in "abc"]
    for name in names:
        name.parent.mkdir()
        name.write_bytes(photo.read_bytes())
    out, folder = tmp_path / "out.jsonl", tmp_path / "drawn"
    options = ("--out", out, "--resume", "--annotate", folder)
    run(capsys, "read", *names[:2], *options)
    for path in folder.iterdir():
        path.write_bytes(b"drawn before")
    assert run(capsys, "read", *names, *options)[0] == 0
    kept = {path.name: path.read_bytes() == b"drawn before" for path in folder.iterdir()}
    assert kept == {"face.png": True, "face_2.png": True, "face_3.png": False}


def test_a_cut_film_and_a_picture(
    capsys: pytest.CaptureFixture[str], crossing: Path, photo: Path, tmp_path: Path
) -> None:
    """A damaged film gives what it has, says so and fails; what follows is read; both are drawn into a folder."""
    import shutil

    cut = tmp_path / "cut.mkv"
    remux(crossing, cut)
    data = cut.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    shutil.copy(photo, tmp_path / "photo.jpg")
    out, folder = tmp_path / "out.csv", tmp_path / "drawn"
    code, _, err = run(capsys, "read", cut, tmp_path / "photo.jpg", "--out", out, "--annotate", folder)
    assert code == 1
    assert "cut.mkv: " in err
    assert re.search("cut short|damaged", err)
    assert "1 of 2 inputs could not be read" in err
    lines = list(csv.DictReader(io.StringIO(out.read_text())))
    assert 5 < len([line for line in lines if line["source"] == str(cut)]) < 2 * FRAMES
    assert lines[-1]["source"].endswith("photo.jpg")
    assert sorted(path.name for path in folder.iterdir()) == ["cut.mp4", "photo.png"]


def test_a_cut_film_that_is_named_twice() -> None:
    """Its frames and its failure are one input each time; so is a film that cannot be opened."""
    film = [Reading("cut.mp4", 8, 8, "small@1", index=index, time_s=index / 25) for index in range(3)]
    items: list[Reading | Failure] = [*film, Failure("cut.mp4", InputError("cut short"))] * 2
    items += [Failure("bad.mp4", InputError("damaged"))] * 2
    tally = Tally()
    for item in items:
        tally.add(item)
    assert (tally.inputs, tally.failed) == (4, 4)


def test_pictures_of_a_sequence_that_cannot_be_read() -> None:
    """However many there are, and wherever they stand, the sequence is one input."""
    tally = Tally()
    for name in ("a/*.png", "b/*.png"):
        for index in range(6):
            failure = Failure(name, InputError(f"{index}.png: damaged"), index)
            tally.add(failure if index in (0, 1, 3) else Reading(name, 8, 8, "small@1", index=index, time_s=index / 5))
    assert (tally.inputs, tally.failed) == (2, 2)


def test_sources_are_never_drawn_over(capsys: pytest.CaptureFixture[str], landscape: Path, tmp_path: Path) -> None:
    """Told to draw into a film's own folder, or over the film itself, it refuses."""
    film = tmp_path / "clip.mp4"
    film.write_bytes(landscape.read_bytes())
    for target, message in ((tmp_path, "would draw beside"), (film, "name another file")):
        code, _, err = run(capsys, "read", film, "--format", "jsonl", "--annotate", target)
        assert code == 2
        assert message in err
    assert list(tmp_path.iterdir()) == [film]
    assert film.read_bytes() == landscape.read_bytes()


def test_an_image_sequence(capsys: pytest.CaptureFixture[str], photo: Path, tmp_path: Path) -> None:
    """Pictures with a rate are one film: one person, exact times."""
    portrait = Portrait(photo)
    for number, scene in enumerate(scenes(4, lambda scene, at: portrait.paste(scene, 0.4 + 0.2 * at))):
        Image.fromarray(scene).save(tmp_path / f"{number}.png")
    _, out, _ = run(capsys, "read", tmp_path / "*.png", "--fps", "30000/1001", "--format", "jsonl")
    read = [Reading.from_line(line) for line in out.splitlines()]
    assert [reading.time_s for reading in read] == [float(i / RATE) for i in range(4)]
    assert {face.track_id for reading in read for face in reading.faces} == {1}
    assert {reading.source for reading in read} == {str(tmp_path / "*.png")}


@pytest.mark.parametrize("name", ["nothing", "empty", "*.png"])
def test_a_sequence_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    """It is missing, and not too short for --start."""
    (tmp_path / "empty").mkdir()
    code, out, err = run(capsys, "read", tmp_path / name, "--fps", "25", "--start", "5", "--format", "jsonl")
    assert (code, out) == (1, "")
    assert "choose an earlier --start" not in err
    assert re.search("no such file|no pictures|no file", err)


def test_a_rate_for_a_film(capsys: pytest.CaptureFixture[str], landscape: Path) -> None:
    """A film has its own."""
    code, out, err = run(capsys, "read", landscape, "--fps", "10", "--format", "jsonl")
    assert (code, out) == (1, "")
    assert "leave out --fps" in err


def test_a_sequence_of_one_picture(capsys: pytest.CaptureFixture[str], photo: Path, tmp_path: Path) -> None:
    """It is drawn as a film without sound."""
    assert run(capsys, "read", photo, "--fps", "5", "--annotate", tmp_path / "a.mp4")[0] == 0
    assert len(frames_of(tmp_path / "a.mp4")) == 1


def test_resuming_with_another_span(capsys: pytest.CaptureFixture[str], landscape: Path, tmp_path: Path) -> None:
    """Frames that the file holds and the span leaves out could not be found again: refused, and nothing is touched."""
    out, drawn = tmp_path / "a.jsonl", tmp_path / "a.mp4"
    assert run(capsys, "read", landscape, "--out", out, "--annotate", drawn)[0] == 0
    before = [path.read_bytes() for path in (out, drawn)]
    for option in (("--start", "0.2"), ("--end", "0.1")):
        code, _, err = run(capsys, "read", landscape, "--out", out, "--annotate", drawn, "--resume", *option)
        assert code == 2
        assert "which --start or --end leaves out now; use those of the first run" in err
    assert [path.read_bytes() for path in (out, drawn)] == before


def test_a_camera(capsys: pytest.CaptureFixture[str], photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--camera`` reads until the camera ends, each frame at once."""
    import cv2

    with Image.open(photo) as picture:
        image = np.asarray(picture.convert("RGB"))[:, :, ::-1]

    class Camera:
        def __init__(self, number: int) -> None:
            assert number == 1
            self.left = 30  # frames

        def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
            return True

        def read(self) -> tuple[bool, Any]:
            time.sleep(0.02)
            self.left -= 1
            return self.left >= 0, image

        def release(self) -> None:
            return None

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    code, out, _ = run(capsys, "read", "--camera", "1", "--format", "jsonl")
    read = [Reading.from_line(line) for line in out.splitlines()]
    assert code == 0
    assert len(read) >= 2
    assert {reading.source for reading in read} == {"<camera 1>"}
    assert {face.track_id for reading in read for face in reading.faces} == {1}
    times = [reading.time_s for reading in read]
    assert times == sorted(times)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("read",), "--camera 0"),
        (("read", "x.mp4", "--every", "0"), "--every 0.0 s: expected a step above 0"),
        (("read", "x.mp4", "--every", "often"), "--every often"),
        (("read", "x.mp4", "--start", "1e999999999"), "--start 1e999999999: expected seconds"),
        (("read", "x.mp4", "--every", "9" * 40), "expected seconds"),
        (("read", "x.mp4", "--start", "3", "--end", "2"), "after the start"),
        (("read", "x.mp4", "--smooth", "-1"), "--smooth -1.0 s"),
        (("read", "x.mp4", "--search-every", "0"), "--search-every 0 frames: expected at least 1"),
        (("read", "x/*.png", "--fps", "0"), "above 0"),
        (("read", "-", "--fps", "5"), "standard input"),
        (("read", "x.mp4", "--annotate", "x.png"), "MP4"),
        (("read", "x.jpg", "--annotate", "x.mp4"), "JPEG or PNG"),
        (("read", "x.mp4", "--timeline", "x.pdf"), "PNG or SVG"),
        (("read", "--camera", "0", "--resume", "--out", "x.jsonl"), "camera"),
        (("read", "--camera", "99999999999"), "--camera: expected a whole number from 0 to"),
    ],
)
def test_wrong_use(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str) -> None:
    """Each mistake has a message that names the next step, and the exit code for wrong usage."""
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_without_pyav(
    capsys: pytest.CaptureFixture[str], landscape: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The install line; a film alone is refused before anything is emptied, and among others it is not read."""
    monkeypatch.setitem(sys.modules, "av", None)
    out = tmp_path / "out.csv"
    out.write_text("earlier\n")
    code, _, err = run(capsys, "read", landscape, "--out", out)
    assert code == 2
    assert "pip install 'unmask[video]'" in err
    assert out.read_text() == "earlier\n"
    code, _, err = run(capsys, "read", landscape, photo, "--out", out)
    assert code == 1
    assert "pip install 'unmask[video]'" in err
    assert "1 of 2" in err
    assert "happy" in out.read_text()


def test_a_missing_film_without_pyav(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """To install it would not help."""
    monkeypatch.setitem(sys.modules, "av", None)
    code, _, err = run(capsys, "read", "gone.mp4")
    assert code == 1
    assert "gone.mp4: no such file" in err
    assert "pip" not in err


def test_pictures_load_nothing_that_only_films_need(photo: Path) -> None:
    """``unmask read photo`` starts as fast as before."""
    films = ("av", "unmask.session", "unmask.faces.tracking", "unmask.timeline", "matplotlib")
    script = "import sys; from unmask.cli import main; main(['read', sys.argv[1], '--detector', 'mtcnn']); "
    script += f"print([name for name in {films} if name in sys.modules])"
    command = [sys.executable, "-c", script, str(photo)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    assert result.stdout.splitlines()[-1] == "[]"


PEOPLE = [("man_head_pose", 62, 1), ("two_people_head_pose", 56, 2), ("three_people_walking", 41, 3)]


@pytest.mark.data
@pytest.mark.parametrize(("name", "frames", "people"), PEOPLE)
@pytest.mark.parametrize("detector", ["yunet", "mtcnn"])
def test_real_films(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, frames: int, people: int, detector: str
) -> None:
    """The right number of people (seen by eye on contact sheets), each keeping its number and its place."""
    monkeypatch.setenv("UNMASK_MODELS", str(data_folder / "weights"))
    path = data_folder / "videos" / f"intel_{name}.mp4"
    items = list(unmask.load(detector=detector).stream(path))
    readings = [item[1] for item in items if not isinstance(item, Failure)]
    assert len(items) == len(readings) == frames
    assert [reading.time_s for reading in readings] == [2 * i / 25 for i in range(frames)]
    assert {face.track_id for reading in readings for face in reading.faces} == set(range(1, people + 1))
    for reading in readings:  # nobody changes places in these films
        numbers = [face.track_id for face in reading.faces]
        assert numbers == sorted(numbers, key=lambda number: {1: 1, 2: 2, 3: 3}[number or 0])
    found = sum(len(reading.faces) for reading in readings)
    assert found >= (1.0 if detector == "yunet" else 0.9) * frames * people
