# With cas: false, beside kv2.hcl: whether Vault demands check-and-set all the same.
path "secret/config" {
  capabilities = ["read"]
}
path "secret/metadata/moq/*" {
  capabilities = ["read"]
}
