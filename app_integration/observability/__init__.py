"""What the process records: accesses, metrics, and logs without secrets."""
