path "a" {
  capabilities = ["read"]
  control_group = {
    self_auth_allowed = "true"
  }
}
