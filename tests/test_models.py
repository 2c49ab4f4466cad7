"""The model file: strict on load, whole after saving, calibrated when run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import zipfile
from http.client import IncompleteRead
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unmask.cli import main
from unmask.errors import DataError, InputError, ModelError, UnknownModelError, UnmaskError
from unmask.evaluation.metrics import evaluate_probs
from unmask.explain.opening import read_weights
from unmask.expressions import FERPLUS, Expression, Taxonomy
from unmask.models import (
    Classifier,
    Head,
    ModelCard,
    Thresholds,
    bundled_models,
    load_model,
    save_archive,
    softmax,
    store,
)


def card_json(**changes: Any) -> dict[str, Any]:
    """The JSON of a small valid card."""
    card = ModelCard(
        name="tiny",
        version="1",
        heads=(Head("ferplus", FERPLUS, 1.5),),
        input_size=48,
        parameters=1,
        macs=1,
        licence="MIT",
        code_version="0",
        thresholds=Thresholds(min_size=20),
    )
    return card.to_json() | changes


def measured(**changes: Any) -> dict[str, Any]:
    """The metrics of a card, with figures of an evaluation of which some are changed."""
    probs = np.array([[0.9, 0.1], [0.6, 0.4]])
    figures = evaluate_probs(probs, np.array([0, 1]), Taxonomy("two", (Expression.HAPPY, Expression.SAD)))
    return {"metrics": {"a": figures | {"deduplicated": None} | changes}}


def test_card_comes_back_as_written() -> None:
    """A card read from its own JSON is equal to it."""
    text = json.dumps(card_json(**measured(), training={"sha256": "0"}, arguments={"widths": [4, 8]}))
    card = ModelCard.from_json(text, where="card")
    assert card.to_json() == json.loads(text)
    assert card.identity == "tiny@1"
    assert card.head().taxonomy.labels == FERPLUS.labels


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "format 2"),  # a later layout
        ({"heads": []}, "at least one head"),
        ({"heads": [{"name": "x", "labels": ["happy", "joy"], "temperature": 1}]}, "joy"),  # an unknown label
        ({"heads": [{"name": "x", "labels": ["happy", "sad"], "temperature": 0}]}, "positive temperature"),
        ({"heads": [{"name": "x", "temperature": 1}]}, "labels"),  # a missing key
        ({"thresholds": {"min_size": -1}}, "min_size"),
        ({"thresholds": {"min_margin": 1.5}}, "min_margin: expected a number from 0 to 1"),
        ({"thresholds": {"max_pitch": 181}}, "max_pitch: expected a number from 0 to 180"),
        ({"thresholds": {"smallest": 1}}, "smallest"),  # an unknown key
        ({"surprise": 1}, "surprise"),  # an unknown key
        ({"name": "../evil"}, "model name"),
        ({"input_size": 4}, "8 to 1024"),
        ({"parameters": "many"}, "parameters: expected a whole number, got 'many'"),
        ({"version": 2}, "version: expected a text"),
        ({"metrics": {"a": {"n": 1}}}, "metrics: a: lacks accuracy, "),
        ({"metrics": {"a": 1}}, "metrics: a: lacks n, "),
        ({"training": []}, r"training: expected an object, got \[\]"),
        ({"arguments": "wide"}, "arguments: expected an object"),
        ({"metrics": []}, "metrics: expected an object"),
        ({"macs": 10**400}, "macs: expected a whole number"),  # more than a float can hold
        ({"thresholds": {"min_size": 10**400}}, "min_size: expected a number of at least 0"),
        ({"heads": [{"name": 5, "labels": ["happy", "sad"], "temperature": 1}]}, "head: expected a name, got 5"),
        ({"heads": [{"name": "x", "labels": ["happy", "sad"], "temperature": 10**400}]}, "positive temperature"),
        (measured(accuracy="high"), "metrics: a: accuracy: expected a finite number, got 'high'"),
        (measured(nll=float("nan")), "nll: expected a finite number, got nan"),
        (measured(n=True), "n: expected a finite number"),
        (measured(deduplicated={"n": 1}), "deduplicated: lacks accuracy"),
        (measured(deduplicated=3), "deduplicated: lacks n, "),
        (measured(labels="happy"), "labels: expected a list"),
        (measured(per_class=["happy"]), "per_class: expected an object"),
        (measured(per_class={"happy": {"n": 1, "precision": None, "recall": 1}}), "per_class: happy: precision: "),
        (measured(confusion=[[1, 0]]), "confusion: expected 2 rows of 2 numbers"),
        (measured(confusion=[[1, 0], [0, "1"]]), "confusion: expected 2 rows of 2 numbers"),
        (measured(most_confused={}), "most_confused: expected a list"),
        (measured(most_confused=[{"actual": "sad", "count": 1}]), "most_confused: lacks predicted"),
        (measured(most_confused=[{"actual": "sad", "predicted": "happy", "count": "x"}]), "most_confused: count: "),
    ],
)
def test_card_is_strict(changes: dict[str, Any], words: str) -> None:
    """Whatever is wrong in model.json is refused, and the message begins with the file and names it."""
    with pytest.raises(ModelError, match=words) as caught:
        ModelCard.from_json(json.dumps(card_json(**changes)), where="here/model.json")
    assert str(caught.value).startswith("here/model.json")


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"format": 1}', "\x00", "[" * 200_000])
def test_card_refuses_other_json(text: str) -> None:
    """Text that is no card raises ModelError and nothing else."""
    with pytest.raises(ModelError):
        ModelCard.from_json(text, where="card")


def test_unknown_name_suggests_the_nearest() -> None:
    """A misspelt name is answered with the name that was meant."""
    with pytest.raises(UnknownModelError, match="did you mean 'small'"):
        load_model("smal")


def test_a_name_that_is_too_long() -> None:
    """A path that the system refuses to look for is a model that cannot be opened."""
    with pytest.raises(ModelError, match=r"name too long|no model 'xxx"):
        load_model("x" * 300)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive"])
def test_damaged_archive(tmp_path: Path, content: bytes) -> None:
    """A file that is no archive is refused by name."""
    path = tmp_path / "broken.unmask"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.unmask"):
        load_model(path)


def test_archive_with_damaged_members(tmp_path: Path) -> None:
    """A member whose packed bytes are damaged is refused by the archive's name, the trainable weights too."""
    for name, damaged in (("model.json", load_model), ("weights.safetensors", read_weights)):
        path = tmp_path / f"{name}.unmask"
        with zipfile.ZipFile(path, "w", compression=zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, b"weights of a network " * 400)
            archive.writestr("model.onnx", b"")
        content = bytearray(path.read_bytes())
        content[len(name) + 30 : len(name) + 60] = b"\xff" * 30  # after the member's header
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"not a \.unmask archive .*; export the model again"):
            damaged(path)


def test_without_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without one, as services have, reads faces all the same, and is told what to name where it matters."""

    def missing() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for variable in (store.FOLDER_VARIABLE, "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Path, "home", missing)
    assert store.find("yunet") is None
    with pytest.raises(ModelError, match=f"name a folder for models in {store.FOLDER_VARIABLE}"):
        store.fetch("yunet")


def test_folder_without_network(tmp_path: Path) -> None:
    """A folder that lacks a file is refused, and the message says which two it needs."""
    with pytest.raises(ModelError, match=r"expected model\.json and model\.onnx"):
        load_model(tmp_path)


def test_the_folder_of_a_run(tmp_path: Path) -> None:
    """A run's folder is no model; the message names the one in it."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}")
    with pytest.raises(ModelError, match=re.escape(f"name the model in it, {tmp_path / 'model'}")):
        load_model(tmp_path)


def test_network_that_onnx_runtime_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes that are no ONNX graph, or a damaged one, give a ModelError that names the file, and nothing is printed."""
    (tmp_path / "model.json").write_text(json.dumps(card_json()))
    graph = bytearray(load_model().onnx)
    graph[500] ^= 0xFF
    for content in (b"not a graph", b"", bytes(graph)):
        (tmp_path / "model.onnx").write_bytes(content)
        with pytest.raises(ModelError, match=r"refuses the network.*; fetch, export or train") as caught:
            Classifier.load(tmp_path)
        assert str(caught.value).startswith(str(tmp_path / "model.onnx"))
    assert capsys.readouterr() == ("", "")


def test_archive_holds_the_same_model(tmp_path: Path) -> None:
    """The archive of a bundled model reads the same as its folder, and is the same bytes each time."""
    name, folder = next(iter(bundled_models().items()))
    first, second = tmp_path / "a.unmask", tmp_path / "b.unmask"
    save_archive(folder, first)
    save_archive(folder, second)
    assert first.read_bytes() == second.read_bytes()
    assert load_model(first).card == load_model(name).card
    assert load_model(first).onnx == load_model(name).onnx
    with zipfile.ZipFile(first) as archive:
        assert archive.namelist() == ["model.json", "model.onnx", "CARD.md", "history.json"]
        assert all(archive.read(file) == (folder / file).read_bytes() for file in archive.namelist())


def test_an_archive_replaces_only_a_model(tmp_path: Path) -> None:
    """An older archive is replaced whole; another file is not, and where nothing can be written it is said."""
    folder = next(iter(bundled_models().values()))
    archive, other = tmp_path / "a.unmask", tmp_path / "photo.jpg"
    save_archive(folder, archive)
    save_archive(folder, archive)
    assert [path.name for path in tmp_path.iterdir()] == ["a.unmask"]
    other.write_bytes(b"a photograph")
    with pytest.raises(InputError, match=r"photo\.jpg: is there already and is no model"):
        save_archive(folder, other)
    assert other.read_bytes() == b"a photograph"
    with pytest.raises(InputError, match="cannot be written"):
        save_archive(folder, other / "x" / "b.unmask")


CONTENT = b"published" * 20_000  # several pieces


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> store.RemoteFile:
    """A file that can be fetched into an empty folder."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    file = store.RemoteFile("tiny", "tiny.bin", "https://example.org/tiny.bin", digest, len(CONTENT), "MIT")
    monkeypatch.setitem(store.FETCHABLE, "tiny", file)
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "models"))
    return file


def test_fetch(published: store.RemoteFile, tmp_path: Path) -> None:
    """What comes is reported piece by piece and kept; a second call asks for nothing."""
    seen: list[tuple[int, int]] = []
    path = store.fetch(
        "tiny", progress=lambda done, size: seen.append((done, size)), opener=lambda url: BytesIO(CONTENT)
    )
    assert path == tmp_path / "models" / "tiny.bin"
    assert path.read_bytes() == CONTENT
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] == (published.size, published.size)
    assert store.fetch("tiny", opener=lambda url: pytest.fail("asked again")) == path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (CONTENT[:-1] + b"?", "180000 bytes with sha256"),  # another file of the same size
        (CONTENT[:-1], "179999 bytes with sha256"),  # cut off
        (CONTENT + CONTENT, "more than 180000 bytes"),  # too long
    ],
)
def test_fetch_refuses_another_file(published: store.RemoteFile, tmp_path: Path, content: bytes, words: str) -> None:
    """What is not the published file is refused, and nothing of it is kept."""
    with pytest.raises(ModelError, match=words):
        store.fetch("tiny", opener=lambda url: BytesIO(content))
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("error", [TimeoutError("timed out"), IncompleteRead(b"")])
def test_fetch_over_a_broken_connection(published: store.RemoteFile, tmp_path: Path, error: Exception) -> None:
    """A connection that breaks leaves nothing, and the message says how to go on by hand."""

    class Broken(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise error
            return super().read(size)

    with pytest.raises(ModelError, match=r"cannot be fetched .*; try again, or download https://example\.org"):
        store.fetch("tiny", opener=lambda url: Broken(CONTENT))
    assert list((tmp_path / "models").iterdir()) == []


def test_fetch_shows_its_progress(
    published: store.RemoteFile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal the command line shows how much has come, of how much; the path alone is data."""
    monkeypatch.setattr(store, "_network", lambda url: BytesIO(CONTENT))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("unmask.cli.progress._REDRAW_S", 0)
    assert main(["models", "fetch", "tiny"]) == 0
    printed = capsys.readouterr()
    assert "180/180 kB" in printed.err
    assert printed.out.endswith("tiny.bin\n")


@pytest.fixture(params=sorted(bundled_models()))
def bundled(request: pytest.FixtureRequest) -> Classifier:
    """Every model inside the package."""
    return Classifier.load(request.param)


def test_bundled_contract(bundled: Classifier) -> None:
    """Every model in the package: shapes, sums, batches that do not change the answer, refusal of other input."""
    size = bundled.card.input_size
    crops = np.random.default_rng(0).integers(0, 256, (5, size, size), dtype=np.uint8)
    for head in bundled.card.heads:
        probs = bundled.probs(crops, head=head.name)
        assert probs.shape == (5, len(head.taxonomy))
        np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-9)
        one_by_one = np.concatenate([bundled.logits(crop[None], head=head.name) for crop in crops])
        np.testing.assert_allclose(bundled.logits(crops, head=head.name), one_by_one, atol=1e-4)
    assert bundled.probs(crops[:0]).shape == (0, len(bundled.card.heads[0].taxonomy))
    with pytest.raises(DataError, match="expected crops uint8"):
        bundled.logits(crops.astype(np.float32))
    with pytest.raises(DataError, match="expected crops uint8"):
        bundled.logits(crops[:, :-1])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input_size": 64}, "its card says crops of 64 pixels, and the network takes 48 x 48"),
        ({"heads": "fewer"}, "its card names 7 labels of head 'ferplus', and the network gives 8 scores"),
    ],
)
def test_a_card_of_another_network_is_refused(changes: dict[str, Any], words: str) -> None:
    """Before it reads anything."""
    model = load_model("nano")
    if "heads" in changes:
        first, *rest = model.card.heads
        fewer = dataclasses.replace(first.taxonomy, labels=first.taxonomy.labels[:-1])
        changes = {"heads": (dataclasses.replace(first, taxonomy=fewer), *rest)}
    with pytest.raises(ModelError, match=words):
        Classifier(dataclasses.replace(model, card=dataclasses.replace(model.card, **changes)))


def test_bundled_cards_say_what_they_must(bundled: Classifier) -> None:
    """Every model in the package states its size truly, its data, its figures and its terms."""
    card = bundled.card
    assert card.parameters <= 5_000_000
    assert len(bundled.model.onnx) < 3 * card.parameters  # stored in two bytes a weight, the graph in some more
    assert card.licence
    assert card.training["sha256"]
    assert card.metrics
    for figures in card.metrics.values():
        assert np.sum(figures["confusion"]) == figures["n"]
        assert figures["deduplicated"]["n"] < figures["n"]


def test_lighting_does_not_matter(bundled: Classifier, photo: Path) -> None:
    """The network standardises each crop: a darker and flatter copy of a face gets nearly the same scores."""
    with Image.open(photo) as picture:
        face = picture.convert("L").crop((170, 65, 280, 175)).resize((48, 48), Image.Resampling.BOX)
    crop = np.asarray(face, dtype=np.float64)
    # the mouth hidden, so that the answer is not so sure that nothing could change it
    crop[32:] = crop[32:].mean()
    darker = (10 + 0.7 * crop).round().astype(np.uint8)
    probs = bundled.probs(np.stack([crop.astype(np.uint8), darker]))
    assert probs.max() < 0.95
    np.testing.assert_allclose(probs[0], probs[1], atol=0.03)  # rounding to 8 bit twice


def test_softmax_by_hand() -> None:
    """Two classes with logits ln 3 and 0: three to one, and the square root of it at temperature 2."""
    logits = np.array([np.log(3.0), 0.0])
    np.testing.assert_allclose(softmax(logits), [0.75, 0.25])
    root = np.sqrt(3.0)
    np.testing.assert_allclose(softmax(logits, temperature=2), [root / (1 + root), 1 / (1 + root)])
    np.testing.assert_allclose(softmax(np.array([1e4, 0.0])), [1, 0])  # no overflow


@pytest.mark.parametrize(
    ("cause", "raised", "words"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, None),
        (OSError("libonnxruntime.so is damaged"), UnmaskError, "ONNX Runtime cannot be loaded .*pip install"),
    ],
)
def test_onnx_runtime_that_does_not_load(
    monkeypatch: pytest.MonkeyPatch, cause: BaseException, raised: type[BaseException], words: str | None
) -> None:
    """An interrupt while it loads, of which it makes an ImportError, stays one; no model is blamed for either."""

    def load(_: str) -> None:
        raise ImportError("initialization failed") from cause

    model = load_model()
    monkeypatch.setattr("unmask.models.runtime.importlib.import_module", load)
    with pytest.raises(raised, match=words) as refused:
        Classifier(model)
    assert not isinstance(refused.value, ModelError)
