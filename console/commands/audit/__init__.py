"""Commands ``audit``: what keeps the server's audit logs, and what reads them."""
