"""Client of a Prometheus server."""
