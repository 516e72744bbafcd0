# With auth approle, kubernetes, jwt or cert, where the role's tokens lack the policy "default".
path "auth/token/lookup-self" {   # is a token dead that was refused?
  capabilities = ["read"]
}
path "auth/token/renew-self" {    # before it ends
  capabilities = ["update"]
}
path "auth/token/revoke-self" {   # rotatord ends what it logged in for
  capabilities = ["update"]
}
path "sys/capabilities-self" {    # may it write? asked before each mint
  capabilities = ["update"]
}
