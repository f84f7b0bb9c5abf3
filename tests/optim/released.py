"""Trajectories of the released GAM code, and the cases they are of.

released_gam.json was made with its commit 694133d (xxgege/GAM), Python 3.11, torch 2.15, by

    python tests/optim/released.py CHECKOUT_OF_THE_RELEASED_CODE tests/optim/released_gam.json
"""

import json
import platform
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

STEPS = 20
SEED = {"grad_rho": 0.05, "grad_norm_rho": 0.1, "grad_gamma": 0.1}
SEED |= {"grad_beta_0": 0.9, "grad_beta_1": 0.1, "grad_beta_2": 1.0, "grad_beta_3": 1.0}
CIFAR = {"grad_rho": 0.02, "grad_norm_rho": 0.2, "grad_gamma": 0.03}
CIFAR |= {"grad_beta_0": 0.5, "grad_beta_1": 0.6, "grad_beta_2": 0.5, "grad_beta_3": 0.4}
CASES = {
    "constant": {"args": SEED},
    "constant, CIFAR-100": {"args": CIFAR},
    "proportion": {"args": SEED, "schedule": "proportion"},
    "linear": {"args": SEED, "schedule": "linear"},
    "cosine": {"args": SEED, "schedule": "cosine"},
    "polynomial": {"args": SEED, "schedule": "polynomial"},
    "adaptive": {"args": SEED, "more": {"adaptive": True}},
    "a large perturb_eps": {"args": SEED, "more": {"perturb_eps": 0.01}},
    "negative β2": {"args": SEED | {"grad_beta_2": -0.7}},
    "AdamW": {"args": SEED, "base": "AdamW"},
    "smoothing": {"args": SEED, "smoothing": 0.1},
}


def spread(*shape: int, by: int) -> torch.Tensor:
    """Numbers between −½ and ½ that no random generator and no library decides."""
    n = torch.Size(shape).numel()
    return ((torch.arange(n, dtype=torch.float64) * by) % 101 / 101 - 0.5).view(shape)


def network(dropout: float = 0.0) -> nn.Module:
    model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Dropout(dropout), nn.Linear(20, 2)).double()
    with torch.no_grad():
        for by, p in zip((37, 29, 53, 17), model.parameters(), strict=True):
            p.copy_(spread(*p.shape, by=by))
    return model


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    return 4 * spread(8, 10, by=31 + 2 * step), (torch.arange(8) * (step + 3) // 2) % 2


def schedulers(code, lr_scheduler, args, kind):
    """The seed's constant ones, or one that moves from twice a value down to it."""
    found = []
    for value in (args.grad_rho, args.grad_norm_rho):
        if kind in ("constant", "proportion"):
            top = value if kind == "constant" else 2 * value
            found.append(code.ProportionScheduler(lr_scheduler, 0.1, 0.0, top, value))
        elif kind == "polynomial":
            found.append(code.PolyScheduler(-0.5, STEPS, 2 * value, value, init_value=value, warmup_steps=3))
        else:
            made = {"linear": code.LinearScheduler, "cosine": code.CosineScheduler}[kind]
            found.append(made(STEPS, 2 * value, value, init_value=0.5 * value, warmup_steps=4))
    return found


def trajectory(code, case):
    """The seed's script with GAM, schedulers and loss of `code`: losses, radii and the last weights."""
    model, args = network(), SimpleNamespace(lr=0.1, **case["args"])
    if case.get("base") == "AdamW":
        base = torch.optim.AdamW(model.parameters(), lr=args.lr)
    else:
        base = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=5e-4)
    lr_scheduler = CosineAnnealingLR(base, T_max=STEPS)
    rho, norm_rho = schedulers(code, lr_scheduler, args, case.get("schedule", "constant"))
    gam = code.GAM(
        params=model.parameters(),
        base_optimizer=base,
        model=model,
        grad_rho_scheduler=rho,
        grad_norm_rho_scheduler=norm_rho,
        args=args,
        **case.get("more", {}),
    )

    def loss_fn(predictions, targets):
        if "smoothing" in case:
            return code.smooth_crossentropy(predictions, targets, smoothing=case["smoothing"]).mean()
        return nn.functional.cross_entropy(predictions, targets)

    losses, radii = [], []
    for step in range(STEPS):
        gam.set_closure(loss_fn, *batch(step))
        _, loss = gam.step()
        losses.append(loss.item())
        radii.append([float(gam.grad_rho), float(gam.grad_norm_rho)])
        lr_scheduler.step()
        gam.update_rho_t()
    weights = torch.cat([p.detach().reshape(-1) for p in model.parameters()]).tolist()
    return {"losses": losses, "radii": radii, "weights": weights}


def main(checkout: str, file: str) -> None:
    torch.set_num_threads(1)
    sys.path.insert(0, checkout)
    from gam import gam, smooth_cross_entropy, util

    code = SimpleNamespace(**vars(util) | vars(smooth_cross_entropy) | {"GAM": gam.GAM})
    found = {name: trajectory(code, case) for name, case in CASES.items()}
    made_by = {"code": "xxgege/GAM @694133d", "python": platform.python_version(), "torch": torch.__version__}
    lines = [f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(t)}" for name, t in found.items()]
    text = ",\n".join([f'"made by": {json.dumps(made_by)}', *lines])
    Path(file).write_text(f"{{\n{text}\n}}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
