"""The arithmetic of a run's matrix products and convolutions."""

import torch
from torch import nn


def set_precision(precision: str) -> None:
    """Make fp32 mean fp32: torch would let cuDNN use TF32 by default. `tf32` allows it everywhere.

    GAM works on differences of close gradients, which lose most of their digits under tf32 and bf16: the
    cosine of h = g1 − g0 to its float64 value was measured at 0.82 to 0.95 under bf16 on CPU. bf16 itself is
    `model_precision`.
    """
    allowed = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cuda.matmul.allow_tf32 = allowed


def model_precision(model: nn.Module, precision: str, device: torch.device) -> nn.Module:
    """The model, its forward pass under autocast for bf16: weights, gradients and losses stay fp32."""
    if precision == "bf16":
        autocast = torch.autocast(device.type, dtype=torch.bfloat16)
        model.forward = autocast(model.forward)
    return model
