"""IAM policies: rendered from the declaration, evaluated and proved without AWS."""
