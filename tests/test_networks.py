"""Networks: one contract for all that are registered, the study's figures, and weights that fit or are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")

from safetensors.torch import save_file
from torch import Tensor, nn

from unmask.errors import ConfigError, ModelError, UnknownModelError
from unmask.explain.torch_network import TorchNetwork
from unmask.expressions import FER2013
from unmask.models import Head, ModelCard, store
from unmask.networks import FaceNetwork, build_network, network_names, register_network
from unmask.networks.repvgg import FaceRepVGG
from unmask.networks.weights import find_weights, load_weights, read_tensors

HEADS = {"ferplus": 8, "fer2013": 7}

PARAMETERS = {
    "inverted": 98_403,
    "mobilenet_face": 3_484_679,
    "mobilenet_v2": 2_556_679,
    "repvgg": 937_703,
    "resnet": 733_863,
    "study": 526_255,  # the study's own count
    "vgg16": 14_849_351,  # 14,714,688 of torchvision's vgg16.features, and the neck and head
    "vgg16_bn": 14_857_799,
    "vgg19": 20_159_047,  # 20,024,384 of torchvision's vgg19.features, and the neck and head
    "vgg19_bn": 20_170_055,
}
"""With the one head of FER2013's seven classes."""


NAMES = [
    # One VGG stands for the four when there is little time: they differ in depth and norms alone.
    pytest.param(name, marks=[pytest.mark.slow] if name in ("vgg16", "vgg19", "vgg19_bn") else [])
    for name in network_names()
]


def faces(count: int = 3) -> Tensor:
    """Random grey pixels ``(count, 1, 48, 48)``."""
    pixels: Tensor = torch.randint(0, 256, (count, 1, 48, 48), generator=torch.Generator().manual_seed(0))
    return pixels.float()


def lived_in(network: FaceNetwork) -> FaceNetwork:
    """The network in evaluation mode with norms that have seen data, so that folding them makes a difference."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.copy_(0.1 * torch.randn(module.running_mean.shape, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(module.running_var.shape, generator=generator))
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
    return network.eval()


def layer_names(network: nn.Module) -> list[str]:
    """The kinds of the layers that compute, in the order in which they run."""
    seen: list[str] = []
    hooks = [
        module.register_forward_hook(lambda module, inputs, output: seen.append(type(module).__name__))
        for module in network.modules()
        if not list(module.children())
    ]
    with torch.no_grad():
        network.eval()(faces(1))
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("name", NAMES)
def test_network_contract(name: str) -> None:
    """Every registered network: heads, features, parameters, layer groups, and rows that do not touch each other."""
    torch.manual_seed(0)
    network = build_network(name, heads=HEADS).eval()
    assert network.classes == HEADS
    pixels = faces()
    with torch.no_grad():
        logits = network(pixels)
        alone = network(pixels[1:2])
        features = network.features(pixels)
        by_parts = network.head(features)
    assert {head: tuple(value.shape) for head, value in logits.items()} == {"ferplus": (3, 8), "fer2013": (3, 7)}
    assert features.ndim == 4
    assert len(features) == 3
    for head in logits:
        torch.testing.assert_close(logits[head][1:2], alone[head], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(logits[head], by_parts[head], atol=0, rtol=0)
    assert not torch.equal(logits["ferplus"][0], logits["ferplus"][1])

    grouped = [id(p) for group in network.layer_groups() for module in group for p in module.parameters()]
    assert sorted(grouped) == sorted(id(p) for p in network.parameters())
    last = {id(p) for module in network.layer_groups()[-1] for p in module.parameters()}
    assert {id(p) for p in network.heads.parameters()} <= last


@pytest.mark.parametrize("name", ["resnet", "repvgg", "inverted"])
@pytest.mark.parametrize(("widths", "blocks"), [([], []), ([8, 0], [1, 1]), ([8], [1, 1]), ([8], [-1])])
def test_stages_that_are_none(name: str, widths: list[int], blocks: list[int]) -> None:
    """Widths and blocks that make no network are an error that says what is expected."""
    with pytest.raises(ConfigError, match="expected"):
        build_network(name, heads=HEADS, widths=widths, blocks=blocks)


@pytest.mark.parametrize("name", NAMES)
def test_network_size_and_state(name: str, tmp_path: Path) -> None:
    """Every registered network has the parameters that are written here, and its weights come back from a file."""
    torch.manual_seed(0)
    network = lived_in(build_network(name, heads={"fer2013": 7}))
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, tmp_path / "w.safetensors")
    torch.manual_seed(1)
    again = build_network(name, heads={"fer2013": 7}).eval()
    loaded = load_weights(again, tmp_path / "w.safetensors")
    assert (loaded.fresh, loaded.unused) == ((), ())
    with torch.no_grad():
        assert torch.equal(again(faces())["fer2013"], network(faces())["fer2013"])


@pytest.mark.parametrize("name", NAMES)
def test_enlarging_is_the_networks_own(name: str) -> None:
    """With ``size`` a network enlarges its input by itself: its logits are those of the enlarged picture."""
    torch.manual_seed(0)
    network = build_network(name, heads={"fer2013": 7}, size=64).eval()
    large = nn.functional.interpolate(faces(1), (64, 64), mode="bilinear", align_corners=False)
    with torch.no_grad():
        inside = network(faces(1))
        network.size = 0
        torch.testing.assert_close(inside["fer2013"], network(large)["fer2013"])


def test_the_studys_network_is_exact() -> None:
    """Maps of 24 12 6 3 2 1, 14 convolutions, 2 linear layers, and the order convolution, ReLU, norm."""
    network = build_network("study", heads={"fer2013": 7}).eval()
    sides: dict[str, int] = {}
    for name in ("block1", "block2", "block3", "block4", "conv5", "pool", "conv6"):
        network.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: sides.__setitem__(name, output.shape[-1])
        )
    kinds = layer_names(network)
    assert list(sides.values()) == [24, 12, 6, 3, 2, 1, 1]
    assert kinds.count("Conv2d") == 14
    assert kinds.count("Linear") == 2
    assert kinds[:3] == ["Conv2d", "ReLU", "BatchNorm2d"]
    assert kinds[-4:] == ["Flatten", "Linear", "Dropout", "Linear"]
    first = network.get_submodule("block1.0.0")
    assert isinstance(first, nn.Conv2d)
    assert (first.in_channels, first.out_channels, first.stride, first.bias) == (3, 8, (2, 2), None)
    dropout = network.get_submodule("dropout")
    assert isinstance(dropout, nn.Dropout)
    assert dropout.p == 0.5


def unseen(network: FaceNetwork) -> dict[str, int]:
    """Weights that meet nothing but padding, by the layer's name."""
    card = ModelCard("any", "1", (Head("fer2013", FER2013),), 48, 1, 1, "MIT", "0")
    return {layer.name: layer.unseen for layer in TorchNetwork(network, card).layers if layer.unseen}


def test_the_studys_last_convolution_is_dead() -> None:
    """Eight of its nine taps see only padding: half of the network's parameters, and no picture depends on them."""
    network = build_network("study", heads={"fer2013": 7}).eval()
    assert unseen(network) == {"conv6.0": 8 * 128 * 256}
    with torch.no_grad():
        before = network(faces())["fer2013"].clone()
        weight = network.get_parameter("conv6.0.weight")
        centre = weight[:, :, 1, 1].clone()
        weight.fill_(1e6)
        weight[:, :, 1, 1] = centre
        assert torch.equal(network(faces())["fer2013"], before)


def test_a_network_without_dead_taps() -> None:
    """Where every tap sees a pixel somewhere nothing is counted."""
    assert unseen(build_network("resnet", heads={"fer2013": 7})) == {}


def test_fused_network_gives_the_same_logits() -> None:
    """The re-parameterised stack equals the branches to rounding, is smaller, and leaves the network alone."""
    torch.manual_seed(0)
    network = lived_in(build_network("repvgg", heads=HEADS))
    assert isinstance(network, FaceRepVGG)
    fused = network.fused()
    with torch.no_grad():
        for head, logits in network(faces()).items():
            torch.testing.assert_close(fused(faces())[head], logits, atol=1e-4, rtol=1e-4)
    assert sum(p.numel() for p in fused.parameters()) < sum(p.numel() for p in network.parameters())
    assert set(layer_names(fused)) == {"Conv2d", "ReLU", "Dropout", "Linear"}
    assert len(list(network.stages)) == 8


def test_names_and_arguments_are_checked() -> None:
    """A wrong name is answered with the known ones, a wrong argument with its name; a name is taken once."""
    with pytest.raises(UnknownModelError, match="did you mean 'resnet'"):
        build_network("resnett", heads={"fer2013": 7})
    with pytest.raises(
        ConfigError, match=r"^network 'resnet' has no argument 'widht'; did you mean 'widths'\? known: bl"
    ):
        build_network("resnet", heads={"fer2013": 7}, widht=[3])
    with pytest.raises(ConfigError, match=r"has no argument 'widths'; known: dropout, hidden$"):
        build_network("mobilenet_v2", heads={"fer2013": 7}, widths=[3])
    with pytest.raises(ConfigError, match="size = 7"):
        build_network("resnet", heads={"fer2013": 7}, size=7)
    with pytest.raises(ConfigError, match="at least one head"):
        build_network("study", heads={})
    with pytest.raises(ValueError, match="registered already"):
        register_network("study", FaceRepVGG)


def test_weights_that_do_not_match_are_refused(tmp_path: Path) -> None:
    """Every difference is listed, the file is named, and the network is left as it was."""
    network = build_network("study", heads={"fer2013": 7})
    before = {name: value.clone() for name, value in network.state_dict().items()}
    tensors = dict(before)
    tensors["block1.0.0.weight"] = torch.zeros(8, 1, 3, 3)
    tensors["block9.weight"] = tensors.pop("conv5.0.weight")
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(ModelError) as caught:
        load_weights(network, tmp_path / "other.safetensors")
    message = str(caught.value)
    assert "other.safetensors" in message
    assert "block1.0.0.weight: the network has (8, 3, 3, 3), the file (8, 1, 3, 3)" in message
    assert "conv5.0.weight: not in the file" in message
    assert "block9.weight: not in the network" in message
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_another_head_begins_anew(tmp_path: Path) -> None:
    """Weights of a network with other heads fit: the missing head stays as it was made, the other is not used."""
    source = build_network("resnet", heads={"ferplus": 8})
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    network = build_network("resnet", heads={"fer2013": 7})
    loaded = load_weights(network, tmp_path / "w.safetensors")
    assert loaded.fresh == ("heads.fer2013.weight", "heads.fer2013.bias")
    assert set(loaded.unused) == {"heads.ferplus.weight", "heads.ferplus.bias"}
    assert torch.equal(network.get_parameter("stem.0.weight"), source.get_parameter("stem.0.weight"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("torn.safetensors", b"\x10\x00", "cannot be read"),
        ("torn.pth", b"PK\x03\x04", "cannot be read"),
        ("empty.pth", b"", "damaged, or not a file of tensors alone"),
        ("text.pth", b"these are no weights\n", "damaged, or not a file of tensors alone"),
        ("short.pth", b"\x80\x02\x8a", "damaged, or not a file of tensors alone"),
        ("list.pth", b"\x80\x02K", "damaged, or not a file of tensors alone"),
        ("evil.pth", b"cos\nsystem\n(S'true'\ntR.", "cannot be read"),  # a pickle that would run a command
    ],
)
def test_damaged_weights(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    """A damaged or hostile file is refused by name and runs nothing."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=words) as caught:
        read_tensors(tmp_path / name)
    assert "weights_only" not in str(caught.value)


def test_a_file_of_something_else(tmp_path: Path) -> None:
    """A file that holds no table of tensors is refused, and says what to save."""
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="state_dict"):
        read_tensors(tmp_path / "w.pth")


def test_where_weights_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Published weights come from unmask's folder or PyTorch's cache, only when the checksum is right."""
    monkeypatch.setenv("UNMASK_MODELS", str(tmp_path / "none"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with pytest.raises(ModelError, match="unmask models fetch vgg19-imagenet"):
        find_weights("vgg19-imagenet")
    with pytest.raises(UnknownModelError, match="did you mean 'vgg19-imagenet'"):
        find_weights("vgg19-imagnet")
    with pytest.raises(UnknownModelError, match=r"no weights 'yunet': neither .*known: (?!.*yunet)"):
        find_weights("yunet")
    cached = tmp_path / "torch" / "hub" / "checkpoints" / store.FETCHABLE["vgg19-imagenet"].file_name
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"something else")
    with pytest.raises(ModelError, match="not on this machine"):
        find_weights("vgg19-imagenet")
    with pytest.raises(ModelError, match=r"holds no weights\.safetensors and no model\.onnx"):
        find_weights(tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(
    ("network", "file", "taken"),
    [
        ("vgg19", "vgg19_expanded_from_vgg16_imagenet_fp16.safetensors", 32),
        ("mobilenet_v2", "mobilenet_v2-b0353104.pth", 312),
        ("mobilenet_face", "mobilenet_vggface2_hse.safetensors", 54),
    ],
)
def test_published_weights_fit(data_folder: Path, network: str, file: str, taken: int) -> None:
    """Each published file fills all of its network but neck and heads."""
    built = build_network(network, heads={"fer2013": 7})
    loaded = load_weights(built, data_folder / "weights" / file)
    assert len(loaded.taken) == taken
    assert all(name.startswith(("neck.", "heads.")) or ".norm." in name for name in loaded.fresh)


def test_norms_of_folded_weights() -> None:
    """Settled norms change no answer, also where each batch is normed by itself; those that were loaded stay."""
    torch.manual_seed(0)
    network = build_network("mobilenet_face", heads={"fer2013": 7})
    pixels = 255 * torch.rand(6, 1, 64, 64)
    before = network.eval().features(pixels)
    fresh = [name for name in network.state_dict() if ".norm." in name]
    network.settle(fresh, pixels)
    assert not torch.equal(network.state_dict()["blocks.3.norm.running_mean"], torch.zeros(64))
    torch.testing.assert_close(network.features(pixels), before, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(network.train().features(pixels), before, atol=1e-4, rtol=1e-4)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    network.settle([], pixels)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert network.training


@pytest.mark.data
def test_weights_of_another_depth(data_folder: Path) -> None:
    """VGG-19's weights are not VGG-16's, and the message lists some of the differences and how many more there are."""
    with pytest.raises(ModelError, match=r"features\.19\.weight: the network has \(512, 512, 3, 3\)(.|\n)*more"):
        load_weights(
            build_network("vgg16", heads={"fer2013": 7}),
            data_folder / "weights" / "vgg19_expanded_from_vgg16_imagenet_fp16.safetensors",
        )


@pytest.mark.data
def test_cached_weights_are_taken(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The right file in PyTorch's cache is found by its name here."""
    monkeypatch.setenv("UNMASK_MODELS", str(tmp_path / "none"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / "mobilenet_v2-b0353104.pth"
    cached.parent.mkdir(parents=True)
    cached.symlink_to(data_folder / "weights" / "mobilenet_v2-b0353104.pth")
    assert find_weights("mobilenet_v2-imagenet") == cached


def test_dead_taps_learn_nothing_in_bf16() -> None:
    """What only ever sees padding has no gradient, also where a convolution in bf16 would leave it unwritten."""
    network = build_network("study", heads={"fer2013": 7}).train()
    convolution = network.get_submodule("conv6.0")
    alive = torch.zeros(3, 3, dtype=torch.bool)
    alive[1, 1] = True
    for _ in range(4):
        torch.full((2_000_000,), 1e9)  # memory that comes back with something in it
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(torch.rand(16, 1, 48, 48) * 255)["fer2013"]
        logits.square().sum().backward()
        gradient = convolution.weight.grad
        assert isinstance(gradient, torch.Tensor)
        assert torch.isfinite(gradient).all()
        assert not gradient[:, :, ~alive].any()
        assert gradient[:, :, alive].any()
