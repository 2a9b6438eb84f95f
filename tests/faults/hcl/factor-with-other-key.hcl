path "a" {
  capabilities = ["read"]
  control_group = {
    factor "owners" {
      controlled_capability = ["read"]
    }
  }
}
