"""Recurring jobs of services, and the files that run them by systemd or Kubernetes."""
