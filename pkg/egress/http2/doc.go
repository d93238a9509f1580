// Package http2 keeps HTTP/2 connections (RFC 9113) to servers, and sends
// requests on them, each once. golang.org/x/net/http2 speaks the protocol; this
// package chooses the connection, and bounds what a server may send on one.
//
// The streams of a connection cannot be mixed up, so one connection may carry the
// requests of many organizations. Whether a request is sent again, and how often,
// its caller decides: x/net's own transport repeats one for as long as the server
// refuses it.
//
// x/net names net/http's ClientConn as the successor of its own. That one returns
// errors of unexported types, from which a caller cannot tell a refused request
// from a malformed answer or a lost connection.
package http2
