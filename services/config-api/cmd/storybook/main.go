// Command storybook shows every state of the settings page from made-up data,
// without a database. It is for development only.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/dialnote/webhooks/services/config-api/internal/portal/story"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "storybook:", err)
		os.Exit(1)
	}
}

func serve() error {
	addr := flag.String("addr", "127.0.0.1:8088", "where to listen")
	flag.Parse()
	book, err := story.NewBook(story.Policy)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", *addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	_, _ = fmt.Fprintf(os.Stdout, "http://%s%s\n", l.Addr(), story.Path) // a closed output needs no address
	server := &http.Server{Handler: book, ReadHeaderTimeout: 5 * time.Second}
	return fmt.Errorf("serve: %w", server.Serve(l))
}
