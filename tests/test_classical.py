"""The features and classifiers of the classical study: by hand on tiny arrays, and one contract for all of them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the extra 'study' is not installed")

from sklearn.base import clone
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC
from tiny_faces import faces, feature_named

from unmask.classical import (
    build_classifier,
    build_feature,
    classifier_names,
    feature_names,
    least_squares,
    register_classifier,
    register_feature,
)
from unmask.classical.base import Mirrored, Union
from unmask.classical.classifiers import logits
from unmask.classical.features import resolve
from unmask.classical.gabor import Gabor, gabor_filters
from unmask.classical.gradients import Hog, gradient_maps, pooling, unit
from unmask.classical.kernels import MirrorSVC
from unmask.classical.lbp import LbpHistogram, LbpImage, lbp_images, uniform_bins
from unmask.classical.least_squares import LocalSVM, MirrorLSSVM
from unmask.classical.pairs import pair_machines, votes
from unmask.classical.pixels import Eigenfaces
from unmask.classical.scaling import UnitScale
from unmask.classical.words import VisualWords, dense_sift, grid_centres
from unmask.errors import ConfigError, DataError, UnknownModelError


def test_lbp_of_a_patch_by_hand() -> None:
    """The study's rule on one 3 x 3 patch, digit by digit from the left-top clockwise."""
    patch = np.array([[[9, 9, 1], [1, 5, 5], [4, 6, 0]]], dtype=np.uint8)
    # 9 > 5: 1, 9: 1, 1: 0, right 5 (centre not greater): 1, 0: 0, below 6: 1, 4: 0, left 1: 0
    assert lbp_images(patch)[0, 1, 1] == 0b11010100


def test_lbp_at_the_border_and_farther_away() -> None:
    """Neighbours outside count as 0, and radius 2 looks two pixels away."""
    patch = np.full((1, 3, 3), 7, dtype=np.uint8)
    assert lbp_images(patch)[0, 0, 0] == 0b00011100  # only right, right-bottom and bottom lie inside
    ring = np.zeros((1, 5, 5), dtype=np.uint8)
    ring[0, 2, 2] = 5
    ring[0, 0, 0] = ring[0, 4, 2] = 9  # left-top and below, two steps away
    assert lbp_images(ring, radius=2)[0, 2, 2] == 0b10000100


def test_lbp_digits_are_scikit_images() -> None:
    """Every digit is found in scikit-image's patterns: straight neighbours at distance 1, corners at the root of 2."""
    texture = pytest.importorskip("skimage.feature.texture", reason="scikit-image is only compared with")
    image = np.random.default_rng(0).integers(0, 256, (20, 20)).astype(np.uint8)
    ours = lbp_images(image[None])[0, 1:-1, 1:-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-image warns of floating-point images, and these are not
        straight, corner = (
            texture.local_binary_pattern(image, 8, radius).astype(int)[1:-1, 1:-1] for radius in (1, 2**0.5)
        )
    # scikit-image's bit k lies k eighths of a turn anticlockwise from the right.
    for digit, bit in enumerate((3, 2, 1, 0, 7, 6, 5, 4)):
        theirs = (straight if bit % 2 == 0 else corner) >> bit & 1
        assert np.array_equal(ours >> (7 - digit) & 1, theirs), digit


def test_uniform_bins() -> None:
    """58 of the 256 patterns change at most twice along the circle; the others share one bin."""
    bins = uniform_bins()
    assert bins.max() == 58
    assert (bins == 58).sum() == 256 - 58
    assert bins[0b00000000] == 0
    assert bins[0b11111111] == 57
    assert bins[0b10000001] != 58  # one run of ones, round the end
    assert bins[0b01010000] == 58


def test_lbp_histograms_count_every_pixel() -> None:
    """The shares of each cell sum to 1, and a flat inner cell holds one pattern alone."""
    images = faces(3)
    shares = LbpHistogram(grid=4, root=False).fit(images).transform(images).reshape(3, 16, 59)
    np.testing.assert_allclose(shares.sum(axis=2), 1, rtol=1e-6)
    flat = LbpHistogram(grid=3, uniform=False, root=False).fit(images).transform(np.full((1, 48, 48), 9, np.uint8))
    assert flat.reshape(9, 256)[4, 255] == 1  # no neighbour is smaller


def test_eigenfaces_rebuild_faces() -> None:
    """With every component a face comes back; with fewer the squared error is what the variances left out say."""
    images = faces(20)
    feature = Eigenfaces(components=19).fit(images)
    np.testing.assert_allclose(feature.mean_face_, images.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(feature.reconstruct(images, rank=19), images, atol=0.05)
    left_out = ((feature.reconstruct(images, rank=7) - images) ** 2).sum() / ((images - images.mean(axis=0)) ** 2).sum()
    assert left_out == pytest.approx(1 - feature.explained_[:7].sum(), abs=1e-4)
    gram = feature.eigenfaces_.reshape(19, -1)
    np.testing.assert_allclose(gram @ gram.T, np.eye(19), atol=1e-4)


def test_too_many_eigenfaces() -> None:
    """The message says how many there can be."""
    with pytest.raises(ConfigError, match="1 to 4"):
        Eigenfaces(components=300).fit(faces(4))


def test_gradients_by_hand() -> None:
    """A step to bright on the right points along direction 0, one downwards a quarter of a turn on."""
    image = np.zeros((2, 5, 5), dtype=np.uint8)
    image[0, :, 3:] = 100
    image[1, 3:] = 100
    maps = gradient_maps(image, orientations=8, signed=True)
    np.testing.assert_allclose(maps[0, :, 2, 2], [100, 0, 0, 0, 0, 0, 0, 0], atol=1e-3)
    np.testing.assert_allclose(maps[1, :, 2, 2], [0, 0, 100, 0, 0, 0, 0, 0], atol=1e-3)
    half = gradient_maps(255 - image, orientations=4, signed=False)
    np.testing.assert_allclose(half[0, :, 2, 2], [100, 0, 0, 0], atol=1e-3)  # from bright to dark is the same
    slope = (np.arange(5)[:, None] + np.arange(5) * 2).astype(np.uint8)
    slanted = gradient_maps(slope[None], orientations=4, signed=True)
    np.testing.assert_allclose(slanted.sum(axis=1)[0, 2, 2], np.hypot(4, 2), rtol=1e-5)  # strength is shared, not lost


def test_pooling_and_unit_by_hand() -> None:
    """Weights fall linearly; a clipped vector is made long again."""
    np.testing.assert_allclose(pooling(np.array([1.0]), 2, 4), [[0.5, 1, 0.5, 0]])
    np.testing.assert_allclose(unit(np.array([3.0, 4.0], np.float32), floor=5.0), [0.3, 0.4], rtol=1e-6)
    np.testing.assert_allclose(unit(np.array([3.0, 4.0], np.float32), floor=0, clip=0.1), [0.5**0.5] * 2, rtol=1e-4)


def test_hog_of_a_step() -> None:
    """Only the direction of the only edge is filled, only in cells at the edge, and blocks have length 1."""
    image = np.zeros((1, 48, 48), dtype=np.uint8)
    image[:, :, 24:] = 200
    feature = Hog(cell=6, orientations=9).fit(image)
    cells = feature.cells(image)[0]
    assert (cells[..., 1:] == 0).all()
    assert (cells[:, [0, 1, 6, 7]] == 0).all()
    assert (cells[:, 3:5, 0] > 0).all()
    blocks = feature.transform(image).reshape(7, 7, 36)
    np.testing.assert_allclose(np.linalg.norm(blocks[:, 3], axis=-1), 1, atol=1e-3)


def test_gabor_answers_its_own_stripes() -> None:
    """Even brightness gives nothing; stripes of 6 pixels wake the filter of 6 pixels across them most."""
    assert all(abs(kernel.real.sum()) < 1e-6 for kernel in gabor_filters((4.0, 8.0), 4))
    stripes = np.tile(128 + 100 * np.cos(2 * np.pi * np.arange(48) / 6), (48, 1)).astype(np.uint8)
    feature = Gabor(wavelengths=(4.0, 6.0, 12.0), orientations=4, grid=1)
    feature.fit(stripes[None])
    found = feature.transform(np.stack([stripes, np.full((48, 48), 77, np.uint8)]))
    assert found[0].argmax() == 4  # second wavelength, first direction
    assert found[1].max() < 1e-2


def test_dense_sift_is_like_opencvs() -> None:
    """On the same upright patch OpenCV's descriptor, which weights the middle more, points nearly the same way."""
    cv2 = pytest.importorskip("cv2")
    image = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (48, 48)).astype(np.uint8), (0, 0), 2)
    width = 4.0
    points = [cv2.KeyPoint(23.5, 23.5, width * 2 / 3, 0)]  # OpenCV's places are 1.5 times the keypoint's size wide
    _, theirs = cv2.SIFT_create().compute(image, points)
    ours = dense_sift(image[None], width=width, stride=100)[0] ** 2
    assert ours.shape == (1, 128)
    # OpenCV counts directions anticlockwise as seen and lays places out row by row, as here.
    turned = ours.reshape(4, 4, 8)[:, :, (-np.arange(8)) % 8].ravel()
    likeness = max(
        float(candidate @ theirs[0] / np.linalg.norm(candidate) / np.linalg.norm(theirs[0]))
        for candidate in (ours[0], turned)
    )
    assert likeness > 0.8


def test_words_are_entered_where_they_are_near() -> None:
    """A descriptor counts most for its own word, by the triangle rule; cells of the pyramid see their part only."""
    images = faces(40)
    feature = VisualWords(words=12, stride=8, widths=(4.0,), pyramid=(1, 2), reach=1.0).fit(images)
    near = feature.nearness(feature.words_)
    distance = ((feature.words_[:, None] - feature.words_) ** 2).sum(axis=2)
    np.testing.assert_allclose(near, np.maximum(0, distance.mean(axis=1, keepdims=True) - distance), atol=1e-4)
    assert (near.argmax(axis=1) == np.arange(12)).all()
    assert grid_centres(48, width=4.0, stride=8).mean() == 23.5
    np.testing.assert_allclose(feature.cells_.sum(axis=1), 1, rtol=1e-5)
    lengths = np.linalg.norm(feature.transform(images).reshape(40, 5, 12), axis=2)
    assert (lengths < 1.001).all()
    assert lengths.mean() > 0.9


def test_too_many_words() -> None:
    """Flat pictures give no descriptors to learn from, and the message says so."""
    with pytest.raises(ConfigError, match="learn fewer"):
        VisualWords(words=64).fit(np.zeros((3, 48, 48), dtype=np.uint8))


def test_mirrored_features() -> None:
    """The mean over mirroring does not change when the picture is mirrored; side by side, the halves change places."""
    images = faces(6)
    images[:, 3:20, 5:9] = 250
    even = Mirrored(feature=Gabor()).fit(images)
    np.testing.assert_allclose(even.transform(images), even.transform(images[:, :, ::-1]), atol=1e-3)
    both = Mirrored(feature=Hog(), even=False).fit(images)
    ahead, behind = both.transform(images), both.transform(images[:, :, ::-1])
    middle = ahead.shape[1] // 2
    np.testing.assert_array_equal(ahead[:, :middle], behind[:, middle:])


def test_unit_scale() -> None:
    """Mean 0 and mean squared length 1, with one factor for all columns."""
    rows = np.random.default_rng(0).normal(5, [1, 10], (50, 2)).astype(np.float32)
    scaled = UnitScale().fit_transform(rows)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    assert (scaled**2).sum(axis=1).mean() == pytest.approx(1, rel=1e-4)
    assert np.ptp((rows - rows.mean(axis=0)) / scaled) < 1e-2


def test_mirror_machine_is_the_machine_of_all_mirror_images() -> None:
    """The summed kernel decides as an SVC that was given every row and its mirror image with the same penalty."""
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 60, 3)).astype(np.float32)
    labels = ((left**2).sum(axis=1) + (right**2).sum(axis=1) + left[:, 0] > 6).astype(np.int64) + (left[:, 1] > 1)
    features, swapped = np.hstack([left, right]), np.hstack([right, left])
    ours = MirrorSVC(components=6, penalty=2.0, gamma=0.5).fit(features, labels)
    rows = np.vstack([ours.rows(features), ours.rows(swapped)])
    np.testing.assert_allclose(ours.rows(features) * ours.turned_, ours.rows(swapped), atol=1e-5)
    whole = SVC(C=2.0, gamma=0.5, tol=1e-5).fit(rows, np.tile(labels, 2))
    theirs = whole.decision_function(ours.rows(features))
    # libsvm stops when it is within 1e-3 of the optimum; a vote may turn where a pair is undecided.
    agree = np.abs(ours.decision_function(features) - theirs).max(axis=1) < 0.02
    assert agree.mean() > 0.95


def test_mirror_least_squares_machine_is_kernel_ridge_over_all_mirror_images() -> None:
    """It decides as scikit-learn's kernel ridge that was given every row and its mirror image."""
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 60, 3)).astype(np.float32)
    labels = ((left**2).sum(axis=1) + (right**2).sum(axis=1) > 6).astype(np.int64) + (left[:, 1] > 1)
    features, swapped = np.hstack([left, right]), np.hstack([right, left])
    ours = MirrorLSSVM(ridge=0.3, gamma=0.7).fit(features, labels)
    both = np.vstack([features, swapped]) / np.sqrt(2)  # so that distances are means over picture and mirror image
    targets = np.eye(3)[np.tile(labels, 2)] - ours.means_
    theirs = KernelRidge(alpha=0.3, kernel="rbf", gamma=float(ours.scale_)).fit(both, targets)
    asked = rng.normal(size=(7, 6)).astype(np.float32)
    np.testing.assert_allclose(
        ours.decision_function(asked), theirs.predict(asked / np.sqrt(2)) + ours.means_, atol=1e-4
    )
    np.testing.assert_allclose(
        ours.decision_function(asked), ours.decision_function(np.roll(asked, 3, axis=1)), atol=1e-5
    )
    assert ours.decision_function(asked[:0]).shape == (0, 3)


def test_mirror_least_squares_machine_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks smaller than the rows give the same machine."""
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(50, 8)).astype(np.float32), rng.integers(0, 3, 50)
    whole = MirrorLSSVM().fit(features, labels).decision_function(features)
    monkeypatch.setattr(least_squares, "BLOCK", 7)
    np.testing.assert_allclose(MirrorLSSVM().fit(features, labels).decision_function(features), whole, atol=1e-4)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_votes_are_scikit_learns(classes: int) -> None:
    """Pairs and votes as matrix products give scikit-learn's own scores."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 4))
    labels = rng.integers(0, classes, 80)
    machine = SVC(kernel="linear").fit(rows, labels)
    kernel = rows @ machine.support_vectors_.T
    weights, offsets = pair_machines(machine)
    scores = votes(kernel @ weights + offsets, classes)
    if classes == 2:  # where scikit-learn gives the one decision, for the second class
        np.testing.assert_array_equal(scores.argmax(axis=1), machine.predict(rows))
    else:
        np.testing.assert_allclose(scores, machine.decision_function(rows), atol=1e-4)


def test_local_machine_follows_its_neighbourhood() -> None:
    """Two rules in two places, which no single straight line tells apart, are both learned."""
    rng = np.random.default_rng(0)
    rows = np.vstack([rng.normal((5, 0), 0.5, (80, 2)), rng.normal((-5, 0), 0.5, (80, 2))]).astype(np.float32)
    labels = (rows[:, 1] > 0) ^ (rows[:, 0] < 0)
    local = LocalSVM(neighbours=60).fit(rows, labels.astype(np.int64))
    assert (local.predict(rows) == labels).mean() > 0.95


@pytest.mark.parametrize("kind", feature_names())
def test_every_feature(kind: str) -> None:
    """The contract: float32 rows, the same whether alone or in a block, the same after cloning, and none for none."""
    images = faces(30)
    feature = feature_named(kind).fit(images)
    rows = feature.transform(images)
    assert rows.dtype == np.float32
    assert rows.shape[0] == 30
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(feature.transform(images[7:8]), rows[7:8], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(clone(feature).fit(images).transform(images), rows, rtol=1e-3, atol=1e-3)
    assert feature.transform(images[:0]).shape == (0, rows.shape[1])
    assert len(np.unique(rows, axis=0)) == 30


@pytest.mark.parametrize("kind", feature_names())
@pytest.mark.parametrize(
    ("images", "found"),
    [
        (np.zeros((2, 48, 48)), "float64"),  # scaled pictures
        (np.zeros((48, 48), np.uint8), r"\(48, 48\)"),  # one picture without its axis
        (np.zeros((2, 40, 48), np.uint8), r"\(2, 40, 48\)"),  # not square
        ([[1]], "list"),
    ],
)
def test_every_feature_refuses_what_is_no_image(kind: str, images: Any, found: str) -> None:
    """The message shows what was expected and what came."""
    with pytest.raises(DataError, match=f"expected images uint8.*{found}"):
        feature_named(kind).fit(images)


@pytest.mark.parametrize("kind", classifier_names())
def test_every_classifier(kind: str) -> None:
    """The contract: learns an easy task, gives one score a class, the same one after cloning."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    rows = (np.eye(3)[labels] * 4 + rng.normal(size=(90, 3))).astype(np.float32)
    rows = np.hstack([rows, rows + rng.normal(size=(90, 3)).astype(np.float32) / 4])  # as of a mirror image
    classifier = build_classifier(kind, seed=1).fit(rows, labels)
    scores = logits(classifier, rows)
    assert scores.shape == (90, 3)
    assert np.isfinite(scores).all()
    assert (scores.argmax(axis=1) == labels).mean() > 0.9
    assert (classifier.predict(rows) == labels).mean() > 0.9
    np.testing.assert_allclose(logits(clone(classifier).fit(rows, labels), rows), scores, atol=1e-6)


@pytest.mark.parametrize("build", [build_feature, build_classifier])
def test_unknown_names_and_options(build: Any) -> None:
    """An unknown name gets the nearest known one, an unknown option its name."""
    near = {"build_feature": ("hogg", "hog"), "build_classifier": ("forrest", "forest")}[build.__name__]
    with pytest.raises(UnknownModelError, match=f"did you mean '{near[1]}'"):
        build(near[0])
    with pytest.raises(ConfigError, match="sides"):
        build(near[1], sides=3).fit(faces(4), np.arange(4))


@pytest.mark.parametrize(("register", "name"), [(register_feature, "hog"), (register_classifier, "forest")])
def test_a_name_is_given_once(register: Any, name: str) -> None:
    """A second one of the same name is refused."""
    with pytest.raises(ValueError, match="registered already"):
        register(name, lambda: None)


def test_features_made_of_others() -> None:
    """A configuration names parts by their tables; unknown tables and circles are refused."""
    tables: dict[str, dict[str, Any]] = {
        "hog": {"cell": 8},
        "patterns": {"kind": "lbp_histogram"},
        "two": {"kind": "union", "parts": ["hog", "patterns"]},
        "mirror": {"kind": "mirrored", "feature": "two"},
        "circle": {"kind": "mirrored", "feature": "circle"},
        "lost": {"kind": "union", "parts": ["hogg"]},
    }
    built = resolve("mirror", tables)
    assert isinstance(built, Mirrored)
    assert isinstance(built.feature, Union)
    assert built.feature.parts[0].cell == 8
    with pytest.raises(ConfigError, match="made of itself"):
        resolve("circle", tables)
    with pytest.raises(ConfigError, match="did you mean 'hog'"):
        resolve("lost", tables)


def test_lbp_image_is_the_patterns() -> None:
    """The study's feature is the pattern of every pixel, row by row."""
    images = faces(2)
    assert (LbpImage().fit(images).transform(images).reshape(2, 48, 48) == lbp_images(images)).all()
