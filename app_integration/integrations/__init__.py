"""One line for each framework: redaction, the delivered config, ``/metrics``, and a clean end."""
