# The targets of a sink with kv_version: 1. "kv" is its mount, "moq/*" what its path renders.
path "kv/moq/*" {
  capabilities = ["create", "read", "update"]
}
