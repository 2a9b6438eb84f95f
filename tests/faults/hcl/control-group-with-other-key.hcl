path "a" {
  capabilities = ["read"]
  control_group = {
    max_ttl = "1h"
  }
}
