"""Commands for environments on AWS."""
