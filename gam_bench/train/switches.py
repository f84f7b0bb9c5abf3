"""How a run is computed: what changes its speed and no more than the last digits of its figures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Switches:
    """Asked for by the launcher, checked where the run's model is built, and recorded in its result.

    compile: torch.compile the model. On CPU it takes about half a minute, so only for long runs.
    cuda_graph: replay the whole step as one CUDA graph.
    """

    compile: bool = False
    cuda_graph: bool = False

    def recorded(self) -> dict[str, bool]:
        """As `result.json` holds them."""
        return {"compiled": self.compile, "cuda_graph": self.cuda_graph}


PLAIN = Switches()
"""As it is written."""
