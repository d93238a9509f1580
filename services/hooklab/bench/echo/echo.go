// Package echo is the bare handler that the API is compared with: the same
// router, the same sizes of JSON, nothing behind it.
package echo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// webhook has the fields of a webhook in the API.
type webhook struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	Provider     string    `json:"provider"`
	URL          string    `json:"url"`
	Event        string    `json:"event"`
	Secret       string    `json:"secret,omitempty"`
	Status       string    `json:"status"`
	FailureCount int       `json:"failureCount"`
	LastSentAt   *string   `json:"lastSentAt"`
	LastError    *string   `json:"lastError"`
	NextAttempt  *string   `json:"nextAttemptAt"`
	HeldEvents   int       `json:"heldEvents"`
	CreatedAt    time.Time `json:"createdAt"`
	UpdatedAt    time.Time `json:"updatedAt"`
	Version      int       `json:"version"`
}

// Serve listens on loopback, writes the URL as a line, and serves until ctx
// ends: POST /one reads a webhook and answers one, GET /ten answers ten.
func Serve(ctx context.Context, out io.Writer) error {
	e := echo.New()
	e.POST("/one", func(c echo.Context) error {
		w := sample()
		if err := c.Bind(&w); err != nil {
			return err //nolint:wrapcheck // echo's own, for echo
		}
		return c.JSON(http.StatusCreated, w)
	})
	e.GET("/ten", func(c echo.Context) error {
		w := sample()
		w.Name, w.URL, w.Event, w.Provider = "Bench 1", "http://127.0.0.1:40000/ok/0", "call.completed", "custom"
		return c.JSON(http.StatusOK, map[string]any{"data": []webhook{w, w, w, w, w, w, w, w, w, w}, "nextCursor": nil})
	})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	server := &http.Server{Handler: e, ReadHeaderTimeout: 30 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if _, err := fmt.Fprintln(out, "http://"+listener.Addr().String()); err != nil {
		return fmt.Errorf("say where: %w", err)
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("echo: %w", err)
	}
	return nil
}

func sample() webhook {
	now := time.Now().UTC()
	return webhook{
		ID: "wh_" + strings.Repeat("0", 26), Secret: "whsec_" + strings.Repeat("A", 32), Status: "active",
		CreatedAt: now, UpdatedAt: now, Version: 1,
	}
}
