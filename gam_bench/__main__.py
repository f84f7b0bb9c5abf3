"""`python -m gam_bench`."""

from gam_bench.cli import main

main()
