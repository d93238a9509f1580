package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// needed names the Debian package of each program that the check runs.
func needed() map[string]string {
	return map[string]string{
		"podman": "podman", "buildah": "buildah", "/usr/sbin/runc": "runc", "debootstrap": "debootstrap",
		"/usr/lib/podman/netavark": "netavark", "/usr/lib/podman/aardvark-dns": "aardvark-dns",
		"iptables": "iptables", "ip": "iproute2", "unshare": "util-linux", "git": "git", "npm": "npm",
	}
}

// lacking returns an error that names what has to be installed for the check.
func lacking() error {
	if os.Getuid() != 0 {
		return errors.New("the check makes namespaces and runs containers: run it as root")
	}
	var packages []string
	for program, name := range needed() {
		if _, err := exec.LookPath(program); err != nil {
			packages = append(packages, name)
		}
	}
	if len(packages) > 0 {
		slices.Sort(packages)
		return fmt.Errorf("this machine lacks what the check runs: apt-get install --no-install-recommends %s", strings.Join(packages, " "))
	}
	return nil
}

// lock keeps a second check out of the workplace.
func (w *workplace) lock() (unlock func(), err error) {
	if err := os.MkdirAll(w.dir, 0o755); err != nil { //nolint:gosec // files of images are read by other users
		return nil, fmt.Errorf("make the workplace: %w", err)
	}
	file, err := os.OpenFile(w.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the workplace: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fmt.Errorf("another check runs in %s: %w", w.dir, err)
	}
	return func() { _ = file.Close() }, nil
}

// stage runs this program again, in namespaces of its own. A shell is the first
// process there, because that one has to take leave of every process that lost
// its parent. When it ends, so does everything in the namespace.
func stage(ctx context.Context, name string, namespaces uintptr) error {
	runtime.LockOSThread() // the child dies with the thread that made it
	defer runtime.UnlockOSThread()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `"$0" "$@"; exit $?`, self, name) //nolint:gosec // this program
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("stage %s: %w", name, err)
	}
	return nil
}

// inside prepares the namespaces that this process is in, and does the stage's
// work.
func inside(ctx context.Context, w *workplace, work func(context.Context, *workplace) error) error {
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
	}{
		{"", "/", "", syscall.MS_REC | syscall.MS_PRIVATE},
		{"proc", "/proc", "proc", 0},
		{"run", "/run", "tmpfs", 0},
	} {
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	for name, value := range map[string]string{
		"CONTAINERS_CONF":         w.path("containers.conf"),
		"CONTAINERS_STORAGE_CONF": w.path("storage.conf"),
		"TMPDIR":                  w.path("tmp"),
		"DISABLE_HC_SYSTEMD":      "true", // health.go does what systemd's timers do
	} {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return work(ctx, w)
}

// settings are the engine's, for a machine whose limits are those of a container
// and whose cgroups are the old ones.
func settings(w *workplace) map[string]string {
	return map[string]string{
		"containers.conf": `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "/usr/sbin/runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
`,
		"storage.conf": fmt.Sprintf("[storage]\ndriver = %q\nrunroot = \"/run/images-check\"\ngraphroot = %q\n", driver(w), w.path("graph")),
	}
}

// driver returns the storage driver: overlay where the kernel and the file
// system have it, else vfs, which copies each layer whole.
func driver(w *workplace) string {
	base := w.path("overlay-tried")
	defer func() { _ = os.RemoveAll(base) }()
	for _, dir := range []string{"lower", "upper", "work", "merged"} {
		if err := os.MkdirAll(filepath.Join(base, dir), 0o700); err != nil {
			return "vfs"
		}
	}
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", base)
	if err := syscall.Mount("overlay", filepath.Join(base, "merged"), "overlay", 0, options); err != nil {
		return "vfs"
	}
	_ = syscall.Unmount(filepath.Join(base, "merged"), 0)
	return "overlay"
}

// leavesNothing removes the cgroups of the containers, and returns an error when
// the machine has a firewall rule, a network link, a mount or a process of the
// check.
func (w *workplace) leavesNothing(ctx context.Context) error {
	for _, pattern := range []string{"/sys/fs/cgroup/*/libpod_parent/*", "/sys/fs/cgroup/*/libpod_parent"} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("look for cgroups: %w", err)
		}
		for _, dir := range dirs {
			_ = os.Remove(dir) // one with processes in it stays: it is not ours
		}
	}
	return check("nothing is left on the machine: firewall rules, network links, mounts, processes", func() (string, error) {
		for what, script := range map[string]string{
			"firewall rules": "(iptables-save; ip6tables-save; iptables-legacy-save; nft list ruleset) 2>/dev/null | grep -i netavark",
			"network links":  "ip -oneline link | grep podman",
			"mounts":         "grep -F '" + w.dir + "' /proc/mounts",
			"processes":      "ps -eo args | grep -F '" + w.dir + "' | grep -e conmon -e podman | grep -v grep",
		} {
			out, _ := exec.CommandContext(ctx, "sh", "-c", script).Output() //nolint:gosec // grep fails when it finds nothing
			if len(out) > 0 {
				return "", fmt.Errorf("%s are left:\n%s", what, out)
			}
		}
		return "", nil
	})
}
