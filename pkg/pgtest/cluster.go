// Package pgtest starts throw-away Postgres clusters from the binaries of the
// machine: one for all tests of a test binary, or one of its own for a program
// that stops and restarts it.
//
// A cluster never outlives its owner. A small shell process watches a pipe
// from the owner; when the pipe closes, for whatever reason, it stops the
// server and removes its files.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Options choose what a cluster is for. The zero value is for tests.
type Options struct {
	// Durable leaves fsync and full-page writes on, as in production: for
	// benchmarks, and where the server is killed. Tests do without.
	Durable bool

	// Port lets the server listen on this port of 127.0.0.1, as production does
	// on some address, in place of a Unix socket. 0 means the socket.
	Port int

	// Settings are further server settings, such as "max_wal_size": "4GB".
	Settings map[string]string
}

// startTimeout bounds a start, a crash recovery included.
const startTimeout = 60 * time.Second

// supervise runs the server ("$@") until its standard input says a word or
// ends. An end of input means that the owner has gone.
const supervise = `
dir=$1; shift
"$@" </dev/null >>"$dir/log" 2>&1 &
pid=$!
read -r word
case $word in crash*) kill -QUIT $pid;; *) kill -INT $pid;; esac
wait $pid
case $word in *-keep) ;; *) rm -rf "$dir";; esac
`

// Cluster is one running Postgres server with its own data. Unless a port was
// chosen, it listens on a Unix socket in its own folder, so that no port can be
// taken by another process. It lives until Stop is called, the Cluster is garbage
// collected, or the owner ends.
type Cluster struct {
	dir      string
	binaries string
	options  Options
	running  *exec.Cmd
	control  io.WriteCloser
}

// Start makes a cluster and returns it when it accepts connections. It returns
// an error that says what to install when the machine has no Postgres.
func Start(o Options) (*Cluster, error) {
	binaries, err := findBinaries()
	if err != nil {
		return nil, err
	}
	c := &Cluster{binaries: binaries, options: o}
	if err := c.create(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.dir))
	}
	if err := c.start(); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// DSN returns the URL of the cluster's database. It stays the same over
// restarts.
func (c *Cluster) DSN() string {
	if c.options.Port != 0 {
		return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", c.options.Port)
	}
	q := url.Values{"host": {c.dir}, "sslmode": {"disable"}}
	return (&url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: q.Encode()}).String()
}

// PID returns the process id of the running server, which is the parent of all
// its processes.
func (c *Cluster) PID() (int, error) {
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		return 0, fmt.Errorf("read the server's process id: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		return 0, fmt.Errorf("read the server's process id: %w", err)
	}
	return pid, nil
}

// Stop stops the server and removes its files. Stopping twice is harmless.
func (c *Cluster) Stop() error { return errors.Join(c.end("stop"), os.RemoveAll(c.dir)) }

// Pause stops the server and keeps its files. Clients see their connections
// end and new ones refused until Resume.
func (c *Cluster) Pause() error { return c.end("stop-keep") }

// Crash stops the server without a checkpoint, as a crash of all its processes
// would; Resume then recovers from the log.
func (c *Cluster) Crash() error { return c.end("crash-keep") }

// Resume starts the server after Pause or Crash and returns when it accepts
// connections.
func (c *Cluster) Resume() error { return c.start() }

// Restart is Pause and Resume.
func (c *Cluster) Restart() error {
	if err := c.Pause(); err != nil {
		return err
	}
	return c.Resume()
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// create makes the folder and the empty cluster in it.
func (c *Cluster) create() error {
	dir, err := os.MkdirTemp(socketRoot(), "pgtest")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	c.dir = dir
	if err := giveToServer(dir); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	//nolint:gosec // The program is the initdb that was looked up.
	cmd := exec.CommandContext(ctx, filepath.Join(c.binaries, "initdb"),
		"--pgdata="+c.data(), "--username=postgres", "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if err := c.asServer(cmd); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// start runs the server under its supervisor and waits until it answers.
func (c *Cluster) start() error {
	args := append([]string{"-c", supervise, "pgtest", c.dir, filepath.Join(c.binaries, "postgres")}, c.serverArgs()...)
	//nolint:gosec,noctx // Our own script; it ends with the pipe, not with a context.
	cmd := exec.Command("/bin/sh", args...)
	if err := c.asServer(cmd); err != nil {
		return err
	}
	control, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("make control pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	c.running, c.control = cmd, control
	if err := c.awaitReady(); err != nil {
		log, _ := os.ReadFile(filepath.Join(c.dir, "log")) // only to explain err
		return fmt.Errorf("start postgres: %w: %s", err, log)
	}
	return nil
}

func (c *Cluster) serverArgs() []string {
	settings := map[string]string{
		"unix_socket_directories": c.dir,
		"listen_addresses":        "",
		"max_connections":         "200",
		"shared_buffers":          "128MB",
	}
	if c.options.Port != 0 {
		settings["listen_addresses"], settings["port"] = "127.0.0.1", strconv.Itoa(c.options.Port)
	}
	if !c.options.Durable {
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, c.options.Settings)
	args := []string{"-D", c.data()}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	return args
}

// end tells the supervisor how to end and waits for it.
func (c *Cluster) end(word string) error {
	if c.running == nil {
		return nil
	}
	_, err := io.WriteString(c.control, word+"\n")
	err = errors.Join(err, c.control.Close(), c.running.Wait())
	c.running = nil
	if err != nil {
		return fmt.Errorf("stop postgres: %w", err)
	}
	return nil
}
