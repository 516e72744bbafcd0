# The targets of a sink with kv_version: 2. "secret" is its mount, "moq/*" what its path renders.
path "secret/data/moq/*" {
  capabilities = ["create", "read", "update"]
}
