// Package http1 is an HTTP/1.1 client (RFC 9112) for one kind of request: a
// short one, whose caller waits for the answer and keeps little of it. One
// goroutine writes the request and reads the answer; net/http's transport has
// two for each connection and hands every request and every answer over between
// them. Answers are parsed by net/http all the same.
//
// A [Conn] is in one of these states:
//
//	fresh   dialed, never used
//	busy    a request is being written or its answer read
//	idle    in a Pool, its last answer complete
//	closed
//
// and moves between them like this:
//
//	fresh -> busy     RoundTrip
//	idle  -> busy     Pool.Take, then RoundTrip
//	busy  -> idle     Close of an answer's body, if the connection may be reused
//	busy  -> closed   anything else
//	idle  -> closed   its idle time is over, or the pool is full or closed
//
// A connection may be reused only if its last answer was complete by RFC 9112,
// section 6, nothing followed that answer, the request had been written to its
// end, and the server did not announce the end of the connection. RoundTrip
// writes nothing on a connection on which anything is pending at that moment, at
// any layer: bytes that came before a request are never its answer.
package http1
