"""Data: printed numbers, institutional facts, schemas of the reader's files, and where files are found."""
