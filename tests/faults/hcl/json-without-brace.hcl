{"path": {
  "a": {"capabilities": ["read"]}
}
