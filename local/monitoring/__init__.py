"""Prometheus, Alertmanager and their checks beside the local deployment."""
