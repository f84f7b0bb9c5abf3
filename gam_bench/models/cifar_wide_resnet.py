"""Wide residual networks."""

import torch
from torch import Tensor, nn

from gam_bench.models._base import Classifier, conv1x1, conv3x3, he_normal_


class _Block(nn.Module):
    """Pre-activation block; where the width changes, the shortcut too starts from the activated input."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv3x3(inputs, outputs, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), conv3x3(outputs, outputs)
        self.projection = conv1x1(inputs, outputs, stride) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        activated = torch.relu(self.bn1(x))
        shortcut = x if self.projection is None else self.projection(activated)
        out: Tensor = self.conv2(torch.relu(self.bn2(self.conv1(activated)))) + shortcut
        return out


class WideResNet(Classifier):
    """WRN-`depth`-`widen`: (depth − 4)/6 blocks in each of three stages of widths 16, 32, 64 times `widen`.

    Initialised as the original: convolutions from N(0, 2/fan_out), the last layer's bias zero.
    """

    def __init__(self, depth: int, widen: int, num_classes: int = 10, in_chans: int = 3) -> None:
        super().__init__()
        count = (depth - 4) // 6
        self.stem = conv3x3(in_chans, 16)
        inputs, layers = 16, []
        for stage, width in enumerate((16 * widen, 32 * widen, 64 * widen)):
            for index in range(count):
                layers.append(_Block(inputs, width, stride=2 if stage and not index else 1))
                inputs = width
        self.blocks = nn.Sequential(*layers)
        self.bn = nn.BatchNorm2d(inputs)
        self.num_features = inputs
        he_normal_(self, "fan_out")
        self.reset_classifier(num_classes)

    def reset_classifier(self, num_classes: int) -> None:
        super().reset_classifier(num_classes)
        if isinstance(self.fc, nn.Linear):
            nn.init.zeros_(self.fc.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.blocks(self.stem(x))))
