"""`python -m benchmarks` runs all benchmarks, `python -m benchmarks NAME` one; pages go to docs/benchmarks/."""
