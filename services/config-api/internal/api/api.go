// Package api has the request and answer types and the routes of the API
// document, generated from it.
package api

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi-codegen.yaml ../../../../proto/openapi.yaml
