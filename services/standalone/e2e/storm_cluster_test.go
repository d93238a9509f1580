package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// node is one server of a NATS cluster.
type node struct {
	name                 string
	client, route, watch int    // ports
	dir                  string // its files
	disk                 *disk  // a small file system of its own for them, nil for none
	config               string
	process              *process
	struck               bool // by a fault that is not over
	unwell               int  // health checks failed, one after the other
}

// diskSize is how large the file system of a node is, where it has one.
const diskSize = 256 << 20

// startNodes starts the servers of a cluster and returns their addresses when each is
// ready.
func startNodes(t *testing.T, nodes []*node) (urls []string) {
	t.Helper()
	for _, n := range nodes {
		n.start(t)
		urls = append(urls, "nats://127.0.0.1:"+strconv.Itoa(n.client))
	}
	for _, n := range nodes {
		await(t, n.name+" is not ready", func() error {
			if !n.ready() {
				return errors.New("its health check fails")
			}
			return nil
		})
	}
	return urls
}

// newNodes returns a cluster of so many servers that are not running. disks
// gives each a small disk of its own, for which this process must be root.
func newNodes(t *testing.T, count int, disks bool) []*node {
	t.Helper()
	nodes := make([]*node, count)
	for i := range nodes {
		nodes[i] = &node{name: "n" + strconv.Itoa(i+1), client: freePort(t), route: freePort(t), watch: freePort(t), dir: t.TempDir()}
	}
	var routes []string
	for _, n := range nodes {
		routes = append(routes, "nats://127.0.0.1:"+strconv.Itoa(n.route))
	}
	for _, n := range nodes {
		if disks {
			var err error
			if n.disk, err = newDisk(t, filepath.Join(n.dir, "disk")); err != nil {
				t.Fatal(err)
			}
		}
		text := fmt.Sprintf(`server_name: %s
listen: 127.0.0.1:%d
http: 127.0.0.1:%d
jetstream { store_dir: %q, max_file_store: 4GB }
cluster { name: storm, listen: 127.0.0.1:%d, no_advertise: true, routes: [%s] }
`, n.name, n.client, n.watch, filepath.Join(n.dir, "disk", "data"), n.route, strings.Join(routes, ", "))
		n.config = filepath.Join(n.dir, "nats.conf")
		if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return nodes
}

// disk is a small file system. It is there for the processes of its own
// namespace only, and gone with the process that keeps it, however this test
// ends.
type disk struct {
	keeper *exec.Cmd
	dir    string
}

// newDisk makes a file system at dir until the test ends. It returns an error
// where this process may not.
func newDisk(t *testing.T, dir string) (*disk, error) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	const keep = `mount -t tmpfs -o size="$1" tmpfs "$0" && echo there && exec cat`
	d := &disk{exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", keep, dir, strconv.Itoa(diskSize)), dir}
	stdin, err1 := d.keeper.StdinPipe()
	stdout, err2 := d.keeper.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if err := spawn(d.keeper); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = d.keeper.Wait()
	})
	if _, err := io.ReadFull(stdout, make([]byte, len("there"))); err != nil {
		return nil, errors.New("no small disk can be mounted")
	}
	return d, nil
}

// inside returns the path by which this process sees a file of the disk.
func (d *disk) inside(name string) string {
	return filepath.Join("/proc", strconv.Itoa(d.keeper.Process.Pid), "root", d.dir, name)
}

// command returns the command that runs a program where the disk is.
func (d *disk) command(t *testing.T, program string, args ...string) (string, []string) {
	t.Helper()
	enter, err := exec.LookPath("nsenter")
	if err != nil {
		t.Fatal(err)
	}
	return enter, append([]string{fmt.Sprintf("--mount=/proc/%d/ns/mnt", d.keeper.Process.Pid), "--", program}, args...)
}

// mayMount reports whether this process can make file systems.
func mayMount(t *testing.T) bool {
	t.Helper()
	_, err := newDisk(t, t.TempDir())
	return err == nil
}

// start runs the server. It does not wait until it is ready.
func (n *node) start(t *testing.T) {
	t.Helper()
	n.unwell = 0
	program, args := filepath.Join(bin, "nats-server"), []string{"--config", n.config}
	if n.disk != nil {
		program, args = n.disk.command(t, program, args...)
	}
	n.process = start(t, "nats-server "+n.name, nil, n.dir, program, args...)
}

// fill fills the node's disk until the returned function is called.
func (n *node) fill(t *testing.T) (empty func()) {
	t.Helper()
	junk := n.disk.inside("junk")
	f, err := os.Create(junk)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for size := len(block); size > 0; {
		if _, err := f.Write(block[:size]); err != nil {
			size /= 2 // until not a page is left
		}
	}
	_ = f.Close()
	return func() { _ = os.Remove(junk) }
}

// lives reports whether the server and its JetStream run, as a liveness probe does.
// A server whose disk was full has disabled JetStream until it is restarted.
func (n *node) lives() bool { return n.health("js-enabled-only") }

// ready reports whether the server has found the cluster: what a readiness probe
// asks.
func (n *node) ready() bool { return n.lives() && n.health("js-server-only") }

func (n *node) health(of string) bool {
	status, _, err := ask("http://127.0.0.1:" + strconv.Itoa(n.watch) + "/healthz?" + of + "=true")
	return err == nil && status == http.StatusOK
}
