"""Pictures to readings, end to end."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import unmask
from unmask.datasets import ferplus
from unmask.errors import ConfigError, InputError, ModelError, UnknownModelError
from unmask.expressions import FERPLUS
from unmask.faces import Detection, build_detector, crop
from unmask.media import Failure
from unmask.models import Classifier, Thresholds
from unmask.reader import Reader, abstention
from unmask.readings import Abstention, Box, Quality

SHARP = Quality(size=200.0, sharpness=1.0, yaw=0.0, pitch=0.0, roll=0.0)

# From the stored picture to the displayed one: Pillow's transpositions that an orientation flag asks for, undone.
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.fixture(scope="module")
def reader() -> Reader:
    """The model in the package with the embedded detector."""
    return unmask.load(detector="mtcnn")


def test_one_line(photo: Path) -> None:
    """The one-line form gives the readings of a path."""
    (reading,) = unmask.read(str(photo))
    assert [face.expression for face in reading.faces] == ["happy"]
    assert reading.source == str(photo)


def test_eight_orientations_give_one_reading(reader: Reader, photo: Path, tmp_path: Path) -> None:
    """However a picture is stored, it is read as it is displayed, to the last digit."""
    with Image.open(photo) as picture:
        upright = picture.convert("RGB").crop((60, 0, 460, 330))  # not square, so that turning it shows
    readings = []
    for orientation, turn in STORED_AS.items():
        stored = upright if turn is None else upright.transpose(turn)
        exif = Image.Exif()
        exif[274] = orientation
        path = tmp_path / f"{orientation}.png"
        stored.save(path, exif=exif)
        (reading,) = reader.read(path)
        readings.append({key: value for key, value in reading.to_json().items() if key != "source"})
    assert readings[0]["faces"][0]["expression"] == "happy"
    assert (readings[0]["width"], readings[0]["height"]) == (400, 330)
    assert all(reading == readings[0] for reading in readings)


def test_bytes_arrays_and_files_agree(reader: Reader, photo: Path) -> None:
    """The same picture as a file, as bytes, as an array: the same faces; in grey, the same expression."""
    with Image.open(photo) as picture:
        colour, grey = np.asarray(picture.convert("RGB")), np.asarray(picture.convert("L"))
    by_file, by_bytes, by_array, by_grey = reader.read([photo, photo.read_bytes(), colour, grey])
    assert by_file.faces == by_bytes.faces == by_array.faces
    assert by_grey.faces[0].expression == "happy"


def test_batches_and_workers_change_nothing(photo: Path) -> None:
    """Faces are classified together over pictures; how many at a time does not show in the readings."""
    classifier, detector = Classifier.load(), build_detector("mtcnn")
    with Image.open(photo) as picture:
        whole = np.asarray(picture.convert("RGB"))
    pictures = [whole, np.zeros((50, 60, 3), np.uint8), whole[:, ::-1].copy(), whole[20:, 30:].copy()]
    results = [
        [
            [(face.box, face.expression, list(face.scores.values())) for face in reading.faces]
            for reading in Reader(classifier, detector, batch_size=batch).read(pictures, workers=workers)
        ]
        for batch, workers in ((1, 1), (2, 3), (64, 2))
    ]
    assert [len(faces) for faces in results[0]] == [1, 0, 1, 1]
    for other in results[1:]:
        for faces, expected in zip(other, results[0], strict=True):
            assert [face[:2] for face in faces] == [face[:2] for face in expected]
            for face, once in zip(faces, expected, strict=True):
                # kernels sum in another order for another batch: float32 noise, far below the sixth decimal's meaning
                assert face[2] == pytest.approx(once[2], abs=2e-5)


def test_a_bad_source_raises_or_is_handed_over(reader: Reader, photo: Path, tmp_path: Path) -> None:
    """``read`` raises at the bad source, after the readings before it; ``stream`` goes on."""
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"")
    readings = reader.read([photo, bad, photo])
    next(readings)
    with pytest.raises(InputError, match=r"bad\.jpg"):
        next(readings)
    kinds = [isinstance(item, Failure) for item in reader.stream([photo, bad, photo])]
    assert kinds == [False, True, False]


@pytest.mark.parametrize(
    "array",
    [
        np.full((100, 100, 3), np.nan),  # not a number
        np.zeros((100, 100, 3), np.float32),  # 0 to 1, or 0 to 255? nobody knows
        np.zeros((100, 100, 7), np.uint8),  # seven channels
        np.zeros((0, 100, 3), np.uint8),  # nothing
        np.zeros(100, np.uint8),  # one axis
    ],
)
def test_arrays_that_are_no_pictures(reader: Reader, array: np.ndarray) -> None:
    """An array outside the image contract is refused with an error of unmask."""
    with pytest.raises(InputError):
        list(reader.read(array))


def test_no_worker_and_no_thread(reader: Reader, photo: Path) -> None:
    """Numbers with which nothing could be read are refused, as on the command line."""
    with pytest.raises(ConfigError, match="workers 0: expected a whole number of at least 1"):
        next(reader.read(photo, workers=0))
    for workers in ("2", True, 1.5):
        with pytest.raises(ConfigError, match="expected a whole number"):
            next(reader.read(photo, workers=workers))  # type: ignore[arg-type]
    assert len(list(reader.read(photo, workers=np.int64(2)))) == 1  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="threads -5: expected at least 1"):
        unmask.load(threads=-5)


def test_a_detector_that_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is known and its file missing; a name that nobody registered is another error."""
    monkeypatch.setenv("UNMASK_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="unmask models fetch yunet") as caught:
        unmask.load(detector="yunet")
    assert not isinstance(caught.value, UnknownModelError)
    with pytest.raises(UnknownModelError, match="did you mean 'yunet'"):
        unmask.load(detector="yunett")


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (3, 3, 3), (2000, 2, 3)])
def test_tiny_pictures(reader: Reader, shape: tuple[int, ...]) -> None:
    """Pictures too small for any face are frames without a face."""
    (reading,) = reader.read(np.full(shape, 128, np.uint8))
    assert reading.faces == ()
    assert (reading.height, reading.width) == shape[:2]


def test_skipped_sources_are_not_opened(reader: Reader, photo: Path, tmp_path: Path) -> None:
    """What ``skip`` takes out is not even looked at."""
    missing = tmp_path / "missing.jpg"
    items = list(reader.stream([missing, photo], skip=lambda name: name == str(missing)))
    assert len(items) == 1


def test_a_crop_read_as_a_whole(photo: Path) -> None:
    """The detector ``whole`` reads a face crop without looking for a face in it."""
    with Image.open(photo) as picture:
        face = np.asarray(picture.convert("L").crop((170, 60, 280, 190)))
    (reading,) = unmask.load(detector="whole").read(face)
    (found,) = reading.faces
    assert found.box == Box(0, 0, 110, 130)
    assert max(found.scores, key=lambda label: found.scores[label]) == "happy"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("shape", [(64, 60_000), (60_000, 3), (1, 32_000), (6_000, 6_000)])
def test_the_work_has_a_bound_whatever_the_shape(shape: tuple[int, int]) -> None:
    """A strip taken as one face is cut out at once, not sampled as finely as its longer side is long."""
    (reading,) = unmask.load(detector="whole").read(np.full(shape, 90, np.uint8))
    assert len(reading.faces) == 1


@pytest.mark.parametrize("side", [300, 800, 3000])
def test_large_faces_are_cut_out_like_smaller_ones(photo: Path, side: int) -> None:
    """The same face enlarged gives nearly the same crop, also beyond where it is reduced before it is sampled."""
    with Image.open(photo) as picture:
        face = picture.convert("L").crop((170, 65, 280, 175))
    crops = []
    for size in (110, side):
        pixels = np.asarray(face.resize((size, size), Image.Resampling.BICUBIC))
        crops.append(crop(pixels, Detection(Box(0, 0, size, size), 1.0)).astype(float))
    assert np.abs(crops[0] - crops[1]).mean() < 2  # grey levels; interpolation differs at edges
    assert np.corrcoef(crops[0].ravel(), crops[1].ravel())[0, 1] > 0.998  # half a pixel of shift would show


@pytest.mark.parametrize(
    ("quality", "probs", "reason"),
    [
        (SHARP, [0.9, 0.1], None),
        (Quality(size=19.0, sharpness=1.0), [0.9, 0.1], Abstention.TOO_SMALL),
        (Quality(size=200.0, sharpness=0.01), [0.9, 0.1], Abstention.BLURRED),
        (Quality(200.0, 1.0, yaw=-50.0, pitch=0.0, roll=0.0), [0.9, 0.1], Abstention.TURNED_AWAY),
        (Quality(200.0, 1.0, yaw=0.0, pitch=41.0, roll=0.0), [0.9, 0.1], Abstention.TURNED_AWAY),
        (Quality(200.0, 1.0, yaw=0.0, pitch=0.0, roll=170.0), [0.9, 0.1], None),  # the aligner turns it upright
        (Quality(200.0, 1.0), [0.9, 0.1], None),  # no landmarks: the turn is not known
        (SHARP, [0.49, 0.26, 0.25], Abstention.LOW_CONFIDENCE),
        (SHARP, [0.52, 0.48], Abstention.AMBIGUOUS),
        (Quality(size=19.0, sharpness=0.01), [0.4, 0.6], Abstention.TOO_SMALL),  # the first reason counts
    ],
)
def test_reasons_for_abstaining(quality: Quality, probs: list[float], reason: Abstention | None) -> None:
    """Each threshold by itself, and the order in which they are asked."""
    thresholds = Thresholds(
        min_size=20, min_sharpness=0.02, max_yaw=45, max_pitch=40, min_confidence=0.5, min_margin=0.1
    )
    assert abstention(quality, np.array(probs), thresholds) == reason
    assert abstention(quality, np.array(probs), Thresholds.never()) is None


def test_faces_come_from_left_to_right() -> None:
    """Whatever order the detector finds them in."""

    class Backwards:
        name = "backwards"

        def detect(self, image: np.ndarray) -> list[Detection]:
            return [Detection(Box(x, 10.0, x + 40, 50.0), 0.9) for x in (120.0, 10.0, 60.0)]

    (reading,) = Reader(Classifier.load(), Backwards()).read(np.full((60, 200), 90, np.uint8))
    assert [face.box.x1 for face in reading.faces] == [10, 60, 120]


@pytest.mark.data
@pytest.mark.parametrize("detector", ["mtcnn", "yunet"])
@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("solvay_1927.jpg", 25, 30),  # 29 people; one more find is forgiven, a false face
        ("astronaut_nasa.png", 1, 1),
        ("two_people_standing.jpg", 2, 2),
        ("two_people_waving.jpg", 2, 3),  # a girl stands at its edge
    ],
)
def test_photographs(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, detector: str, name: str, least: int, most: int
) -> None:
    """The right number of faces in real photographs, by either detector."""
    monkeypatch.setenv("UNMASK_MODELS", str(data_folder / "weights"))
    (reading,) = unmask.load(detector=detector).read(data_folder / "photos" / name)
    assert least <= len(reading.faces) <= most
    if name.startswith("astronaut"):
        assert reading.faces[0].expression == "happy"


@pytest.mark.data
@pytest.mark.parametrize(("label", "least"), [("happy", 0.95), ("surprise", 0.9)])
def test_a_smile_is_happy_and_a_stare_is_surprise(data_folder: Path, label: str, least: float) -> None:
    """Pictures of PublicTest on which nine of ten taggers agree, found and read as photographs."""
    with np.load(data_folder / "fer2013" / "fer2013_development.npz") as data:
        pixels, usage = data["pixels"], data["usage"]
    _, votes = ferplus.read_votes(data_folder / "fer2013" / "fer2013new_development.csv")
    rows = np.flatnonzero((usage == 1) & (votes[:, FERPLUS.code(label)] >= 9))[:100]
    pictures = [np.pad(cv2.resize(pixels[row], (192, 192), interpolation=cv2.INTER_CUBIC), 48, "edge") for row in rows]
    readings = list(unmask.load(detector="mtcnn", thresholds=Thresholds.never()).read(pictures))
    named = [max(reading.faces, key=lambda face: face.box.side).expression for reading in readings if reading.faces]
    assert len(named) >= 0.7 * len(rows)  # the crops are tight, and MTCNN wants more of the head
    assert np.mean([expression == label for expression in named]) >= least


@pytest.mark.data
def test_generated_smiles(data_folder: Path) -> None:
    """Generated colour faces that smile are happy. Those labelled surprise mostly frown, and prove nothing."""
    reader = unmask.load(detector="mtcnn", thresholds=Thresholds.never())
    readings = list(reader.read(data_folder / "synthetic_faces" / "happy"))
    named = [reading.faces[0].expression for reading in readings if reading.faces]
    assert len(named) > 0.9 * len(readings)
    assert np.mean([expression == "happy" for expression in named]) >= 0.9


@pytest.mark.parametrize("shape", [(40_000, 64), (64, 40_000), (40_000, 64, 3)])
def test_a_face_beside_a_long_picture(shape: tuple[int, ...]) -> None:
    """What a detector of one's own finds outside is cut out of the edge, however long the picture is."""
    for box in (Box(500, 100, 600, 200), Box(-600, -200, -500, -100), Box(100, 500, 200, 600)):
        assert not crop(np.zeros(shape, np.uint8), Detection(box, 1.0)).any()
