"""Clients of Prometheus and of Alertmanager."""
