# by name
path "secret/data/{{identity.entity.name/*" {
  capabilities = ["read"]
}
