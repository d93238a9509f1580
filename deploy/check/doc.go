// Package check checks what is deployed, without a container engine and without a
// cluster: the Dockerfile, docker-compose.yml, the Helm
// chart as it is rendered, the alerts and their runbooks.
//
// It is a module outside of the workspace, so that the libraries it needs, of
// Helm above all, never choose the versions that the services are built with.
// "make deploy-check" runs it.
package check
