"""Panels with planted truth, made by inverting the measures."""
