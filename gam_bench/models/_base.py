"""What all our image classifiers share: timm's interface for features and head."""

from typing import Literal

from torch import Tensor, nn


class Classifier(nn.Module):
    """An image classifier: `forward_features` gives feature maps, the head pools them and ends in `fc`.

    A subclass sets `num_classes`, `num_features` and `fc`, and defines `forward_features`.
    """

    num_classes: int
    num_features: int
    fc: nn.Module

    def forward_features(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to feature maps (N, num_features, h, w)."""
        raise NotImplementedError

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Feature maps to logits (N, num_classes), or to the pooled features (N, num_features)."""
        x = x.mean(dim=(2, 3))
        return x if pre_logits else self.fc(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def get_classifier(self) -> nn.Module:
        return self.fc

    def reset_classifier(self, num_classes: int) -> None:
        """A fresh last layer for `num_classes` classes; with 0 the model returns pooled features."""
        self.num_classes = num_classes
        self.fc = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


def conv1x1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)


def he_normal_(module: nn.Module, mode: Literal["fan_in", "fan_out"]) -> None:
    """He et al. 2015 (arXiv 1502.01852): draw the weights of every convolution from N(0, 2/fan)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
