"""Anomalies: rules over the audit log, compared with what each actor did before."""
