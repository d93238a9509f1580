package proto

import _ "embed"

//go:embed openapi.yaml
var openAPI string

// OpenAPI returns the HTTP API's OpenAPI 3.1 document as YAML: the source of
// the config API's routes, request types and validation.
func OpenAPI() []byte { return []byte(openAPI) }
