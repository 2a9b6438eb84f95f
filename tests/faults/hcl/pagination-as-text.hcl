path "a" {
  capabilities = ["list"]
  pagination_limit = "ten"
}
