"""Jobs in Kubernetes: a CronJob, as a component of Kustomize."""

from agent.jobs.kubernetes.manifests import build

__all__ = ["build"]
