path "a" {
  capabilities = ["read"]
  control_group = {
    factor "owners" {
      controlled_capabilities = ["read"]
      identity {
        group_names = ["owners"]
        approvals = "two"
      }
    }
  }
}
