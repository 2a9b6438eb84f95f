"""Target Kubernetes: an agent as a sidecar, and a patch of the application's Deployment."""

from agent.targets.kubernetes.manifests import build

__all__ = ["build"]
