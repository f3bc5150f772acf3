"""Rows in: checked, encoded and gathered into batches."""
