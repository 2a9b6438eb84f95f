"""The command line and the operator's page: composes what lies below."""
