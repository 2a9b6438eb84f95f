path "a" {
  capabilities = ["read"]
  control_group = {
    factor {
      controlled_capabilities = ["read"]
    }
  }
}
