"""Measures: indices that return numbers, without a standard error."""
