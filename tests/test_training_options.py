"""What a recipe can ask of a run: schedules, transfer, class weights, SAM, distillation, early stopping and so on."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")

import tiny_run
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from unmask.datasets.base import FaceDataset
from unmask.errors import ConfigError, DataError, ModelError
from unmask.models import Classifier, softmax
from unmask.networks import build_network
from unmask.training import schedules
from unmask.training.callbacks import tensorboard, together
from unmask.training.config import Distillation, Transfer, load_config, save_config
from unmask.training.distil import LiveTeachers, teacher_shares
from unmask.training.finish import finish
from unmask.training.fit import Trainer
from unmask.training.mixing import mixed
from unmask.training.optimisers import climbed, freeze, learning_groups, make_optimiser, running_average, set_rate
from unmask.training.precision import memory_format, resolve_device, resolve_precision
from unmask.training.targets import class_factors, epoch_order, make_targets, training_rows, weighted_by_class
from unmask.training.typed import apply_overrides, read_table

CPU = torch.device("cpu")
TINY = dataclasses.replace(tiny_run.TINY, heads={"fer2013": 1.0}, epochs=3, warmup_epochs=1)


@pytest.fixture(scope="module")
def plain(bars: FaceDataset, tmp_path_factory: pytest.TempPathFactory) -> Tensor:
    """The weights of the run without any option."""
    return weights(Trainer(TINY, bars, tmp_path_factory.mktemp("plain")).fit())


def weights(network: nn.Module) -> Tensor:
    """All parameters in one row."""
    row: Tensor = torch.cat([p.detach().flatten() for p in network.parameters()])
    return row


def test_schedules_by_hand() -> None:
    """Cosine and one cycle at their ends, peaks and middles; momentum goes against the rate."""
    assert [schedules.cosine(step, 100, 10) for step in (4, 10, 55)] == pytest.approx([0.5, 1, 0.5])
    assert [schedules.one_cycle(step, 100, 20) for step in (0, 20, 100)] == pytest.approx([1 / 25, 1, 1e-4])
    assert schedules.one_cycle(10, 100, 20) == pytest.approx((1 + 1 / 25) / 2)
    assert [schedules.cycled_momentum(step, 100, 20) for step in (0, 20, 60, 100)] == pytest.approx(
        [0.95, 0.85, 0.9, 0.95]
    )
    assert [schedules.constant(step, 100, 4) for step in (0, 3, 50)] == [0.25, 1, 1]
    assert schedules.cosine(0, 1, 0) == 1


@pytest.mark.parametrize("schedule", schedules.SCHEDULES)
@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_every_schedule_and_optimiser_learns(bars: FaceDataset, tmp_path: Path, schedule: str, optimiser: str) -> None:
    """The loss of the easy task falls under each; labels alone are enough, no votes are needed."""
    config = dataclasses.replace(TINY, schedule=schedule, optimiser=optimiser)
    trainer = Trainer(config, dataclasses.replace(bars, votes=None), tmp_path)
    trainer.fit()
    assert trainer.history_[-1]["train_loss"] < trainer.history_[0]["train_loss"]
    assert len(trainer.history_[0]["batch_losses"]) == len(trainer.training) // 32 + 1


def test_layer_groups_learn_at_their_own_rates() -> None:
    """Each earlier group has the given share of the next one's rate; norms and biases are not decayed."""
    network = build_network("vgg16_bn", heads={"fer2013": 7})
    config = dataclasses.replace(TINY, transfer=Transfer(rate_decay=0.1))
    optimizer = make_optimiser(network, config)
    set_rate(optimizer, 1.0, 0.8)
    groups = optimizer.param_groups
    assert sorted({round(group["lr"], 6) for group in groups}) == [0.01, 0.1, 1.0]
    assert all((group["weight_decay"] > 0) == (group["params"][0].ndim > 1) for group in groups)
    assert {group["betas"][0] for group in groups} == {0.8}
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


def test_what_learns_when() -> None:
    """Heads alone in the frozen epochs, then a group more every two epochs, or all at once."""
    slowly = dataclasses.replace(TINY, epochs=20, transfer=Transfer(frozen_epochs=2, thaw_every=2))
    assert [learning_groups(slowly, 4, epoch) for epoch in range(8)] == [1, 1, 2, 2, 3, 3, 4, 4]
    at_once = dataclasses.replace(slowly, transfer=Transfer(frozen_epochs=2))
    assert [learning_groups(at_once, 4, epoch) for epoch in range(4)] == [1, 1, 4, 4]
    assert learning_groups(TINY, 4, 0) == 4


def test_frozen_layers_stay(bars: FaceDataset, tmp_path: Path) -> None:
    """In the frozen epochs the trunk keeps weights and statistics to the bit; afterwards it learns."""
    config = dataclasses.replace(TINY, epochs=3, transfer=Transfer(frozen_epochs=2, frozen_rate=0.05))
    trainer = Trainer(config, bars, tmp_path)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    trainer.fit(until=2)
    after = trainer.network.state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert moved == {"heads.fer2013.weight", "heads.fer2013.bias"}
    assert trainer.history_[0]["learning_rate"] > TINY.learning_rate  # the frozen epochs have their own
    trainer.fit(until=3)
    assert not torch.equal(trainer.network.get_parameter("stem.0.weight"), before["stem.0.weight"])


def test_freezing_by_groups() -> None:
    """Only the last groups ask for gradients, and the norms of the others are in evaluation mode."""
    network = build_network("study", heads={"fer2013": 7})
    freeze(network, 2)
    learning = {name.split(".")[0] for name, p in network.named_parameters() if p.requires_grad}
    assert learning == {"conv5", "conv6", "linear", "heads"}
    assert not network.get_submodule("block1").training
    assert network.get_submodule("conv5").training


def test_climbing_returns_to_the_bit() -> None:
    """Within the block the weights lie the radius away, along the gradient; afterwards they are as before."""
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(4)
    network = nn.Sequential(nn.Linear(3, 4), norm, nn.Linear(4, 2))
    network(torch.randn(8, 3)).square().sum().backward()
    assert norm.running_mean is not None
    before, statistics = weights(network), norm.running_mean.clone()
    gradient = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    with climbed(network, 0.5):
        moved = weights(network) - before
        network(torch.randn(8, 3))
    assert float(moved.norm()) == pytest.approx(0.5, rel=1e-4)
    torch.testing.assert_close(moved / moved.norm(), gradient / gradient.norm(), atol=1e-4, rtol=0)
    assert torch.equal(weights(network), before)
    assert torch.equal(norm.running_mean, statistics)


@pytest.mark.parametrize(
    "changes",
    [
        {"sam": 0.05},
        {"clip_norm": 0.1},
        {"mixup": 0.3, "cutmix": 0.5},
        {"class_weighting": 1.0},
        {"balanced_sampling": 1.0},
        {"ema_decay": 0.0},
        {"size": 32},
        {"schedule": "one-cycle", "optimiser": "sgd", "transfer": Transfer(frozen_epochs=1, thaw_every=1)},
        {"patience": 1},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_every_option_resumes_exactly(
    bars: FaceDataset, plain: Tensor, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """Each option changes the run, and a run that is stopped after an epoch ends as an unbroken one, bit for bit."""
    config = dataclasses.replace(TINY, **changes)
    whole, broken = Trainer(config, bars, tmp_path / "whole"), Trainer(config, bars, tmp_path / "broken")
    whole.fit()
    broken.fit(until=1)
    resumed = Trainer(config, bars, tmp_path / "broken")
    resumed.fit(resume=True)
    assert torch.equal(weights(resumed.kept), weights(whole.kept))
    assert not torch.equal(plain, weights(whole.kept)) or "patience" in changes


def test_the_running_average_forgets_its_beginning() -> None:
    """After 40 steps at a decay of 0.999 the average is near the weights, not near where they began."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = AveragedModel(network, multi_avg_fn=running_average(0.999))
    average.update_parameters(network)
    nn.init.ones_(network.weight)
    for _ in range(40):
        average.update_parameters(network)
    assert 0.99 < float(average.module.get_parameter("weight").detach()) <= 1


def test_class_factors_by_hand(bars: FaceDataset) -> None:
    """One class three times as frequent: at power 1 its rows count a third as much, and the mean is 1."""
    rows = np.concatenate([np.flatnonzero(bars.labels == 3)[:90], np.flatnonzero(bars.labels == 4)[:30]])
    targets = make_targets(bars.select(rows), ["fer2013"])
    factors = class_factors(targets, 1.0)["fer2013"]
    assert float(factors[-1] / factors[0]) == pytest.approx(3, rel=1e-4)
    assert float(factors.mean()) == pytest.approx(1, rel=1e-5)
    assert torch.equal(weighted_by_class(targets, 1.0).weights["fer2013"], factors)
    drawn = epoch_order(targets, 1.0, torch.Generator().manual_seed(0))
    assert 0.35 < (drawn >= 90).float().mean() < 0.65
    assert sorted(epoch_order(targets, 0.0, torch.Generator()).tolist()) == list(range(120))


def test_patience_keeps_the_best_epoch(bars: FaceDataset, tmp_path: Path) -> None:
    """A run that gets worse ends early with the weights of its best epoch, and does not go on when resumed."""
    config = dataclasses.replace(TINY, epochs=8, patience=2, warmup_epochs=0)
    trainer = Trainer(config, bars, tmp_path)
    best: list[Tensor] = []

    def spoil(event: str, record: dict[str, Any]) -> None:
        if event == "epoch":
            if record["epoch"] == 2:
                best.append(weights(trainer.average.module))
            with torch.no_grad():
                for p in trainer.network.get_submodule("heads").parameters():
                    p.mul_(-3 if record["epoch"] >= 2 else 1)

    trainer.fit(notify=spoil)
    losses = [record["holdout_loss"] for record in trainer.history_]
    assert losses.index(min(losses)) == 1
    assert len(losses) == 4
    assert torch.equal(weights(trainer.kept), best[0])
    again = Trainer(config, bars, tmp_path)
    again.fit(resume=True)
    assert len(again.history_) == 4
    assert torch.equal(weights(again.kept), best[0])


def test_what_teachers_say(bars: FaceDataset, tmp_path: Path) -> None:
    """The mean of the teachers' softened probabilities, both ways round, kept and made anew when anything differs."""
    images, cache = bars.images[:6], tmp_path / "teachers.safetensors"
    small = Classifier.load("small")
    both = [small.logits(view, head="fer2013") for view in (images, np.ascontiguousarray(images[:, :, ::-1]))]
    expected = softmax(np.mean(both, axis=0), temperature=3.0)
    said, key = teacher_shares(["small", "small"], images, ["fer2013"], temperature=3.0, cache=cache)
    np.testing.assert_allclose(said["fer2013"].numpy(), expected, atol=1e-6)
    written = cache.stat().st_mtime_ns
    again, its_key = teacher_shares(["small", "small"], images, ["fer2013"], temperature=3.0, cache=cache)
    assert torch.equal(again["fer2013"], said["fer2013"])
    assert cache.stat().st_mtime_ns == written
    assert its_key == key
    assert teacher_shares(["small"], images, ["fer2013"], temperature=1.0, cache=cache)[1] != key
    assert cache.stat().st_mtime_ns != written


def test_a_run_goes_on_with_its_own_teachers(bars: FaceDataset, tmp_path: Path) -> None:
    """Asked once or live, teachers whose weights are others are refused when a run goes on."""
    teacher = Trainer(dataclasses.replace(TINY, epochs=2), bars, tmp_path / "teacher")
    teacher.fit()
    for number in (0, 1):
        finish(teacher, bars, tmp_path / f"model{number}")
        with torch.no_grad():
            next(teacher.average.module.parameters()).mul_(2)
    config = dataclasses.replace(TINY, distillation=Distillation((str(tmp_path / "taught_by"),)))
    (tmp_path / "taught_by").symlink_to(tmp_path / "model0")
    Trainer(config, bars, tmp_path / "run").fit(until=1)
    Trainer(config, bars, tmp_path / "run").fit(resume=True, until=2)
    (tmp_path / "taught_by").unlink()
    (tmp_path / "taught_by").symlink_to(tmp_path / "model1")
    with pytest.raises(ConfigError, match="learned from teachers with other weights"):
        Trainer(config, bars, tmp_path / "run").fit(resume=True)


def test_a_run_goes_on_with_crops_of_its_own_size(bars: FaceDataset, tmp_path: Path) -> None:
    """Crops of another size are other data, and so are other subjects, by which rows are held out."""
    Trainer(TINY, bars, tmp_path).fit(until=1)
    smaller = dataclasses.replace(bars, images=np.ascontiguousarray(bars.images[:, ::2, ::2]))
    subjects = dataclasses.replace(bars, subjects=np.arange(len(bars)).astype(str))
    for other in (smaller, subjects):
        with pytest.raises(ConfigError, match="other data"):
            Trainer(TINY, other, tmp_path).fit(resume=True)


def test_crops_that_the_network_does_not_take(bars: FaceDataset, tmp_path: Path) -> None:
    """They are refused before anything is trained, with what to set."""
    small = dataclasses.replace(bars, images=np.ascontiguousarray(bars.images[:, ::3, ::3]))
    with pytest.raises(ConfigError, match=r"network 'study' does not take crops of 16 pixels .*; set another --size"):
        Trainer(dataclasses.replace(TINY, network="study", arguments={}), small, tmp_path)
    with pytest.raises(ConfigError, match="seed"):
        dataclasses.replace(TINY, seed=2**40)
    with pytest.raises(ConfigError, match="thaw_every"):
        Transfer(thaw_every=2)


def test_unlabelled_rows_say_nothing(bars: FaceDataset) -> None:
    """Where only votes say something of a row, it is no example of any label: not mixed in, counted or drawn for it."""
    labels = np.where(np.arange(len(bars)) % 2, 3, -1)
    targets = make_targets(dataclasses.replace(bars, labels=labels), ["fer2013"], label_smoothing=0.1)
    shares, weights_ = targets.shares["fer2013"], targets.weights["fer2013"]
    assert not shares[::2].any()
    batch = targets.batch(torch.arange(60), CPU)
    out = mixed(batch, torch.Generator().manual_seed(0), mixup=1.0, cutmix=0.0)
    heard = out.weights["fer2013"] > 0.01
    torch.testing.assert_close(out.shares["fer2013"][heard], shares[1].expand(int(heard.sum()), -1))
    torch.testing.assert_close(class_factors(targets, 1.0)["fer2013"], torch.ones(len(bars)))
    twice = dataclasses.replace(targets, weights={"fer2013": 2 * weights_})
    assert torch.equal(class_factors(twice, 0.5)["fer2013"], class_factors(targets, 0.5)["fer2013"])


def test_learning_from_a_teacher_alone(bars: FaceDataset, tmp_path: Path) -> None:
    """At a weight of 1 the labels do not matter to the bit; at less they do."""
    wrong = dataclasses.replace(bars, labels=np.where(bars.splits == "Training", 0, bars.labels))

    def trained(data: FaceDataset, weight: float) -> Tensor:
        config = dataclasses.replace(TINY, distillation=Distillation(("small",), weight=weight))
        return weights(Trainer(config, data, tmp_path / f"{weight}").fit(until=1))

    assert torch.equal(trained(bars, 1.0), trained(wrong, 1.0))
    assert not torch.equal(trained(bars, 0.5), trained(wrong, 0.5))


def test_live_teachers_resume_exactly(bars: FaceDataset, tmp_path: Path) -> None:
    """Loading teachers anew draws nothing from the random numbers of dropout."""
    Trainer(TINY, bars, tmp_path / "teacher").fit(until=1)
    config = dataclasses.replace(TINY, distillation=Distillation((str(tmp_path / "teacher"),), live=True))
    whole = weights(Trainer(config, bars, tmp_path / "whole").fit(until=2))
    Trainer(config, bars, tmp_path / "parts").fit(until=1)
    assert torch.equal(whole, weights(Trainer(config, bars, tmp_path / "parts").fit(resume=True, until=2)))


def test_what_live_teachers_say(bars: FaceDataset, tmp_path: Path) -> None:
    """Each batch is told what one of the teachers, runs that need not be finished, sees in the very views."""
    kept = []
    for seed in (1, 2):
        run = Trainer(dataclasses.replace(TINY, seed=seed), bars, tmp_path / f"teacher-{seed}")
        run.fit(until=1)
        kept.append(run.kept)
    sources = tuple(str(tmp_path / f"teacher-{seed}") for seed in (1, 2))
    config = dataclasses.replace(TINY, distillation=Distillation(sources, live=True, temperature=3.0))
    student = Trainer(config, bars, tmp_path / "student")
    generator = student.begin(0)
    told = set()
    for _ in range(12):
        view = student.views(torch.arange(6), generator)
        with torch.no_grad():
            said = [torch.softmax(network(view.pixels)["fer2013"] / 3.0, dim=1) for network in kept]
        same = [torch.allclose(view.taught["fer2013"], answer, atol=1e-5) for answer in said]
        assert sum(same) == 1
        told.add(same.index(True))
    assert told == {0, 1}
    student.fit(until=1)
    other = Trainer(dataclasses.replace(TINY, seed=3), bars, tmp_path / "teacher-3")
    other.fit(until=1)
    kept_aside = (tmp_path / "teacher-1").rename(tmp_path / "aside")
    (tmp_path / "teacher-3").rename(tmp_path / "teacher-1")
    with pytest.raises(ConfigError, match="learned from teachers with other weights; restore them"):
        Trainer(config, bars, tmp_path / "student").fit(resume=True)
    (tmp_path / "teacher-1").rename(tmp_path / "teacher-3")
    kept_aside.rename(tmp_path / "teacher-1")
    Trainer(config, bars, tmp_path / "student").fit(resume=True)
    for seed in (1, 2):
        (tmp_path / f"teacher-{seed}").rename(tmp_path / f"gone-{seed}")
    Trainer(config, bars, tmp_path / "student").fit(resume=True)  # at its end: nobody is asked
    sources = tuple(str(tmp_path / f"gone-{seed}") for seed in (1, 2))
    absent = Distillation(("runs/none",), live=True)
    with pytest.raises(ConfigError, match=r"distillation.teachers: .*neither a known name nor a file.* train it first"):
        Trainer(dataclasses.replace(TINY, distillation=absent), bars, tmp_path / "untaught").fit(until=1)
    with pytest.raises(ConfigError, match="gone-1 has no head ferplus; leave it out, or set"):
        LiveTeachers(
            sources,
            ["fer2013", "ferplus"],
            temperature=1.0,
            place=lambda network: network,
            logits=lambda network, pixels: network(pixels),
        )


@pytest.mark.slow
def test_starting_from_a_run_and_from_a_model(bars: FaceDataset, tmp_path: Path) -> None:
    """``initial`` takes a model folder, or a run that is not finished (then its averaged weights)."""
    run = Trainer(TINY, bars, tmp_path / "run")
    run.fit()
    from_run = Trainer(dataclasses.replace(TINY, initial=str(tmp_path / "run")), bars, tmp_path / "a")
    assert torch.equal(weights(from_run.network), weights(run.kept))
    finish(run, bars, tmp_path / "run" / "model")
    from_model = Trainer(dataclasses.replace(TINY, initial=str(tmp_path / "run" / "model")), bars, tmp_path / "b")
    assert torch.equal(weights(from_model.network), weights(run.kept))
    assert from_model.initial is not None
    assert from_model.initial.fresh == ()
    with pytest.raises(ModelError, match="not the weights of this network"):
        Trainer(dataclasses.replace(TINY, network="study", arguments={}, initial=str(tmp_path / "run")), bars, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # its own, while it compiles
def test_a_compiled_network_learns_the_same(bars: FaceDataset, tmp_path: Path) -> None:
    """Compiled or not, a run's losses are the same to rounding, and its checkpoint fits either."""
    still = {"widths": [4, 8], "blocks": [0, 1], "dropout": 0.0}  # dropout draws in another order when compiled
    config = dataclasses.replace(TINY, epochs=1, warmup_epochs=0, arguments=still)
    plain, compiled = (
        Trainer(dataclasses.replace(config, compile=way), bars, tmp_path / str(way)) for way in (False, True)
    )
    for trainer in (plain, compiled):
        trainer.fit()
    np.testing.assert_allclose(
        compiled.history_[0]["batch_losses"], plain.history_[0]["batch_losses"], rtol=1e-2, atol=1e-2
    )
    assert compiled.average.state_dict().keys() == plain.average.state_dict().keys()


def test_patience_without_rows_to_watch(bars: FaceDataset, tmp_path: Path) -> None:
    """Where so few rows are there that none is held out, a run with patience is refused before it starts."""
    with pytest.raises(ConfigError, match="holds none out"):
        Trainer(dataclasses.replace(TINY, patience=1, holdout=0.01), bars.select(np.arange(20)), tmp_path)


@pytest.mark.slow
def test_splits_by_name(bars: FaceDataset, tmp_path: Path) -> None:
    """Other names of splits are taken from the recipe, copies are kept when asked, and a missing split is named."""
    renamed = dataclasses.replace(bars, splits=np.where(bars.splits == "Training", "mine", "theirs"))
    config = dataclasses.replace(TINY, epochs=2, train_split="mine", measured_split="theirs", keep_copies=True)
    trainer = Trainer(config, renamed, tmp_path)
    assert len(trainer.training) + len(trainer.held_rows) == 240
    trainer.fit()
    card = finish(trainer, renamed, tmp_path / "model")
    figures = card.metrics["bars theirs"]
    assert (figures["n"], figures["deduplicated"]["n"]) == (60, 50)  # copies of the rows that were learned from
    assert "with copies" in card.training["split"]
    with pytest.raises(DataError, match="no split 'Training'"):
        Trainer(dataclasses.replace(config, train_split="Training"), renamed, tmp_path)


def test_held_out_rows_are_not_those_of_an_older_draw(bars: FaceDataset) -> None:
    """A split drawn with the same seed leaves rows to hold out."""
    from unmask.datasets.splits import holdout_mask

    labelled = bars.split("Training")
    parted = dataclasses.replace(
        labelled, splits=np.where(holdout_mask(labelled.groups, 0.2, seed=0), "Validation", "Training")
    )
    training, held = training_rows(parted, holdout=0.1, seed=0)
    assert len(held) == pytest.approx(0.1 * (len(training) + len(held)), abs=2)


def test_rows_without_labels_are_left_out(bars: FaceDataset) -> None:
    """Rows with neither label nor votes are not learned from, and a set of them alone is refused."""
    labels = bars.labels.copy()
    labels[10:20] = -1
    some = dataclasses.replace(bars, labels=labels, votes=None)
    training, _ = training_rows(some, holdout=0.0, seed=0)
    assert len(training) == 240 - 10 - 10  # ten copies, ten without a label
    with pytest.raises(DataError, match="no row of 'Training' is left"):
        training_rows(dataclasses.replace(some, labels=np.full(300, -1)), holdout=0.0, seed=0)


def test_precision_is_chosen_by_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` is bf16 only where the processor multiplies in it; channels last go with it, not with fp32 on a CPU."""
    for supported, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda supported=supported: supported)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        assert resolve_precision("auto", CPU) == expected
    assert resolve_precision("bf16", CPU) == "bf16"
    wide, narrow = (build_network("resnet", heads={"ferplus": 8}, widths=[w, 16], blocks=[1, 1]) for w in (16, 8))
    assert memory_format("auto", "fp32", CPU, wide) is torch.contiguous_format
    assert memory_format("auto", "bf16", CPU, wide) is torch.channels_last
    assert memory_format("auto", "fp32", torch.device("cuda"), wide) is torch.channels_last
    assert memory_format("contiguous", "bf16", CPU, wide) is torch.contiguous_format
    with pytest.raises(ConfigError, match="not for fp32 on a CPU"):
        memory_format("channels_last", "fp32", CPU, wide)
    assert memory_format("auto", "bf16", CPU, narrow) is torch.contiguous_format
    assert memory_format("auto", "bf16", torch.device("cuda"), narrow) is torch.channels_last
    with pytest.raises(ConfigError, match="crashes on a CPU with strided 1x1 convolutions"):
        memory_format("channels_last", "bf16", CPU, narrow)
    with pytest.raises(ConfigError, match="not for a CPU"):
        resolve_precision("fp16", CPU)


def test_devices_are_those_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU is always there; of accelerators, those that PyTorch counts, and the message names them."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert [str(resolve_device(name)) for name in ("cpu", "cuda", "cuda:1")] == ["cpu", "cuda", "cuda:1"]
    for name in ("cuda:2", "mps", "", "gpu"):
        with pytest.raises(ConfigError, match=f"no device '{name}' .*known: cpu, cuda, cuda:0, cuda:1"):
            resolve_device(name)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"no device 'cuda' on this machine; known: cpu$"):
        resolve_device("cuda")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schedule": "linear"}, "cosine, one-cycle, constant"),
        ({"optimiser": "lion"}, "adamw, sgd"),
        ({"heads": {"age": 1.0}}, "ferplus"),
        ({"heads": {"fer2013": 0.0}}, "heads"),
        ({"patience": 2, "holdout": 0.0}, "held-out rows"),
        ({"sam": 0.1, "precision": "fp16"}, "do not go together"),
        ({"transfer": Transfer(frozen_epochs=3)}, "set epochs and transfer.frozen_epochs together"),
        ({"views": 3}, "views = 3"),
        ({"class_weighting": 2.0}, "class_weighting = 2.0: expected 0 to 1"),
    ],
)
def test_settings_are_checked(changes: dict[str, Any], words: str) -> None:
    """A value outside its range, or two that do not go together, are refused by name."""
    with pytest.raises(ConfigError, match=words):
        dataclasses.replace(TINY, **changes)


def test_tables_are_checked(tmp_path: Path) -> None:
    """Unknown keys in tables are refused with the nearest name; lists and switches have their types."""
    path = tmp_path / "recipe.toml"
    for text, words in (
        ("[transfer]\nfrozen = 1", "did you mean 'frozen_rate'|did you mean 'frozen_epochs'"),
        ("[distillation]\nteachers = 'small'", "expected a list of texts"),
        ("compile = 1", "expected bool"),
        ("[transfer]\nrate_decay = 2", "rate_decay"),
    ):
        path.write_text(f'name = "a"\nversion = "1"\nnetwork = "resnet"\n{text}\n')
        with pytest.raises(ConfigError, match=words):
            load_config(path)
    with pytest.raises(ConfigError, match="is no table"):
        load_config(path, ["compile=false", "name.first=1"])


@pytest.mark.parametrize("text", ["[" * 200_000, "1" * 5000, "x = "])
@pytest.mark.parametrize("kind", ["JSON", "TOML"])
def test_what_cannot_be_parsed_is_refused(tmp_path: Path, kind: str, text: str) -> None:
    """A recipe is refused in words, also one nested too deeply or with a number of too many digits; so is --set."""
    path = tmp_path / f"recipe.{kind.lower()}"
    path.write_text(f"x = {text}" if kind == "TOML" else text)
    with pytest.raises(ConfigError, match=f"recipe.*: not {kind}: "):
        read_table(path)
    values: dict[str, Any] = {}
    apply_overrides(values, [f"epochs={text}"])
    assert values == {"epochs": text}  # a text, whose type is asked for later


def test_a_resolved_configuration_is_a_recipe(bars: FaceDataset, tmp_path: Path) -> None:
    """The configuration that a run saves, with every default, builds the same run again."""
    config = dataclasses.replace(TINY, distillation=Distillation(("small",)), transfer=Transfer(frozen_epochs=1))
    save_config(tmp_path / "config.json", config)
    assert load_config(tmp_path / "config.json") == config
    Trainer(TINY, bars, tmp_path / "run").fit(until=1)
    assert load_config(tmp_path / "run" / "config.json") == TINY
    assert json.loads((tmp_path / "run" / "config.json").read_text())["momentum"] == 0.9


def test_listeners(bars: FaceDataset, tmp_path: Path) -> None:
    """Every listener hears every event, and TensorBoard's writes its file."""
    pytest.importorskip("tensorboard")
    heard: list[str] = []
    trainer = Trainer(dataclasses.replace(TINY, epochs=1, warmup_epochs=0), bars, tmp_path / "run")
    with tensorboard(tmp_path / "log") as log:
        trainer.fit(notify=together(lambda event, record: heard.append(event), log))
    assert heard.count("epoch") == 1
    assert heard.count("batch") == len(trainer.history_[0]["batch_losses"])
    assert any(path.name.startswith("events") for path in (tmp_path / "log").iterdir())


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("recipe", "file"),
    [
        ("vgg19", "vgg19_expanded_from_vgg16_imagenet_fp16.safetensors"),
        ("mobilenet_imagenet", "mobilenet_v2-b0353104.pth"),
        ("mobilenet_face", "mobilenet_vggface2_hse.safetensors"),
        ("mobilenet_scratch", ""),
    ],
)
def test_transfer_recipes_run(data_folder: Path, tmp_path: Path, bars: FaceDataset, recipe: str, file: str) -> None:
    """The committed recipes take their weights, learn with the trunk frozen, and then with all of it."""
    overrides = [f"initial={data_folder / 'weights' / file}"] if file else []
    config = load_config(Path(__file__).parents[1] / "recipes" / f"{recipe}.toml", [*overrides, "batch_size=12"])
    few = bars.select(np.arange(0, 300, 10))  # 24 rows of Training: two steps an epoch, 1 of them held out
    trainer = Trainer(config, few, tmp_path)
    trunk = next(trainer.network.parameters()).clone()
    trainer.fit(until=config.transfer.frozen_epochs)
    assert torch.equal(next(trainer.network.parameters()), trunk)
    trainer.fit(until=config.transfer.frozen_epochs + 1)
    assert not torch.equal(next(trainer.network.parameters()), trunk)
    assert all(np.isfinite(record["train_loss"]) for record in trainer.history_)
