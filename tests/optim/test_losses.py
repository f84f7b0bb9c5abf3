"""Label smoothing over the K−1 wrong classes, and torch's."""

import pytest
import torch
from torch import Tensor

from gam_bench.errors import UserError
from gam_bench.optim import smooth_crossentropy, torch_label_smoothing


def released_code(predictions: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Kullback-Leibler divergence from 1−s on the target and s/(K−1) on each other class, batch mean."""
    k = predictions.shape[1]
    wanted = torch.full_like(predictions, smoothing / (k - 1))
    wanted[torch.arange(len(targets)), targets] = 1 - smoothing
    return torch.nn.functional.kl_div(predictions.log_softmax(1), wanted, reduction="batchmean")


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("smoothing", [0.1, 0.4])
def test_gradients_are_the_released_codes_and_values_differ_by_the_targets_entropy(classes, smoothing):
    torch.manual_seed(0)
    logits = torch.randn(7, classes, dtype=torch.float64, requires_grad=True)
    targets = torch.arange(7) % classes
    ours, theirs = smooth_crossentropy(logits, targets, smoothing), released_code(logits, targets, smoothing)
    (g1,), (g2,) = torch.autograd.grad(ours, logits), torch.autograd.grad(theirs, logits)
    torch.testing.assert_close(g1, g2, rtol=1e-12, atol=1e-15)
    s = torch.tensor(smoothing, dtype=torch.float64)
    entropy = -(1 - s) * (1 - s).log() - s * (s / (classes - 1)).log()
    torch.testing.assert_close(ours - theirs, entropy)


def test_the_conversion():
    assert torch_label_smoothing(0.1, 10) == pytest.approx(0.1111, abs=1e-4)
    assert torch_label_smoothing(0.1, 100) == pytest.approx(0.1 * 100 / 99)
    assert torch_label_smoothing(0.0, 10) == 0.0
    assert torch_label_smoothing(0.9, 10) == pytest.approx(1.0)


@pytest.mark.parametrize(("smoothing", "classes"), [(0.95, 10), (-0.1, 10), (0.1, 1)])
def test_impossible_smoothing_is_refused(smoothing, classes):
    with pytest.raises(UserError, match="smoothing must be between 0 and"):
        torch_label_smoothing(smoothing, classes)
