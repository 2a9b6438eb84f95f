"""Files that run an agent beside its application: for systemd, compose or Kubernetes."""
