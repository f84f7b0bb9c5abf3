"""Residual networks for 32×32 images."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gam_bench.models._base import Classifier, conv1x1, conv3x3, he_normal_


class BasicBlock(nn.Module):
    """Two 3×3 convolutions; a 1×1 convolution on the shortcut where the shape changes."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inputs, width, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv3x3(width, width), nn.BatchNorm2d(width)
        self.shortcut = _projection(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Bottleneck(nn.Module):
    """1×1, 3×3 (with the stride) and 1×1 convolutions, four times as wide at the end."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1, self.bn1 = conv1x1(inputs, width), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv3x3(width, width, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = conv1x1(width, outputs), nn.BatchNorm2d(outputs)
        self.shortcut = _projection(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + self.shortcut(x))


def _projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(conv1x1(inputs, outputs, stride), nn.BatchNorm2d(outputs))


class ResNet(Classifier):
    """The ImageNet ResNet with a 3×3 stem of stride 1 and no max-pooling.

    Initialised by PyTorch's defaults, as in the released GAM code.
    """

    def __init__(self, block: str, blocks: tuple[int, ...], num_classes: int = 10, in_chans: int = 3) -> None:
        super().__init__()
        kind: type[BasicBlock | Bottleneck] = BasicBlock if block == "basic" else Bottleneck
        self.conv1, self.bn1 = conv3x3(in_chans, 64), nn.BatchNorm2d(64)
        inputs, stages = 64, []
        for stage, count in enumerate(blocks):
            width, layers = 64 * 2**stage, []
            for index in range(count):
                layers.append(kind(inputs, width, stride=2 if stage and not index else 1))
                inputs = width * kind.expansion
            stages.append(nn.Sequential(*layers))
        self.stages = nn.Sequential(*stages)
        self.num_features = inputs
        self.reset_classifier(num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        out: Tensor = self.stages(torch.relu(self.bn1(self.conv1(x))))
        return out


class ThinBlock(nn.Module):
    """Two 3×3 convolutions; the shortcut has no parameters: every second pixel, zeros as new channels."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inputs, width, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv3x3(width, width), nn.BatchNorm2d(width)
        self.stride, self.new_channels = stride, width - inputs

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))
        return torch.relu(self.bn2(self.conv2(y)) + shortcut)


class ThinResNet(Classifier):
    """Depth 6n+2: n blocks of each of the widths 16, 32 and 64 (He et al. 2016, section 4.2).

    Weights from N(0, 2/fan_in), shortcuts of kind A.
    """

    def __init__(self, depth: int, num_classes: int = 10, in_chans: int = 3) -> None:
        super().__init__()
        count = (depth - 2) // 6
        self.conv1, self.bn1 = conv3x3(in_chans, 16), nn.BatchNorm2d(16)
        inputs, layers = 16, []
        for width in (16, 32, 64):
            for _ in range(count):
                layers.append(ThinBlock(inputs, width, stride=1 if inputs == width else 2))
                inputs = width
        self.blocks = nn.Sequential(*layers)
        self.num_features = inputs
        he_normal_(self, "fan_in")
        self.reset_classifier(num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        out: Tensor = self.blocks(torch.relu(self.bn1(self.conv1(x))))
        return out
