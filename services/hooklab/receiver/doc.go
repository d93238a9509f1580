// Package receiver is a webhook receiver whose answers are scripted: a test, the
// demo, a benchmark or a chaos run sets how each path behaves, and reads afterwards,
// or while waiting, what came in.
//
// A path says by itself how it answers (see Parse for the grammar):
//
//	/ok                        200
//	/status/503                503
//	/status/200,500,200        one after another, the last repeats
//	/delay/250ms               200 after a quarter of a second
//	/hang                      never answers
//	/flaky/0.3?seed=1          500 three times out of ten, the same ones each run
//
// What follows the words a behaviour understands is free, so that many webhooks
// can have a path of their own: /ok/crm, /status/503/billing. A path that no
// word fits answers 200. Set replaces the behaviour of one path while running.
//
// Every request is recorded when its body has been read and before it is
// answered, so that one that hangs is seen too. The last requests are kept
// whole, older ones as counts; ids are kept as fixed-size hashes. Memory is
// bounded but for the ids, at about 60 bytes each.
package receiver
