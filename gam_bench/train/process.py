"""One process of a data-parallel run: `torchrun … -m gam_bench.train.process SPEC RESULTS DEVICE OPTIONS`.

SPEC is JSON, OPTIONS a JSON mapping of `train`'s retry, forecast_seconds and switches, `{}` for none.
The first process writes a JSON line for each epoch and one for the outcome.
"""

import json
import signal
import sys
from pathlib import Path
from typing import Any

from gam_bench.suite.spec import RunSpec
from gam_bench.train.group import joined
from gam_bench.train.run import train
from gam_bench.train.switches import Switches


def main(spec: str, results: str, device: str, options: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def tell(message: dict[str, Any]) -> None:
        print(json.dumps(message), flush=True)

    given = json.loads(options)
    given["switches"] = Switches(**given.get("switches", {}))
    with joined(device) as (group, own_device):
        outcome = train(
            RunSpec.model_validate_json(spec),
            Path(results),
            device=str(own_device),
            on_epoch=lambda metrics: tell({"metrics": metrics}),
            group=group,
            **given,
        )
        if group.first:
            tell({"state": outcome.state, "message": outcome.message})
    if outcome.state.failure:
        sys.exit(1)  # so that torchrun or srun ends the others, too


if __name__ == "__main__":
    main(*sys.argv[1:])
