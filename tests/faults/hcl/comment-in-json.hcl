{"path": {
  "a": {"capabilities": ["read"]}  // the only one
}}
