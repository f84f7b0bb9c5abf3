"""AutoAugment and RandAugment of whole batches, by torchvision's own operations.

torchvision's transforms draw one set of operations for a whole batch, which is not what these methods are.
Here every image has its own draw, and those with the same operation and magnitude go through it together.
"""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torchvision.transforms import AutoAugment, AutoAugmentPolicy, InterpolationMode, RandAugment
from torchvision.transforms.autoaugment import _apply_op
from torchvision.transforms.v2.functional import equalize_image

from gam_bench.data.augment import Draws

Operation = tuple[str, float]  # torchvision's name and its signed magnitude

_UNCHANGED: Operation = ("Identity", 0.0)


def _vary(images: Tensor, name: str, magnitude: float) -> Tensor:
    """One operation on uint8 (N, C, H, W)."""
    if name == "Equalize":  # equal to the one that _apply_op calls, but without its loop over the images
        out: Tensor = equalize_image(images)
    else:
        out = _apply_op(images, name, magnitude, InterpolationMode.NEAREST, None)
    return out


class Policy:
    """Applies to each image, one after another, the operations whose numbers it drew."""

    def __init__(self) -> None:
        self.operations: list[Operation] = [_UNCHANGED]

    def _number(self, operation: Operation) -> int:
        if operation not in self.operations:
            self.operations.append(operation)
        return self.operations.index(operation)

    def draw(self, count: int, generator: Generator) -> Draws:
        """operation: (count, operations an image) int64, positions in `self.operations`."""
        raise NotImplementedError

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        images = images.permute(0, 3, 1, 2).clone(memory_format=torch.contiguous_format)
        for column in draws["operation"].unbind(1):
            for number in column.unique().tolist():
                name, magnitude = self.operations[number]
                if name != "Identity":
                    group = (column == number).nonzero()[:, 0].to(images.device, non_blocking=True)
                    images.index_copy_(0, group, _vary(images.index_select(0, group), name, magnitude))
        return images.permute(0, 2, 3, 1)


class BatchRandAugment(Policy):
    """`count` operations an image out of torchvision's 14, all of `magnitude` (of 30), signs at random.

    Cubuk et al. 2020 (arXiv 1909.13719).
    """

    def __init__(self, count: int, magnitude: int, image_size: int) -> None:
        super().__init__()
        self.count = count
        space = RandAugment()._augmentation_space(31, (image_size, image_size))
        rows = []
        for name, (magnitudes, signed) in space.items():
            size = float(magnitudes[magnitude]) if magnitudes.ndim else 0.0
            plus = self._number((name, size))
            rows.append((plus, self._number((name, -size)) if signed else plus))
        self.table = torch.tensor(rows)  # (operations, sign)

    def draw(self, count: int, generator: Generator) -> Draws:
        operation = torch.randint(len(self.table), (count, self.count), generator=generator)
        sign = torch.randint(2, (count, self.count), generator=generator)
        return {"operation": self.table[operation, sign]}


class BatchAutoAugment(Policy):
    """One of 25 pairs of operations found for `policy` (cifar10, imagenet, svhn), each with its probability.

    Cubuk et al. 2019 (arXiv 1805.09501).
    """

    def __init__(self, policy: str, image_size: int) -> None:
        super().__init__()
        reference = AutoAugment(AutoAugmentPolicy(policy))
        space = reference._augmentation_space(10, (image_size, image_size))
        numbers, probabilities = [], []
        for pair in reference.policies:
            numbers.append([self._signed(space, name, level) for name, _, level in pair])
            probabilities.append([probability for _, probability, _ in pair])
        self.table = torch.tensor(numbers)  # (policy, first or second, sign)
        self.probabilities = torch.tensor(probabilities)  # (policy, first or second)

    def _signed(self, space: dict[str, tuple[Tensor, bool]], name: str, level: int | None) -> Sequence[int]:
        magnitudes, signed = space[name]
        size = 0.0 if level is None else float(magnitudes[level])
        return self._number((name, -size if signed else size)), self._number((name, size))

    def draw(self, count: int, generator: Generator) -> Draws:
        policy = torch.randint(len(self.table), (count,), generator=generator)
        chance = torch.rand(count, 2, generator=generator)
        sign = torch.randint(2, (count, 2), generator=generator)
        operation = self.table[policy[:, None], torch.arange(2), sign]
        return {"operation": operation.where(chance <= self.probabilities[policy], 0)}
