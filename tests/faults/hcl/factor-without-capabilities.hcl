path "a" {
  capabilities = ["read"]
  control_group = {
    factor "owners" {
      identity {
        group_names = ["owners"]
        approvals = 1
      }
    }
  }
}
