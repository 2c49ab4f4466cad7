"""Films to frames: times, order, parts, turns, damage; and what else moves."""

from __future__ import annotations

import io
import json
import re
import shutil
import struct
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av", reason="the extra 'video' is not installed")

from films import grey_levels, number_of, remux, write_film

from unmask.errors import ConfigError, InputError, LimitError
from unmask.media import Camera, Failure, Frame, ImageSequence, Span, Stream, ahead, count, expand, frames
from unmask.media.camera import camera_frames
from unmask.media.film import film_frames

TICKS = [0, 40, 80, 85, 90, 200, 333, 334, 400, 1000]
"""Of a film whose rate varies, in milliseconds."""


def of(path: Path | str, span: Span | None = None) -> tuple[list[tuple[int, float, int]], list[str]]:
    """Index, time and picture number of each frame of a film of grey levels, and its failures."""
    items = list(film_frames(Path(path), span or Span()))
    read = [(item.index, item.time_s, number_of(item.image)) for item in items if isinstance(item, Frame)]
    assert all(time is not None for _, time, _ in read)
    return read, [str(item.error) for item in items if isinstance(item, Failure)]  # type: ignore[return-value]


@pytest.fixture(scope="module")
def varying(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames at uneven times, with pictures that are coded out of order."""
    path = tmp_path_factory.mktemp("films") / "varying.mp4"
    write_film(path, grey_levels(10), ticks=TICKS, options={"crf": "10", "bf": "2", "g": "4"})
    return path


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty seconds, two frames a second, a key frame every four seconds; each picture tells its number (up to 59)."""
    path = tmp_path_factory.mktemp("films") / "long.mp4"
    pictures = [np.full((32, 48, 3), 16 + 2 * number, np.uint8) for number in range(80)]
    write_film(path, pictures, ticks=[500 * number for number in range(80)], options={"crf": "5", "g": "8", "bf": "2"})
    return path


def test_every_frame_has_its_own_time(varying: Path) -> None:
    """Uneven times come out as they went in, in order, with their pictures."""
    read, failures = of(varying)
    assert failures == []
    assert [(index, number) for index, _, number in read] == [(i, i) for i in range(10)]
    assert [time for _, time, _ in read] == [tick / 1000 for tick in TICKS]


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(60)])
@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi", "ts"])
def test_times_are_those_of_ffprobe(rate: Fraction, ending: str, tmp_path: Path) -> None:
    """In each kind of file, at whole and broken rates, the times are those that ffprobe prints."""
    probe = shutil.which("ffprobe")
    if probe is None:
        pytest.skip("ffprobe is not installed")
    path = tmp_path / f"film.{ending}"
    codec = "mpeg4" if ending == "avi" else "libx264"
    write_film(path, grey_levels(12), ticks=list(range(12)), time_base=1 / rate, codec=codec, options={"bf": "0"})
    command = [probe, "-v", "error", "-select_streams", "v:0", "-of", "json"]
    command += ["-show_entries", "frame=best_effort_timestamp_time,pts_time", str(path)]
    shown = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["frames"]
    expected = [float(one.get("best_effort_timestamp_time") or one["pts_time"]) for one in shown]
    read, failures = of(path)
    assert failures == []
    assert [time for _, time, _ in read] == pytest.approx(expected, abs=1e-6)  # ffprobe prints six decimals
    assert [index for index, _, _ in read] == list(range(12))


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span(), list(range(10))),
        (Span(start_s=Fraction("0.085")), list(range(3, 10))),  # a frame's own time belongs to it
        (Span(end_s=Fraction("0.085")), [0, 1, 2]),  # ... and not to what ends there
        (Span(start_s=Fraction("0.05"), end_s=Fraction("0.35")), [2, 3, 4, 5, 6, 7]),
        (Span(every_s=Fraction("0.1")), [0, 5, 6, 8, 9]),  # the first of each tenth that has any
        (Span(start_s=Fraction("0.08"), every_s=Fraction("0.25")), [2, 6, 9]),
    ],
)
def test_parts_of_a_film(span: Span, expected: list[int], varying: Path) -> None:
    """The right frames, with the numbers and times that they have in the whole film."""
    read, failures = of(varying, span)
    assert failures == []
    assert read == [(number, TICKS[number] / 1000, number) for number in expected]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_start_near_and_after_the_end(name: str, tmp_path: Path) -> None:
    """The last pictures are read, however far their key frame; and a film that ends before the start says so."""
    path = tmp_path / name
    write_film(path, grey_levels(30))  # the last one at 1.16 s
    read, failures = of(path, Span(start_s=Fraction("1.1")))
    assert [index for index, *_ in read] == [28, 29]
    assert failures == []
    for start in ("1.17", "90"):
        read, (failure,) = of(path, Span(start_s=Fraction(start)))
        assert read == []
        assert f"before the start, {start} s" in failure


def test_an_end_before_the_first_frame(tmp_path: Path) -> None:
    """A film that begins after the end says so; after a start of its own, an empty part is no failure."""
    path = tmp_path / "late.mkv"
    write_film(path, grey_levels(5), ticks=[2000, 2040, 2080, 2120, 2160])
    failure = f"{path}: begins at 2.00 s, not before the end, 1.5 s; choose a later --end"
    assert of(path, Span(end_s=Fraction("1.5"))) == ([], [failure])
    assert of(path, Span(start_s=Fraction(1), end_s=Fraction("1.5"))) == ([], [])


@pytest.mark.parametrize("start", ["0", "3.5", "4", "17.25", "39.5"])
def test_seeking_keeps_the_numbers(start: str, long: Path) -> None:
    """A part far into a film has the numbers that counting from its beginning gives."""
    read, _ = of(long, Span(start_s=Fraction(start), end_s=Fraction(start) + 1))
    first = -(-Fraction(start) // Fraction(1, 2))
    assert [(index, time) for index, time, _ in read] == [
        (n, n / 2) for n in range(int(first), min(int(first) + 2, 80))
    ]
    assert [2 * number for _, _, number in read] == pytest.approx([index for index, *_ in read], abs=1)


def test_sparse_reading_seeks(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One frame of each twelve seconds: the right ones, and what lies between is not decoded."""
    from unmask.media import film

    decoded: list[Any] = []
    original = film._Film._time

    def watch(self: Any, picture: Any) -> Any:
        decoded.append(picture.pts)
        return original(self, picture)

    monkeypatch.setattr(film._Film, "_time", watch)
    read, failures = of(long, Span(every_s=Fraction(12)))
    assert failures == []
    assert [(index, time) for index, time, _ in read] == [(0, 0), (24, 12), (48, 24), (72, 36)]
    assert len(decoded) < 40  # of 80


IDENTITY = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize("matrix", [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0),
                                    (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)])  # fmt: skip
def test_a_turned_or_mirrored_film_is_upright(matrix: tuple[int, int, int, int], tmp_path: Path) -> None:
    """The display matrix is obeyed: the red quarter, stored at the top left, is shown where the matrix puts it."""
    picture = np.full((32, 64, 3), 40, np.uint8)
    picture[:16, :32] = (220, 30, 30)
    path = tmp_path / "turned.mp4"
    write_film(path, [picture] * 3)
    data = path.read_bytes()
    at = data.index(IDENTITY, data.index(b"tkhd"))  # the matrix in the track's header: x' = ax + cy, y' = bx + dy
    a, b, c, d = (value << 16 for value in matrix)
    path.write_bytes(data[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + data[at + 36 :])
    (first, *_) = film_frames(path)
    assert isinstance(first, Frame)
    height, width = first.image.shape[:2]
    assert (width, height) == (abs(64 * matrix[0] + 32 * matrix[2]), abs(64 * matrix[1] + 32 * matrix[3]))
    right, below = matrix[0] + matrix[2] < 0, matrix[1] + matrix[3] < 0  # where the corner (-1, -1) comes to lie
    half = first.image[height // 2 + 2 :] if below else first.image[: height // 2 - 2]
    quarter = half[:, width // 2 + 2 :] if right else half[:, : width // 2 - 2]
    assert quarter[..., 0].mean() > 180
    assert first.image[..., 0].mean() < 110


@pytest.mark.parametrize("count", [4, 10])
@pytest.mark.parametrize("length", [Fraction(1, 25), Fraction(10)])
def test_a_clock_that_begins_anew(count: int, length: Fraction, tmp_path: Path) -> None:
    """Films put together, short or long: the times go on, whichever frames are wanted, and rise always."""
    step = round(length * 1000)
    write_film(tmp_path / "one.ts", grey_levels(count), ticks=[step * n for n in range(count)], options={"bf": "0"})
    whole = tmp_path / "whole.ts"
    whole.write_bytes((tmp_path / "one.ts").read_bytes() * 2)
    read, _ = of(whole)
    assert [number for _, _, number in read] == [*range(count)] * 2
    times = [time for _, time, _ in read]
    assert np.diff(times) == pytest.approx([float(length)] * (2 * count - 1), abs=0.001)
    middle = Fraction(times[count + 1]) - Fraction(1, 1000)
    late, _ = of(whole, Span(start_s=middle))
    assert [index for index, _, _ in late] == list(range(count + 1, 2 * count))
    sparse, _ = of(whole, Span(every_s=2 * length))
    assert len(sparse) == pytest.approx(count, abs=1)
    assert sparse[-1][0] > count


def test_times_of_a_stream_count_from_its_first_frame(tmp_path: Path) -> None:
    """A stream is joined at any time of its clock: start and end are those of the user."""
    path = tmp_path / "late.ts"
    write_film(path, grey_levels(10), ticks=[70_000 + 100 * number for number in range(10)])
    span = Span(start_s=Fraction("0.2"), end_s=Fraction("0.5"))
    items = list(film_frames(path.as_uri(), span))
    assert [number_of(item.image) for item in items if isinstance(item, Frame)] == [2, 3, 4]


def test_a_film_whose_name_holds_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands before the colon is no protocol."""
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "film.mp4", grey_levels(3))
    Path("film.mp4").rename("12:30 clip.mp4")
    read, failures = of("12:30 clip.mp4")
    assert ([number for _, _, number in read], failures) == ([0, 1, 2], [])


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
@pytest.mark.parametrize(("step", "held"), [(2000, 2000), (40, 3000)], ids=["slow", "held"])
def test_a_last_frame_that_is_shown_long(ending: str, step: int, held: int, tmp_path: Path) -> None:
    """A film is whole when its last frame is shown until its end, however long."""
    path = tmp_path / f"whole.{ending}"
    ticks = [step * number for number in range(4)]
    write_film(path, grey_levels(4), ticks=ticks, options={"bf": "0"}, held=held)
    read, failures = of(path)
    assert [index for index, _, _ in read] == [0, 1, 2, 3]
    assert not failures


def test_times_beyond_any_film(varying: Path) -> None:
    """A start and a step that no counter of ticks holds are like any that lie after the end."""
    read, failures = of(varying, Span(start_s=Fraction(10) ** 17))
    assert not read
    assert "before the start" in failures[0]
    assert len(of(varying, Span(every_s=Fraction(10) ** 400))[0]) == 1


@pytest.mark.parametrize(("ending", "options"), [("mp4", {"movflags": "faststart"}), ("mkv", {}), ("avi", {})])
def test_a_film_cut_short(ending: str, options: dict[str, str], tmp_path: Path) -> None:
    """It gives the frames that it has, in order, and then one failure that says so."""
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 255, (64, 64, 3), dtype=np.uint8) for _ in range(100)]
    whole, cut = tmp_path / f"whole.{ending}", tmp_path / f"cut.{ending}"
    codec = "mpeg4" if ending == "avi" else "libx264"
    write_film(whole, pictures, codec=codec, options={"bf": "0"}, container_options=options)
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 6 // 10])
    items = list(film_frames(cut))
    read = [item for item in items if isinstance(item, Frame)]
    assert 40 < len(read) < 95
    assert [frame.index for frame in read] == list(range(len(read)))
    assert len(items) == len(read) + 1
    failure = items[-1]
    assert isinstance(failure, Failure)
    assert "cut short" in str(failure.error) or "damaged" in str(failure.error)
    assert not any(isinstance(item, Failure) for item in film_frames(whole))


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_film_with_damaged_pictures(codec: str, tmp_path: Path) -> None:
    """Pictures that the decoder mends are read and told, where they are in the part that is read."""
    rng = np.random.default_rng(1)
    whole, bad = tmp_path / "whole.mp4", tmp_path / "bad.mp4"
    pictures = [rng.integers(0, 255, (64, 64, 3), dtype=np.uint8) for _ in range(40)]
    write_film(whole, pictures, codec=codec, options={"g": "10", "bf": "2"})
    data = bytearray(whole.read_bytes())
    with av.open(str(whole)) as film:
        places = [packet.pos for packet in film.demux(video=0) if packet.size][13:18]
    for place in places:
        data[place + 500] ^= 0x55
    bad.write_bytes(data)
    items = list(film_frames(bad))
    assert [item.index for item in items[:-1] if isinstance(item, Frame)] == list(range(40))
    failure = items[-1]
    assert isinstance(failure, Failure)
    assert re.search(r"damaged in \d+ frames?, which may be smeared", str(failure.error))
    for start in (Fraction(n, 10) for n in range(16)):
        assert not any(isinstance(item, Failure) for item in film_frames(whole, Span(start_s=start)))
    for span in (Span(start_s=Fraction("0.8")), Span(end_s=Fraction("0.4"))):
        assert not any(isinstance(item, Failure) for item in film_frames(bad, span))


@pytest.mark.parametrize("start", [None, "0.4", "1", "2.5"])
def test_real_films_are_whole(start: str | None, data_folder: Path) -> None:
    """None of the development films is told damaged, from wherever it is read."""
    span = Span(start_s=None if start is None else Fraction(start))
    films = sorted((data_folder / "videos").glob("*.mp4"))
    assert films
    for film in films:
        assert not any(isinstance(item, Failure) for item in film_frames(film, span)), film


@pytest.mark.parametrize("tag", [b"whenever", b"00:61", b"1:2:3/0", b"00:00:1e9999999999", b"99:99:99999999999"])
def test_a_duration_that_is_none(tag: bytes, tmp_path: Path) -> None:
    """What stands in a tag is not trusted: the film's frames come, without a failure."""
    path = tmp_path / "film.mkv"
    write_film(path, [np.zeros((64, 64, 3), dtype=np.uint8)] * 10)
    data = path.read_bytes()
    (place,) = (found.start() for found in re.finditer(rb"00:00:0\d\.\d{9}", data))
    path.write_bytes(data[:place] + tag.ljust(18, b"\0") + data[place + 18 :])
    items = list(film_frames(path))
    assert len(items) == 10
    assert all(isinstance(item, Frame) for item in items)


def test_pictures_that_carry_exif(tmp_path: Path) -> None:
    """A film of JPEG pictures as cameras write them: what PyAV has no name for costs nothing."""
    path, picture = tmp_path / "film.avi", Image.fromarray(grey_levels(1, (48, 64))[0])
    exif = Image.Exif()
    exif[0x0112] = 1
    data = io.BytesIO()
    picture.save(data, "JPEG", exif=exif)
    with av.open(str(path), "w") as film:
        track: Any = film.add_stream("mjpeg", rate=25)
        track.width, track.height, track.pix_fmt = 64, 48, "yuvj420p"
        for number in range(5):
            packet = av.Packet(data.getvalue())
            packet.stream, packet.pts, packet.dts, packet.time_base = track, number, number, Fraction(1, 25)
            film.mux(packet)
    items = list(film_frames(path))
    assert [type(item) for item in items] == [Frame] * 5


@pytest.mark.parametrize("ending", [".mkv", ".mp4", ".avi"])
def test_tags_in_another_encoding(ending: str, tmp_path: Path) -> None:
    """A title that is no UTF-8, as older programs write it, costs nothing."""
    path = tmp_path / f"film{ending}"
    write_film(path, [np.zeros((64, 64, 3), dtype=np.uint8)] * 10, title="Caffee")
    data = path.read_bytes()
    assert b"Caffee" in data
    path.write_bytes(data.replace(b"Caffee", "Caf\xe9e\xe9".encode("latin-1")))
    items = list(film_frames(path))
    assert len(items) == 10
    assert all(isinstance(item, Frame) for item in items)


def test_frames_that_are_too_large(tmp_path: Path) -> None:
    """A film has a limit of pixels like a picture."""
    write_film(tmp_path / "film.mp4", [np.zeros((64, 64, 3), dtype=np.uint8)] * 3)
    (failure,) = film_frames(tmp_path / "film.mp4", max_pixels=4095)
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, LimitError)
    assert "64 x 64 pixels are more than 4,095" in str(failure.error)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"", "it has zero bytes; copy it anew"),
        (b"no film at all" * 100, "no film"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n", "no film"),  # a playlist reaches for nothing
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "cannot be read"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "is a picture (PNG) and no film; give it a picture's ending"),
    ],
)
def test_what_is_no_film(content: bytes | None, words: str, tmp_path: Path) -> None:
    """A file that only has a film's name is one failure with the reason."""
    path = tmp_path / "film.mp4"
    if content is not None:
        path.write_bytes(content)
    (failure,) = film_frames(path)
    assert isinstance(failure, Failure)
    assert str(failure.error).startswith(f"{path}: ")
    assert words in str(failure.error)


def test_sound_alone_is_no_film(tmp_path: Path) -> None:
    """A file with a track of sound only says that it has no pictures."""
    both, sound = tmp_path / "both.mp4", tmp_path / "sound.mp4"
    write_film(both, grey_levels(3), tone=True)
    remux(both, sound, "audio")
    (failure,) = film_frames(sound)
    assert isinstance(failure, Failure)
    assert "no moving pictures" in str(failure.error)


@pytest.mark.parametrize(
    ("start", "end", "every"),
    [(None, "0", None), ("3", "2", None), (None, None, "0"), (None, None, "-1")],
)
def test_spans_that_cannot_be(start: str | None, end: str | None, every: str | None) -> None:
    """An end before the start, a step of nothing, and texts."""
    times = [None if text is None else Fraction(text) for text in (start, end, every)]
    with pytest.raises(ConfigError, match="expected"):
        Span(*times)
    with pytest.raises(ConfigError, match=r"'.*': expected seconds as an int or a fractions.Fraction"):
        Span(start, end, every)  # type: ignore[arg-type]


def test_image_sequences(tmp_path: Path) -> None:
    """Pictures in natural order at an exact rate; one that cannot be read keeps its place in time."""
    for number in (0, 2, 9, 10, 11):
        Image.fromarray(grey_levels(12)[number]).save(tmp_path / f"{number}.png")
    (tmp_path / "9.png").write_bytes(b"broken")
    sequence = ImageSequence(str(tmp_path / "*.png"), Fraction(30000, 1001))
    items = list(frames(sequence))
    assert [type(item) for item in items] == [Frame, Frame, Failure, Frame, Frame]
    read = [item for item in items if isinstance(item, Frame)]
    assert [number_of(frame.image) for frame in read] == [0, 2, 10, 11]
    assert [(frame.source, frame.index) for frame in read] == [(sequence.source, i) for i in (0, 1, 3, 4)]
    assert [frame.time_s for frame in read] == [float(i * Fraction(1001, 30000)) for i in (0, 1, 3, 4)]
    (broken,) = (item for item in items if isinstance(item, Failure))
    assert (broken.source, broken.index) == (sequence.source, 2)
    assert str(broken.error).startswith(str(tmp_path / "9.png"))
    every_other = Span(every_s=Fraction(2 * 1001, 30000))
    assert [item.index for item in frames(sequence, span=every_other) if isinstance(item, Frame)] == [0, 4]
    (late,) = frames(sequence, span=Span(start_s=Fraction(1)))
    assert isinstance(late, Failure)
    assert "ends at 0.13 s, before the start, 1 s" in str(late.error)
    with pytest.raises(ConfigError):
        ImageSequence("*.png", Fraction(0))
    (tmp_path / "9.png").unlink()
    (tmp_path / "9.png").symlink_to("nowhere")
    folder = ImageSequence(str(tmp_path), sequence.fps)  # which also gives links that lead nowhere
    assert [type(item) for item in frames(folder)] == [type(item) for item in items]


class FakeCamera:
    """Gives so many frames, then ends; ticks a clock of its own."""

    def __init__(self, count: int, *, there: bool = True) -> None:
        self.left, self.there, self.released, self.now = count, there, False, 100.0

    def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
        return self.there

    def read(self) -> tuple[bool, Any]:
        if not self.left:
            return False, None
        self.left -= 1
        self.now += 0.04
        return True, np.full((24, 32, 3), (200, 0, 0), np.uint8)  # blue, as OpenCV orders colours

    def release(self) -> None:
        self.released = True


def test_camera() -> None:
    """Frames with rising numbers and times since the first, in RGB; the last one is never lost; the camera is freed."""
    fake = FakeCamera(50)
    items = list(camera_frames(Camera(3), open_capture=lambda number: fake, clock=lambda: fake.now))
    read = [item for item in items if isinstance(item, Frame)]
    assert len(items) == len(read) >= 1
    assert fake.released
    indices = [frame.index for frame in read]
    assert indices == sorted(set(indices))
    assert indices[-1] == 49
    assert [frame.time_s for frame in read] == pytest.approx([0.04 * index for index in indices])
    assert {frame.source for frame in read} == {"<camera 3>"}
    assert read[0].image[0, 0].tolist() == [0, 0, 200]


def test_a_camera_that_is_left_is_freed() -> None:
    """Whoever stops reading gives the camera back."""
    fake = FakeCamera(10**6)
    items = camera_frames(Camera(), open_capture=lambda number: fake, clock=lambda: fake.now)
    next(items)
    items.close()
    assert fake.released


def test_a_camera_that_is_not_there() -> None:
    """A failure that names the next step."""
    (failure,) = camera_frames(Camera(7), open_capture=lambda number: FakeCamera(0, there=False))
    assert isinstance(failure, Failure)
    assert "--camera" in str(failure.error)


def test_what_moves() -> None:
    """Films, cameras, streams and sequences move; addresses are taken as such only where the user names them."""
    sources = ["a.mp4", "a.JPG", "b.MOV", Camera(1), "rtsp://host/x", ImageSequence("x/*.png", Fraction(5)), b"x"]
    items = list(expand(sources))  # type: ignore[arg-type]
    assert [item.moves for item in items] == [True, False, True, True, True, True, False]
    assert [item.live for item in items] == [False, False, False, True, True, False, False]
    assert items[4].content == Stream("rtsp://host/x")
    assert count(Camera(0)) == 1


def test_results_hold_no_password() -> None:
    """Of a stream, which is opened with it all the same."""
    for address, name in (
        ("rtsp://me:secr@t@host:554/x@y", "rtsp://me:***@host:554/x@y"),
        ("rtsp://me@host/x:y@z", "rtsp://me@host/x:y@z"),
        ("https://host/a:b@c", "https://host/a:b@c"),
    ):
        for source in (address, Stream(address)):
            (item,) = expand([source])
            assert (item.name, item.content) == (name, Stream(address))


def test_a_stream_that_does_not_answer() -> None:
    """An address where nobody listens is a failure, not an exception."""
    (failure,) = frames("tcp://127.0.0.1:9")
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, InputError)


def test_working_ahead() -> None:
    """The same items in order; an error comes where it belongs; whoever stops early stops the thread."""
    assert list(ahead(iter(range(100)))) == list(range(100))
    closed = []

    def endless() -> Any:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            closed.append(True)

    items = ahead(endless())
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    items.close()
    assert closed == [True]

    def failing() -> Any:
        yield 1
        raise InputError("here")

    items = ahead(failing())
    assert next(items) == 1
    with pytest.raises(InputError, match="here"):
        next(items)
