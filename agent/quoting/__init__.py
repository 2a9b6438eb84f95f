"""Values as the files of systemd, compose and Kubernetes write them, for targets and jobs."""
