"""Declaration of services, the plan and apply on a server, and the local deployment."""
