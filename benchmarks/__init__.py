"""Measurements, each a command of its own: python -m benchmarks.NAME. Figures are ratios within one run."""
