module github.com/rotatord/rotatord/test/cfsdk77

go 1.26.0

require (
	github.com/cloudflare/cloudflare-go/v7 v7.9.0
	github.com/rotatord/rotatord v0.0.0
)

require (
	github.com/tidwall/gjson v1.20.2 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.3.0 // indirect
	github.com/tidwall/sjson v1.2.9 // indirect
)

replace github.com/rotatord/rotatord => ../..

// The one version with the rotate call; the main module's newer one would win without this.
replace github.com/cloudflare/cloudflare-go/v7 => github.com/cloudflare/cloudflare-go/v7 v7.7.0
