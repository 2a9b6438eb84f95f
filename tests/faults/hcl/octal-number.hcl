path "a" {
  capabilities = ["list"]
  pagination_limit = 08
}
