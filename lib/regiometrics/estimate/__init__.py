"""Estimators: results with inference."""
