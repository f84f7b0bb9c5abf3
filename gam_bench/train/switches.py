"""How a run is computed: what changes its speed and no more than the last digits of its figures."""

from dataclasses import dataclass

import torch
from torch import nn

from gam_bench.errors import UserError
from gam_bench.suite.spec import RunSpec
from gam_bench.train.step import draws_random_numbers


@dataclass(frozen=True)
class Switches:
    """Asked for by the launcher, resolved once a run, and recorded in its result.

    compile: torch.compile the model. On CPU it takes about half a minute, so only for long runs.
    cuda_graph: replay the whole step as one CUDA graph.
    """

    compile: bool = False
    cuda_graph: bool = False

    def resolved(self, spec: RunSpec, model: nn.Module, device: torch.device) -> "Switches":
        """What of it applies to this run. Raises UserError where a graph was asked for and cannot be."""
        if not self.cuda_graph:
            return self
        obstacles = {
            "the device is no GPU": device.type != "cuda",
            "it has several processes": spec.processes > 1,
            "it uses micro-batches": spec.micro_batch is not None,
            "its model draws random numbers (dropout)": draws_random_numbers(model),
            "ρ follows the learning rate": spec.optimizer_settings.get("rho_schedule") == "proportion",
        }
        reasons = [reason for reason, holds in obstacles.items() if holds]
        if reasons:
            raise UserError(f"--cuda-graph cannot capture the step of {spec.uid}: {', '.join(reasons)}")
        return self
