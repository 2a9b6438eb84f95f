"""Decision whether a rollout goes on, from the metrics of two colours of a service."""
