"""Regiometrics: estimators of regional economics, and the book that recomputes five papers with them."""
