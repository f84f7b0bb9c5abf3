"""Sharpness-aware optimizers for PyTorch: SAM and ASAM, GAM, exact GAM, SAM + GAM. Usable on their own.

    import torch
    from torch import nn
    from gam_bench.optim import GAM

    loader = [(torch.randn(32, 10), torch.randint(2, (32,))) for _ in range(100)]
    model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 2))
    base = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    optimizer = GAM(model.parameters(), base, rho=0.2, rho_prime=0.02, model=model)

    for inputs, targets in loader:
        optimizer.set_closure(nn.functional.cross_entropy, inputs, targets)
        predictions, loss = optimizer.step()

or, as with torch.optim.LBFGS, `loss = optimizer.step(closure)` with a closure that runs forward and
backward and returns the loss. Both return the values at the unperturbed weights. Learning-rate schedulers,
hooks, parameter groups (`{"params": ..., "rho": 0.1}`) and `state_dict` work as with any torch optimizer.
The base optimizer may be any that steps without a closure; `Plain` is the base optimizer alone, under the
same protocol. Scripts for the released GAM code or for davda54's SAM: `gam_bench.optim.compat`.

What a step costs: SAM 2 gradients, GAM 4, SAM + GAM 8, exact GAM 2 and two Hessian-vector products (about 4
more). Memory in vectors of the parameters' size, while a step runs: the weights before it and a work
buffer; for GAM also up to four gradients. Between steps SAM keeps the work buffer; for the others it is
`.grad` itself.

| trap | here |
|---|---|
| adding and subtracting a perturbation drifts | weights are copied back, after an exception too |
| every pass moves BatchNorm's statistics | only the first does; give `model=` for this |
| dropout draws another mask in each pass | all passes draw the same; `replay_randomness=False` ends it |
| gradient accumulation perturbs by the last part | let the closure run all parts: it is one batch |
| m-sharpness | `micro_batch=`, or a list of closures: each is perturbed by itself |
| DDP perturbs by the local gradient or the global one | `perturbation="local"` (default) or "global" |
| GradScaler unscales twice, or never | `scaler=`; the closure scales, you call `scaler.update()` |
| clipping every pass, or none | `clip_norm=` clips the final gradient only |
| weight decay inside the perturbation | it is the base optimizer's, at the unperturbed weights |
| a checkpoint forgets the momentum | `state_dict` is the base optimizer's, with ρ in its groups |
| label smoothing over K−1 classes is not torch's | `smooth_crossentropy`, `torch_label_smoothing` |
| the released GAM code is not the paper's Algorithm 2 | `variant="paper"` (default) or "official-code" |
| one gradient that is not finite leaves NaN everywhere | the step is skipped and counted: `skipped_steps` |
| `model.to(...)` or `load_state_dict(assign=True)` between two steps | noticed and followed |
| DDP and the bare model, FSDP, sparse gradients | refused when the optimizer is made |
| bf16 autocast | it runs; but GAM's g1 − g0 is a difference of close gradients: report it |
| CUDA graphs cannot rewind random numbers | capture without dropout, `replay_randomness=False` |

A parameter without a gradient in every pass is left alone, as torch does; under DDP with local perturbation
it counts as zero, so that workers agree. Not supported: FSDP (norms would be of a shard), sparse gradients,
and for exact GAM torch.compile, which has no second derivatives. Sources of the formulas: each class's
docstring.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gam_bench.optim.exact_gam import ExactGAM
    from gam_bench.optim.gam import GAM, SAMGAM
    from gam_bench.optim.losses import smooth_crossentropy, torch_label_smoothing
    from gam_bench.optim.plain import Plain
    from gam_bench.optim.protocol import SharpnessAware
    from gam_bench.optim.sam import SAM

_HOMES = {
    "ExactGAM": "exact_gam",
    "GAM": "gam",
    "SAMGAM": "gam",
    "SAM": "sam",
    "Plain": "plain",
    "SharpnessAware": "protocol",
    "smooth_crossentropy": "losses",
    "torch_label_smoothing": "losses",
}

__all__ = [
    "GAM",
    "SAM",
    "SAMGAM",
    "ExactGAM",
    "Plain",
    "SharpnessAware",
    "smooth_crossentropy",
    "torch_label_smoothing",
]


def __getattr__(name: str) -> Any:  # torch is imported with the first optimizer, not with the catalogue
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
