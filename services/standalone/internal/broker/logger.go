package broker

import (
	"fmt"
	"log/slog"
	"sync"
)

// logger writes what the server warns of to the service's log, and keeps the error
// with which the server gives up. Its notices, which describe a start in order, are
// dropped.
type logger struct {
	log *slog.Logger

	mu    sync.Mutex
	cause error
	last  string // what was logged last: the same again is dropped
}

// repeated notes what is logged and reports whether the line before was the same.
func (l *logger) repeated(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := l.last == text
	l.last = text
	return same
}

// fatal returns the error with which the server gave up, nil when it did not.
func (l *logger) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// Fatalf implements server.Logger. The server goes on after it as if it had ended
// the process.
func (l *logger) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause == nil {
		l.cause = fmt.Errorf("%s", fmt.Sprintf(format, v...))
	}
}

// Errorf implements server.Logger.
func (l *logger) Errorf(format string, v ...any) {
	if text := fmt.Sprintf(format, v...); !l.repeated(text) {
		l.log.Error("embedded NATS server", slog.String("error", text))
	}
}

// Warnf implements server.Logger.
func (l *logger) Warnf(format string, v ...any) {
	if text := fmt.Sprintf(format, v...); !l.repeated(text) {
		l.log.Warn("embedded NATS server", slog.String("warning", text))
	}
}

// Noticef implements server.Logger.
func (l *logger) Noticef(string, ...any) {}

// Debugf implements server.Logger.
func (l *logger) Debugf(string, ...any) {}

// Tracef implements server.Logger.
func (l *logger) Tracef(string, ...any) {}
