path "a" {
  capabilities = ["update"]
  allowed_parameters = ["ttl"]
}
