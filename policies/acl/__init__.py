"""Evaluator of ACL policies: what a token may do, decided as the server decides it, without one."""
