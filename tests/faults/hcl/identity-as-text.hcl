path "a" {
  capabilities = ["read"]
  control_group = {
    factor "owners" {
      controlled_capabilities = ["read"]
      identity = "owners"
    }
  }
}
