"""Models for small images and short runs."""

import torch
from torch import Tensor, nn

from gam_bench.models._base import Classifier, conv1x1, conv3x3, he_normal_


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv3x3(outputs, outputs), nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(conv1x1(inputs, outputs, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class SmallCNN(Classifier):
    """Stem of width 8, then residual blocks of widths 8, 16 and 32, the last two of stride 2.

    About 20,000 parameters; takes any image size from 4×4 up.
    """

    def __init__(self, num_classes: int = 10, in_chans: int = 3) -> None:
        super().__init__()
        self.num_features = 32
        self.stem = nn.Sequential(conv3x3(in_chans, 8), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.Sequential(_Block(8, 8, 1), _Block(8, 16, 2), _Block(16, 32, 2))
        he_normal_(self, "fan_out")
        self.reset_classifier(num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        return self.blocks(self.stem(x))


class MLP(Classifier):
    """Two hidden layers of `width` ReLU units on the flattened image of `image_size`² pixels."""

    def __init__(
        self, num_classes: int = 10, in_chans: int = 3, image_size: int = 8, width: int = 128
    ) -> None:
        super().__init__()
        self.num_features = width
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(in_chans * image_size**2, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Unflatten(1, (width, 1, 1)),
        )
        self.reset_classifier(num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out
