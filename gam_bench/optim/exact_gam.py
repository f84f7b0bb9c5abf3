"""GAM by Hessian-vector products."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from gam_bench.optim.catalog import ExactGAMSettings
from gam_bench.optim.flat import Step
from gam_bench.optim.passes import TINY, Passes, ascent
from gam_bench.optim.protocol import SharpnessAware


class ExactGAM(SharpnessAware):
    """Gradient norm aware minimisation (Zhang et al., CVPR 2023, Algorithm 1), H the Hessian of the loss:

        f = H(θ) g(θ)/‖g(θ)‖,   φ = θ + ρ f/‖f‖,   step with g(θ) + α ρ H(φ) g(φ)/‖g(φ)‖

    rho=0.04, alpha=0.3: may differ between parameter groups.
    Two gradients and two Hessian-vector products a step, counted as six gradients. The closure is an ordinary
    one; its `backward` is run so that it can be differentiated again, which needs memory for the graph of
    both and a model that allows it (a torch.compiled one does not). Under DDP workers are synchronised by
    this class, not by DDP. Other arguments: see SharpnessAware.
    """

    settings = ExactGAMSettings
    common = ("rho_schedule",)

    def direction(self, passes: Passes) -> Tensor:
        rho, alpha = self.setting("rho"), self.setting("alpha")
        g, f = self.gradient_and_curvature(passes)
        _, flatness = self.gradient_and_curvature(passes, ascent(f, rho))
        return torch.add(g, alpha * rho * flatness)

    def gradient_and_curvature(self, passes: Passes, *steps: Step) -> tuple[Tensor, Tensor]:
        """g and H g/‖g‖ at θ plus the steps."""
        flat = passes.flat
        graph = _KeepGraph(flat.parameters)
        # Fused attention has no second derivative; its plain form has.
        with self._workers.apart(), graph, sdpa_kernel(SDPBackend.MATH):
            passes.run(*steps)
        g = self._averaged(passes.take(graph.gradients)).clone()
        torch.div(g, torch.linalg.vector_norm(g) + TINY, out=flat.buffer)
        products = graph.times(flat.views)
        passes.evaluations += 2
        return g, self._averaged(passes.unscaled(products)).clone()

    def _averaged(self, vector: Tensor) -> Tensor:
        if self._workers and self.perturbation == "global":
            self.average(vector)
        return vector


class _KeepGraph(TorchFunctionMode):
    """Catches `backward` in a closure: gradients of the parameters are kept here, with their graph."""

    def __init__(self, parameters: Sequence[Tensor]):
        super().__init__()
        self.parameters = parameters
        self.gradients: list[Tensor | None] = [None] * len(parameters)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is not torch.Tensor.backward:
            return func(*args, **(kwargs or {}))
        weights = (kwargs or {}).get("gradient")
        new = _gradients(args, self.parameters, [weights], create_graph=True)
        for i, (old, gradient) in enumerate(zip(self.gradients, new, strict=True)):
            if gradient is not None:
                self.gradients[i] = gradient if old is None else old + gradient
        return None

    def times(self, vector: Sequence[Tensor]) -> list[Tensor | None]:
        """The Hessian times a vector given as one tensor a parameter; uses up the graph."""
        pairs = [
            (g, v.to(g))
            for g, v in zip(self.gradients, vector, strict=True)
            if g is not None and g.requires_grad
        ]
        if not pairs:  # a loss linear in the parameters
            return [None] * len(self.parameters)
        outputs, weights = zip(*pairs, strict=True)
        return _gradients(outputs, self.parameters, weights, create_graph=False)


def _gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], weights: Sequence[Tensor | None], create_graph: bool
) -> list[Tensor | None]:
    """torch.autograd.grad with None for inputs that are frozen or not reached."""
    trained = [p for p in inputs if p.requires_grad]
    found = iter(torch.autograd.grad(outputs, trained, weights, create_graph=create_graph, allow_unused=True))
    return [next(found) if p.requires_grad else None for p in inputs]
