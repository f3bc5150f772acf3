"""The bulk importer: rows in, parallel batches out, one outcome per row."""
