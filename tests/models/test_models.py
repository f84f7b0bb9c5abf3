"""What holds for every model of ours; parameter counts by closed forms; the way into timm's registry."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from gam_bench import models
from gam_bench.errors import UserError
from gam_bench.models.catalog import MODELS, names, timm_names

NAMES = list(MODELS)
QUICK = [name for name, entry in MODELS.items() if entry.parameters < 2_000_000]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def on_meta(name: str, num_classes: int = 10, in_chans: int = 3) -> nn.Module:
    """The model without memory or initialisation, at once even for the largest."""
    with torch.device("meta"):
        return models.create(name, num_classes, in_chans)


def resnet_parameters(bottleneck: bool, blocks: tuple[int, ...], classes: int) -> int:
    """Sums over the layers: a convolution k²·in·out, a BatchNorm 2·width, the last layer (in + 1)·classes."""
    total, inputs = 27 * 64 + 2 * 64, 64
    for stage, depth in enumerate(blocks):
        width = 64 << stage
        outputs = 4 * width if bottleneck else width
        for _ in range(depth):
            if bottleneck:
                total += inputs * width + 9 * width**2 + width * outputs + 4 * width + 2 * outputs
            else:
                total += 9 * inputs * width + 9 * width**2 + 4 * width
            if inputs != outputs:
                total += inputs * outputs + 2 * outputs
            inputs = outputs
    return total + (inputs + 1) * classes


def wide_resnet_parameters(depth: int, widen: int, classes: int) -> int:
    total, inputs = 27 * 16, 16
    for width in (16 * widen, 32 * widen, 64 * widen):
        for _ in range((depth - 4) // 6):
            total += 2 * inputs + 9 * inputs * width + 2 * width + 9 * width**2
            total += inputs * width if inputs != width else 0
            inputs = width
    return total + 2 * inputs + (inputs + 1) * classes


def pyramidnet_parameters(depth: int, alpha: int, bottleneck: bool, classes: int) -> int:
    blocks = 3 * ((depth - 2) // (9 if bottleneck else 6))
    total, inputs = 27 * 16 + 2 * 16, 16
    for number in range(1, blocks + 1):
        width = round(16 + number * alpha / blocks)
        if bottleneck:
            total += (
                2 * inputs + inputs * width + 2 * width + 9 * width**2 + 2 * width + 4 * width**2 + 8 * width
            )
            inputs = 4 * width
        else:
            total += 2 * inputs + 9 * inputs * width + 2 * width + 9 * width**2 + 2 * width
            inputs = width
    return total + 2 * inputs + (inputs + 1) * classes


def thin_resnet_parameters(n: int, classes: int) -> int:
    total, inputs = 27 * 16 + 2 * 16, 16
    for width in (16, 32, 64):
        for _ in range(n):
            total += 9 * inputs * width + 9 * width**2 + 4 * width
            inputs = width
    return total + (inputs + 1) * classes


CLOSED_FORMS = {
    "resnet18_cifar": lambda k: resnet_parameters(False, (2, 2, 2, 2), k),
    "resnet34_cifar": lambda k: resnet_parameters(False, (3, 4, 6, 3), k),
    "resnet50_cifar": lambda k: resnet_parameters(True, (3, 4, 6, 3), k),
    "resnet101_cifar": lambda k: resnet_parameters(True, (3, 4, 23, 3), k),
    "resnet152_cifar": lambda k: resnet_parameters(True, (3, 8, 36, 3), k),
    "wrn28_2": lambda k: wide_resnet_parameters(28, 2, k),
    "wrn28_10": lambda k: wide_resnet_parameters(28, 10, k),
    "wrn16_8": lambda k: wide_resnet_parameters(16, 8, k),
    "pyramidnet110_a270": lambda k: pyramidnet_parameters(110, 270, False, k),
    "pyramidnet110_a270_bottleneck": lambda k: pyramidnet_parameters(110, 270, True, k),
    "pyramidnet272_a200_bottleneck": lambda k: pyramidnet_parameters(272, 200, True, k),
    "resnet32_cifar": lambda k: thin_resnet_parameters(5, k),
    "cnn20k": lambda k: (
        88 + 1184 + (1152 + 2304 + 64 + 128 + 32) + (4608 + 9216 + 128 + 512 + 64) + 33 * k + 144
    ),
    "mlp": lambda k: 3 * 64 * 128 + 128 + 128 * 128 + 128 + 129 * k,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [10, 100])
def test_parameters_are_the_closed_form(name, classes):
    assert count(on_meta(name, classes)) == CLOSED_FORMS[name](classes)


@pytest.mark.parametrize("name", NAMES)
def test_the_catalogue_tells_the_number_of_parameters(name):
    assert MODELS[name].name == name
    assert MODELS[name].parameters == CLOSED_FORMS[name](10)
    assert MODELS[name].description
    assert MODELS[name].source


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("resnet18_cifar", 11_173_962),
        ("wrn28_10", 36_479_194),
        ("resnet32_cifar", 464_154),
        ("wrn28_2", 1_467_610),
    ],
)
def test_parameters_are_those_others_count(name, published):
    assert count(on_meta(name)) == published


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_as_in_timm(name):
    model = on_meta(name, num_classes=7, in_chans=1)
    size = MODELS[name].image_size
    images = torch.empty(2, 1, size, size, device="meta")
    features = model.forward_features(images)
    if size == 32:  # four stages leave 4 pixels of 32, as three leave 8
        four_stages = name.startswith("resnet") and name != "resnet32_cifar"
        assert features.shape[2:] == ((4, 4) if four_stages else (8, 8))
    assert features.shape[:2] == (2, model.num_features)
    assert model.forward_head(features, pre_logits=True).shape == (2, model.num_features)
    assert model(images).shape == (2, 7)
    assert model.num_classes == model.get_classifier().out_features == 7
    with torch.device("meta"):
        model.reset_classifier(5)
    assert model.forward_head(features).shape == (2, 5)
    model.reset_classifier(0)
    assert model.forward_head(features).shape == (2, model.num_features)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_parameter_and_training_moves_every_statistic(name):
    """One small forward and backward pass; for the large ones 8-pixel images keep it to seconds."""
    torch.manual_seed(0)
    model = models.create(name, 10, 3, 8)
    model(torch.randn(4, 3, 8, 8)).square().mean().backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any(), parameter_name
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.num_batches_tracked == 1
            assert layer.running_mean.any()


@pytest.mark.parametrize("name", QUICK)
def test_a_model_is_a_function_of_torchs_seed_and_of_each_image(name):
    built = []
    for _ in range(2):
        torch.manual_seed(3)
        built.append(models.create(name, 10, 3, 8).eval())
    images = torch.randn(3, 3, 8, 8)
    assert torch.equal(built[0](images), built[1](images))
    assert torch.allclose(built[0](images)[1:], built[0](images[1:]), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "std"),
    [
        ("wrn28_2", lambda layer: (2 / (layer.out_channels * layer.kernel_size[0] ** 2)) ** 0.5),
        ("cnn20k", lambda layer: (2 / (layer.out_channels * layer.kernel_size[0] ** 2)) ** 0.5),
        ("resnet32_cifar", lambda layer: (2 / (layer.in_channels * layer.kernel_size[0] ** 2)) ** 0.5),
        ("resnet18_cifar", lambda layer: (1 / (3 * layer.in_channels * layer.kernel_size[0] ** 2)) ** 0.5),
    ],
)
def test_convolutions_start_as_in_the_original(name, std):
    torch.manual_seed(0)
    model = models.create(name, 10)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 1000:
            assert layer.weight.std().item() == pytest.approx(std(layer), rel=0.1)
            assert abs(layer.weight.mean().item()) < 5 * std(layer) / layer.weight.numel() ** 0.5
        if isinstance(layer, nn.BatchNorm2d):
            assert (layer.weight == 1).all()
            assert (layer.bias == 0).all()


def test_pyramidnets_shortcut_adds_zeros_for_new_channels():
    from gam_bench.models.cifar_pyramidnet import _Block

    block = _Block(4, 6, stride=2, bottleneck=False)
    for parameter in block.residual[-1].parameters():
        nn.init.zeros_(parameter)  # leaves only the shortcut
    images = torch.randn(1, 4, 8, 8)
    shortcut = block(images)
    assert torch.equal(shortcut[:, :4], nn.functional.avg_pool2d(images, 2))
    assert not shortcut[:, 4:].any()


def test_the_thin_resnets_shortcut_takes_every_second_pixel():
    from gam_bench.models.cifar_resnet import ThinBlock

    block = ThinBlock(4, 8, stride=2)
    nn.init.zeros_(block.bn2.weight)
    images = torch.rand(1, 4, 8, 8)
    shortcut = block(images)
    assert torch.equal(shortcut[:, :4], images[:, :, ::2, ::2])
    assert not shortcut[:, 4:].any()


def test_image_size_reaches_the_models_that_need_it():
    assert models.create("mlp", 10, 1, 28)(torch.randn(2, 1, 28, 28)).shape == (2, 10)
    assert models.create("vit_tiny_patch16_224", 10, 3, 32)(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert models.create("test_resnet", 10, 1, 32)(torch.randn(2, 1, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("resnet18_cifra", {}, "did you mean 'resnet18_cifar'"),
        ("vit_base_patch32_242", {}, "did you mean 'vit_base_patch32_224'"),
        ("cnn20k", {"pretrained": True}, "no pretrained weights"),
        ("mlp", {"widht": 3}, "did you mean 'width'"),
        ("test_resnet", {"drop_raet": 0.1}, "drop_raet"),
    ],
)
def test_mistakes_are_refused_in_one_line(name, settings, message):
    with pytest.raises(UserError, match=message) as error:
        models.create(name, 10, **settings)
    assert "\n" not in str(error.value)


def test_the_quickstarts_cnn_has_the_names_and_weights_it_always_had():
    """Old checkpoints load, and a seed's weights are the same, but for how a CPU rounds."""
    torch.manual_seed(3)
    state = models.create("cnn20k", 10, 1).state_dict()
    places = ("0", "1", "2")
    assert [name for name in state if name.endswith("conv2.weight")] == [
        f"blocks.{place}.conv2.weight" for place in places
    ]
    assert [name for name in state if name.endswith("shortcut.0.weight")] == [
        f"blocks.{place}.shortcut.0.weight" for place in places[1:]
    ]
    values = torch.cat([value.double().flatten() for value in state.values()])
    assert float(values @ torch.arange(len(values)).double().cos()) == pytest.approx(
        -10.431834903355018, rel=1e-5
    )


def run_python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_names_are_exactly_timms_after_registration():
    import timm

    models.register_with_timm()
    assert sorted(names()) == sorted(timm.list_models())
    assert not set(MODELS) & set(timm_names())


@pytest.mark.parametrize(
    "imports",
    [
        "import timm, gam_bench.models",
        "import gam_bench.models, timm; gam_bench.models.register_with_timm()",
        "import timm, gam_bench.models as ours; ours.register_with_timm(); ours.register_with_timm()",
    ],
)
def test_timm_creates_our_models(imports):
    code = f"""{imports}
model = timm.create_model("resnet32_cifar", num_classes=100, in_chans=1)
print(model.conv1.in_channels, model.get_classifier().out_features, "wrn28_10" in timm.list_models("wrn*"))"""
    assert run_python(code) == "1 100 True"


def test_the_catalogue_leaves_python_s_imports_alone():
    code = """import sys
before = list(sys.meta_path)
import gam_bench.suite.spec, gam_bench.models
print(sys.meta_path == before, "timm" in sys.modules)"""
    assert run_python(code) == "True False"


def test_our_models_need_neither_timm_nor_torchvision():
    code = """import sys, gam_bench.models.catalog as catalog
catalog.names()
assert "torch" not in sys.modules
import gam_bench.models
gam_bench.models.create("cnn20k", 10, 1)
print([name for name in ("timm", "torchvision") if name in sys.modules])"""
    assert run_python(code) == "[]"
