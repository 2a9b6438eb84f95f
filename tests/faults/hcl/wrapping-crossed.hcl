path "a" {
  capabilities = ["read"]
  min_wrapping_ttl = "5m"
  max_wrapping_ttl = 60
}
