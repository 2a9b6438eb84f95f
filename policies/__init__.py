"""HCL policies: Jinja2 templates, and their rendering."""
