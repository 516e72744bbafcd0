// Package deploy is what rotatord is deployed with. Of its files the program carries those that it hands out.
package deploy

import _ "embed"

// Schema is the JSON Schema of the configuration, for editors. It is not to be changed.
//
//go:embed config.schema.json
var Schema []byte
