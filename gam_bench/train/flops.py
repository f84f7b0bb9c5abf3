"""The arithmetic of a pass, by torch's own counter."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def forward_backward_flops(
    model: nn.Module, loss_fn: Callable[[Tensor, Tensor], Tensor], images: Tensor, labels: Tensor
) -> float:
    """Floating-point operations of one forward and backward pass, an image.

    Matrix products and convolutions, a product and a sum counted as two, as torch counts them; elementwise
    operations are left out. The model's gradients are cleared; call it when the run is over.
    """
    model.eval()
    with FlopCounterMode(display=False) as counter:
        loss_fn(model(images), labels).backward()
    model.zero_grad()
    return float(counter.get_total_flops()) / len(images)
