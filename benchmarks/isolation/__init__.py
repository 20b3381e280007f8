"""Benchmark of the search: synthetic problems with known truth, played against the product's own search and judge."""
