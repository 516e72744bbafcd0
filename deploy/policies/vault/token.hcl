# With auth token, where the token lacks the policy "default". It is its giver's to revoke.
path "auth/token/lookup-self" {   # how long does it live?
  capabilities = ["read"]
}
path "auth/token/renew-self" {    # before it ends
  capabilities = ["update"]
}
path "sys/capabilities-self" {    # may it write? asked before each mint
  capabilities = ["update"]
}
