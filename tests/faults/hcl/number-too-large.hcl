path "a" {
  capabilities = ["list"]
  pagination_limit = 99999999999999999999
}
