"""Benchmarks of the queue beside its peers and beside a bare floor: ``python -m benchmarks --quick``."""
