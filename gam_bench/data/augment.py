"""Augmentation of whole batches: uint8 images (N, H, W, C), each varied by its own draw.

A step draws for a whole epoch at once, on the CPU, from the epoch's generator: a dictionary of tensors whose
first dimension counts the images. So the same images come out on every device, at every batch size, for every
number of processes. Given the draws, a step is exact: equal, bit for bit, to the operation image by image.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

Draws = dict[str, Tensor]


class Step(Protocol):
    """`draw` for `count` images on the CPU; `apply` the draws to as many images, on any device."""

    def draw(self, count: int, generator: Generator) -> Draws: ...

    def apply(self, images: Tensor, draws: Draws) -> Tensor: ...


@dataclass(frozen=True)
class CropAndMirror:
    """Add `padding` zeros on each side, crop to the old size at a random place, mirror every second image.

    For uint8 (N, H, W, C). Which images are mirrored is drawn too; with `mirror` false none are.
    """

    padding: int
    mirror: bool = True

    def draw(self, count: int, generator: Generator) -> Draws:
        """top, left: (count,) int64 in [0, 2·padding]; mirrored: (count,) bool."""
        top = torch.randint(2 * self.padding + 1, (count,), generator=generator)
        left = torch.randint(2 * self.padding + 1, (count,), generator=generator)
        mirrored = torch.rand(count, generator=generator) < 0.5
        return {"top": top, "left": left, "mirrored": mirrored & self.mirror}

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """Copy whole rows out of the padded images, which is several times faster than gathering pixels.

        The mirrored images stand behind the others, so that a row of either is a run of memory. A crop lies
        as far from the left edge as its mirror image from the right.
        """
        count, height, width, channels = images.shape
        padding, device = self.padding, images.device
        top, left, mirrored = (
            draws[name].to(device, non_blocking=True) for name in ("top", "left", "mirrored")
        )
        both = torch.cat([images, images.flip(2)]) if self.mirror else images
        padded = F.pad(both, (0, 0, padding, padding, padding, padding))
        high, wide = padded.shape[1:3]

        source = torch.arange(count, device=device) + mirrored * count
        left = torch.where(mirrored, 2 * padding - left, left)
        row = torch.arange(height, device=device)
        first_pixel = ((source * high + top)[:, None] + row) * wide + left[:, None]

        starts = len(both) * high * wide - width + 1
        runs = padded.as_strided(
            (starts, width * channels), (channels, 1)
        )  # one from every pixel, overlapping
        return runs.index_select(0, first_pixel.flatten()).view(images.shape)


@dataclass(frozen=True)
class Cutout:
    """Zero a square of `size` pixels about a random pixel, as far as it lies in the image.

    For normalised images (N, C, H, W), where zero is the mean colour (DeVries and Taylor, arXiv 1708.04552).
    """

    size: int
    image_size: int

    def draw(self, count: int, generator: Generator) -> Draws:
        """centre_y, centre_x: (count,) int64 in [0, image_size)."""
        centre_y, centre_x = torch.randint(self.image_size, (2, count), generator=generator)
        return {"centre_y": centre_y, "centre_x": centre_x}

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """Changes `images` in place where their memory is in channels-last order, as Normalise leaves it."""
        count, channels, height, width = images.shape
        inside_y = self._inside(draws["centre_y"], images.device)
        inside_x = self._inside(draws["centre_x"], images.device).repeat_interleave(channels, dim=1)
        rows = images.permute(0, 2, 3, 1).reshape(count, height, width * channels)
        rows.masked_fill_(inside_y[:, :, None] & inside_x[:, None, :], 0.0)
        return rows.view(count, height, width, channels).permute(0, 3, 1, 2)

    def _inside(self, centre: Tensor, device: torch.device) -> Tensor:
        """Which rows (or columns) the square covers: (N, image_size) bool."""
        first = centre.to(device, non_blocking=True)[:, None] - self.size // 2
        pixel = torch.arange(self.image_size, device=device)
        return (pixel >= first) & (pixel < first + self.size)


class Normalise:
    """uint8 (N, H, W, C) to float32 (N, C, H, W) in channels-last order: (pixel/255 − mean)/std.

    The same three roundings as torchvision's ToTensor and Normalize, so the results are equal bit for bit.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> None:
        self.mean = torch.tensor(mean, device=device)
        self.std = torch.tensor(std, device=device)

    def __call__(self, images: Tensor) -> Tensor:
        count, height, width, channels = images.shape
        # Long rows vectorise, pixels of three numbers do not.
        rows = images.reshape(count, height, width * channels).to(torch.float32)
        rows.div_(255).sub_(self.mean.repeat(width)).div_(self.std.repeat(width))
        return rows.view(count, height, width, channels).permute(0, 3, 1, 2)
