"""Benchmarks: `python -m benchmarks` runs all, `python -m benchmarks NAME` one; results go to docs/benchmarks/NAME.md."""
