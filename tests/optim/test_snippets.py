"""What the README and `help(gam_bench.optim)` tell people to paste runs as it stands."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import gam_bench.optim

README = Path(__file__).parents[2] / "README.md"


def run(code: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readmes_training_script():
    section = README.read_text().split("## In your own training script")[1].split("\n## ")[0]
    (script,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    found = re.fullmatch(r"test accuracy (0\.\d+)\n", run(script))
    assert found
    assert float(found[1]) > 0.95


def test_the_helps_training_loop():
    paragraphs = gam_bench.optim.__doc__.split("\n\n")
    code = [paragraph for paragraph in paragraphs if paragraph.startswith("    ")]
    assert run(textwrap.dedent("\n\n".join(code)) + "\nprint(float(loss) < 10)\n") == "True\n"
