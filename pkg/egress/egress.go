// Package egress is the only way a request leaves: the HTTP client with the
// address guard, the one deadline, and the bounded capture of the answer.
package egress
