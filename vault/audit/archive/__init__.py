"""Archive of audit logs: encrypted segments in a chain, and the devices that write the logs."""
