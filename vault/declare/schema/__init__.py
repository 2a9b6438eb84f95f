"""What may be declared: the models of services and environments, and their field types."""
