"""Access records, metrics, and the redaction of secrets in logs and tracebacks."""
