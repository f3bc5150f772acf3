"""What is recorded of rows: rejects, results, reject limit, checkpoint."""
