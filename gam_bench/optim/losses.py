"""Label smoothing as SAM's and GAM's released code has it, through torch's cross-entropy."""

import torch.nn.functional as F
from torch import Tensor

from gam_bench.errors import UserError


def torch_label_smoothing(smoothing: float, classes: int) -> float:
    """The `label_smoothing` of torch that has the targets of `smoothing` spread over the K−1 wrong classes.

    It is s·K/(K−1), since torch spreads over all K classes: 0.1 becomes 0.111… for K = 10.
    Raises UserError where it would have to be above 1.
    """
    converted = smoothing * classes / (classes - 1) if classes > 1 else -1.0
    if not 0 <= converted <= 1:
        raise UserError(f"smoothing must be between 0 and (K−1)/K for K = {classes} classes, got {smoothing}")
    return converted


def smooth_crossentropy(predictions: Tensor, targets: Tensor, smoothing: float = 0.1) -> Tensor:
    """Mean cross-entropy against 1−s on the target class and s/(K−1) on each other.

    predictions: logits, (batch, K). targets: class indices, (batch,).
    The released code reports the Kullback-Leibler divergence, which is smaller by a constant, the targets'
    entropy; the gradients are the same.
    """
    return F.cross_entropy(
        predictions, targets, label_smoothing=torch_label_smoothing(smoothing, predictions.shape[1])
    )
