// Package endpoint says where a request may go: the rules of a webhook's URL
// as text, and the classes of IP addresses. It does no I/O; egress applies it
// again to the resolved address of every connection.
package endpoint
