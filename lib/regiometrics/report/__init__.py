"""Report: printed against computed, the audit, tables, figures and recorded values."""
