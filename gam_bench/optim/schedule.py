"""The proportion schedule: ρ, and ρ' where there is one, follow the learning rate of their parameter group.

    (ρ − ρmin)/(ρmax − ρmin) = (lr − lrmin)/(lrmax − lrmin)

It needs no scheduler object of its own: whatever moves the learning rate moves ρ. The values at the top are
kept in the group, and so in the state dict.
"""

from typing import Any

from gam_bench.errors import UserError

RADII = ("rho", "rho_prime")


def start_schedule(group: dict[str, Any], min_lr: float) -> None:
    """Note the top of the schedule, once: the group's initial learning rate and its radii."""
    group.setdefault("lr_max", group.get("initial_lr", group["lr"]))
    if not group["lr_max"] > min_lr:
        raise UserError(f"min_lr must be below the learning rate {group['lr_max']:g}, got {min_lr:g}")
    for name in RADII:
        if name in group:
            group.setdefault(f"{name}_max", group[name])


def follow_learning_rate(group: dict[str, Any], min_lr: float) -> None:
    fraction = (group["lr"] - min_lr) / (group["lr_max"] - min_lr)
    for name in RADII:
        if name in group:
            low, high = group[f"{name}_min"], group[f"{name}_max"]
            group[name] = max(low + (high - low) * fraction, 0.0)  # a warm-up may start below min_lr
