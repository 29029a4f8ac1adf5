"""Spark: the practice cluster and the tests on it."""
