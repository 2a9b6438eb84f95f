path "a" {
  capabilities = ["read"]
  control_group = {
    ttl = "soon"
  }
}
