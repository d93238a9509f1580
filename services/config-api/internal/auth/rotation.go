package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// rereadEvery is how often the file of service tokens is read: a token that was
// removed from it opens nothing after so long.
const rereadEvery = 5 * time.Second

// Rotation is the service tokens of the settings: those of API_TOKENS, which
// stay as they are, and those of the file API_TOKENS_FILE, which is read again
// while the service runs. Safe for concurrent use.
type Rotation struct {
	fixed *Tokens
	path  string
	log   *slog.Logger

	text    string // of the file, as it was last read
	trouble string // why it could not be read, as it was last logged
	file    atomic.Pointer[Tokens]
}

// NewRotation reads both settings, one of which may be empty. Its error lists
// everything that is wrong and holds no token.
func NewRotation(setting, path string, log *slog.Logger) (*Rotation, error) {
	r := &Rotation{fixed: &Tokens{}, path: path, log: log}
	if setting == "" && path == "" {
		return nil, errors.New("there is none")
	}
	r.file.Store(&Tokens{})
	var wrong []error
	if setting != "" {
		var err error
		if r.fixed, err = ParseTokens(setting); err != nil {
			wrong = append(wrong, err)
		}
	}
	if path != "" {
		wrong = append(wrong, r.read())
	}
	return r, errors.Join(wrong...)
}

// Find is Tokens' Find over all current tokens.
func (r *Rotation) Find(token string) (name string, ok bool) {
	fixed, found := r.fixed.Find(token)
	if other, ok := r.file.Load().Find(token); ok {
		return other, true
	}
	return fixed, found
}

// Run reads the file again every few seconds until ctx ends.
func (r *Rotation) Run(ctx context.Context) {
	if r.path == "" {
		return
	}
	tick := time.NewTicker(rereadEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.reread()
		case <-ctx.Done():
			return
		}
	}
}

// reread replaces the tokens by those that the file holds now. When the file
// cannot be read they stay, because a half-written file must not lock callers out.
// The failure is logged once.
func (r *Rotation) reread() {
	switch err := r.read(); {
	case err == nil:
		r.trouble = ""
	case err.Error() != r.trouble:
		r.trouble = err.Error()
		r.log.Error("service tokens not read, keeping the old ones", slog.Any("error", err))
	}
}

func (r *Rotation) read() error {
	text, err := os.ReadFile(r.path)
	if err != nil {
		return fmt.Errorf("read service tokens: %w", err)
	}
	if string(text) == r.text {
		return nil
	}
	tokens, err := parseTokenFile(string(text))
	if err != nil {
		return fmt.Errorf("read service tokens in %s: %w", r.path, err)
	}
	if r.text != "" {
		r.log.Info("service tokens read", slog.Int("tokens", len(tokens.names)))
	}
	r.text = string(text)
	r.file.Store(tokens)
	return nil
}
