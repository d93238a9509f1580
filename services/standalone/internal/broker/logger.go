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
	l.log.Error("embedded NATS server", slog.String("error", fmt.Sprintf(format, v...)))
}

// Warnf implements server.Logger.
func (l *logger) Warnf(format string, v ...any) {
	l.log.Warn("embedded NATS server", slog.String("warning", fmt.Sprintf(format, v...)))
}

// Noticef implements server.Logger.
func (l *logger) Noticef(string, ...any) {}

// Debugf implements server.Logger.
func (l *logger) Debugf(string, ...any) {}

// Tracef implements server.Logger.
func (l *logger) Tracef(string, ...any) {}
