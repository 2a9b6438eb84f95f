# two paths
path "a" {
  capabilites = ["read"]
}
