path "a" {
  capabilities = ["read"]
  control_group = "owners"
}
