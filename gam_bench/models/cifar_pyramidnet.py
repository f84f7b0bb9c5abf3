"""Deep pyramidal residual networks: the width grows by the same step in every block."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gam_bench.models._base import Classifier, conv1x1, conv3x3, he_normal_


class _Block(nn.Module):
    """BN, convolutions with BN and ReLU between them, BN; no ReLU before the first or after the last.

    The shortcut has no parameters: average pooling where the stride is 2, new channels zero.
    """

    def __init__(self, inputs: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        if bottleneck:
            outputs = 4 * width
            convolutions = [conv1x1(inputs, width), conv3x3(width, width, stride), conv1x1(width, outputs)]
        else:
            outputs = width
            convolutions = [conv3x3(inputs, width, stride), conv3x3(width, width)]
        layers: list[nn.Module] = [nn.BatchNorm2d(inputs), convolutions[0]]
        for convolution in convolutions[1:]:
            layers += [nn.BatchNorm2d(width), nn.ReLU(), convolution]
        self.residual = nn.Sequential(*layers, nn.BatchNorm2d(outputs))
        self.stride, self.new_channels = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.avg_pool2d(x, 2, ceil_mode=True) if self.stride == 2 else x
        out: Tensor = self.residual(x) + F.pad(shortcut, (0, 0, 0, 0, 0, self.new_channels))
        return out


class PyramidNet(Classifier):
    """PyramidNet-`depth` with widening `alpha`: block k of 3n has width round(16 + k·alpha/3n).

    n = (depth − 2)/9 with bottleneck blocks (four times as wide at their ends), else (depth − 2)/6.
    Convolutions start from N(0, 2/fan_out), as in the original.
    """

    def __init__(
        self, depth: int, alpha: float, bottleneck: bool, num_classes: int = 10, in_chans: int = 3
    ) -> None:
        super().__init__()
        count = (depth - 2) // (9 if bottleneck else 6)
        self.stem = nn.Sequential(conv3x3(in_chans, 16), nn.BatchNorm2d(16))
        inputs, target, layers = 16, 16.0, []
        for index in range(3 * count):
            target += alpha / (3 * count)  # a running sum, as in the released codes, for equal rounding
            width = round(target)
            stride = 2 if index in (count, 2 * count) else 1
            layers.append(_Block(inputs, width, stride, bottleneck))
            inputs = 4 * width if bottleneck else width
        self.blocks = nn.Sequential(*layers)
        self.bn = nn.BatchNorm2d(inputs)
        self.num_features = inputs
        he_normal_(self, "fan_out")
        self.reset_classifier(num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.blocks(self.stem(x))))
