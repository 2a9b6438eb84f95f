"""First day of a server: from an administrator's token to credentials of the deployment's jobs."""
