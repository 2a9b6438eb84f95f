"""Declaration of services, the plan and apply on a server, rotation and audit."""
