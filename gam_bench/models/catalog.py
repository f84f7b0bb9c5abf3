"""The models: ours, one entry each, and the names of timm's. Imports neither torch nor timm."""

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Model:
    """One of our own models.

    `parameters` is the number of trainable parameters with 10 classes and 3 input channels; `source` is the
    paper or code whose architecture and initialisation it follows.
    """

    name: str
    description: str
    parameters: int
    build: str  # "module:class"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    image_size: int = 32
    source: str = ""


def _cifar_resnet(depth: int, block: str, blocks: tuple[int, ...], parameters: int) -> Model:
    return Model(
        name=f"resnet{depth}_cifar",
        description=f"ResNet-{depth} with a 3×3 stem and no pooling after it, widths 64 to 512",
        parameters=parameters,
        build="gam_bench.models.cifar_resnet:ResNet",
        arguments={"block": block, "blocks": blocks},
        source="He et al. 2016 (arXiv 1512.03385) in the CIFAR form of the released GAM code",
    )


def _wide_resnet(depth: int, widen: int, parameters: int) -> Model:
    return Model(
        name=f"wrn{depth}_{widen}",
        description=f"Wide ResNet {depth}-{widen}, without dropout",
        parameters=parameters,
        build="gam_bench.models.cifar_wide_resnet:WideResNet",
        arguments={"depth": depth, "widen": widen},
        source="Zagoruyko and Komodakis 2016 (arXiv 1605.07146)",
    )


def _pyramidnet(depth: int, alpha: int, bottleneck: bool, parameters: int) -> Model:
    return Model(
        name=f"pyramidnet{depth}_a{alpha}" + ("_bottleneck" if bottleneck else ""),
        description=f"PyramidNet-{depth}, α = {alpha}, {'bottleneck' if bottleneck else 'basic'} blocks",
        parameters=parameters,
        build="gam_bench.models.cifar_pyramidnet:PyramidNet",
        arguments={"depth": depth, "alpha": alpha, "bottleneck": bottleneck},
        source="Han et al. 2017 (arXiv 1610.02915), widths rounded as in the released GAM and SAM codes",
    )


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        _cifar_resnet(18, "basic", (2, 2, 2, 2), 11_173_962),
        _cifar_resnet(34, "basic", (3, 4, 6, 3), 21_282_122),
        _cifar_resnet(50, "bottleneck", (3, 4, 6, 3), 23_520_842),
        _cifar_resnet(101, "bottleneck", (3, 4, 23, 3), 42_512_970),
        _cifar_resnet(152, "bottleneck", (3, 8, 36, 3), 58_156_618),
        _wide_resnet(28, 2, 1_467_610),
        _wide_resnet(28, 10, 36_479_194),
        _wide_resnet(16, 8, 10_961_370),
        _pyramidnet(110, 270, False, 28_485_477),
        _pyramidnet(110, 270, True, 18_323_787),
        _pyramidnet(272, 200, True, 26_210_842),
        Model(
            name="resnet32_cifar",
            description="ResNet-32 of the thin 6n+2 family, widths 16 to 64, parameter-free shortcuts",
            parameters=464_154,
            build="gam_bench.models.cifar_resnet:ThinResNet",
            arguments={"depth": 32},
            source="He et al. 2016 (arXiv 1512.03385), section 4.2, shortcuts of kind A",
        ),
        Model(
            name="cnn20k",
            description="a residual CNN of three blocks, widths 8, 16, 32, for runs of seconds on a laptop",
            parameters=19_954,
            build="gam_bench.models.small:SmallCNN",
            image_size=8,
            source="this project",
        ),
        Model(
            name="mlp",
            description="two hidden layers of 128 units on the flattened image, no normalisation",
            parameters=42_506,
            build="gam_bench.models.small:MLP",
            image_size=8,
            source="this project",
        ),
    )
}


@cache
def timm_names() -> tuple[str, ...]:
    """The names of timm's models, read from its source files, since importing timm takes seconds."""
    spec = importlib.util.find_spec("timm")
    if spec is None or spec.origin is None:
        return ()
    names: set[str] = set()
    for file in (Path(spec.origin).parent / "models").glob("*.py"):
        names.update(
            re.findall(r"^@register_model\s+def (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        )
    return tuple(sorted(names))


def names() -> list[str]:
    """Every name that `gam_bench.models.create` takes: ours first, then timm's."""
    return [*MODELS, *timm_names()]
