"""Monitoring of an environment on AWS: what is counted in its audit log, and who is alarmed."""
