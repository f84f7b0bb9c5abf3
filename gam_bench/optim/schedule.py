"""The proportion schedule: ρ, and ρ' where there is one, follow the learning rate of their parameter group.

    (ρ − ρmin)/(ρmax − ρmin) = (lr − lrmin)/(lrmax − lrmin), never outside ρmin … ρmax

It needs no scheduler object of its own: whatever moves the learning rate moves ρ. What it needs to know is
kept in the group, and so in the state dict.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gam_bench.errors import UserError

RADII = ("rho", "rho_prime")


class Proportion:
    """Moves the radii of parameter groups.

    names: the group's key of each setting.
    max_lr: the learning rate at which radii have their own values; None: OneCycleLR's, which it keeps in the
        group, else the group's initial one.
    """

    def __init__(self, names: Mapping[str, str], min_lr: float, max_lr: float | None):
        self.radii = [(names[name], names[f"{name}_min"]) for name in RADII if name in names]
        self.min_lr = min_lr
        self.max_lr = max_lr

    def start(self, group: dict[str, Any]) -> None:
        """Note the top of the schedule, once. Raises UserError where it is not above min_lr."""
        rate = group.get("initial_lr", group["lr"])
        group.setdefault("lr_max", rate.clone() if isinstance(rate, Tensor) else rate)
        if not self.top(group) > self.min_lr:
            raise UserError(
                f"min_lr must be below the learning rate {float(self.top(group)):g}, got {self.min_lr:g}"
            )
        for key, _ in self.radii:
            group.setdefault(f"{key}_max", group[key])
            group.setdefault(f"{key}_scheduled", group[key])

    def top(self, group: Mapping[str, Any]) -> Any:
        return group.get("max_lr", group["lr_max"]) if self.max_lr is None else self.max_lr

    def keys(self) -> set[str]:
        """What `start` notes in a group."""
        return {"lr_max"} | {f"{key}_{what}" for key, _ in self.radii for what in ("max", "scheduled")}

    def follow(self, group: dict[str, Any]) -> None:
        """Set the group's radii. Raises UserError where one was set by hand since."""
        fraction = (group["lr"] - self.min_lr) / (self.top(group) - self.min_lr)
        fraction = fraction.clamp(0, 1) if isinstance(fraction, Tensor) else min(max(fraction, 0.0), 1.0)
        for key, lowest in self.radii:
            if _by_hand(group[key], group[f"{key}_scheduled"]):
                raise UserError(
                    f"{key} was set to {float(group[key]):g} by hand, but rho_schedule='proportion' takes it "
                    f"from the learning rate; set {key}_max, its value at the highest rate"
                )
            low, high = group[lowest], group[f"{key}_max"]
            group[key] = group[f"{key}_scheduled"] = low + (high - low) * fraction


def _by_hand(value: Any, scheduled: Any) -> bool:
    """Tensors are not compared: that would wait for their device."""
    both = isinstance(value, Tensor) and isinstance(scheduled, Tensor)
    return not both and bool(value != scheduled)
