// Command licences finishes what is shipped with a release: it sets the version
// in the bills of materials, which the tool that makes them reads off git, and
// writes the licences of everything in them, word for word, into one file. It
// fails when something has none.
//
//	licences -version 0.1.0 -out LICENCES.txt -also DIR… BOM.cdx.json…
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

const (
	ours = "github.com/dialnote/webhooks/"
	std  = "std"
)

func main() {
	version := flag.String("version", "", "the release's version")
	out := flag.String("out", "", "the file to write")
	var also []string
	flag.Func("also", "a `folder` that is shipped too and has a licence: a package from npm; may be repeated", func(dir string) error {
		also = append(also, dir)
		return nil
	})
	flag.Parse()
	if err := run(*version, *out, also, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run(version, out string, also, boms []string) error {
	if version == "" || out == "" || len(boms) == 0 {
		return errors.New("usage: licences -version VERSION -out FILE [-also DIR…] BOM…")
	}
	folders := map[string]string{}
	for _, bom := range boms {
		modules, err := finish(bom, version)
		if err != nil {
			return err
		}
		for _, m := range modules {
			if folders[m], err = folder(m); err != nil {
				return err
			}
		}
	}
	for _, dir := range also {
		folders["npm "+filepath.Base(dir)] = dir
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "dialnote webhooks %s is made of what follows, each under its own licence.\n", version)
	for _, name := range slices.Sorted(maps.Keys(folders)) {
		texts, err := licences(folders[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&text, "\n%s\n%s\n\n%s", strings.Repeat("=", 78), name, texts)
	}
	if err := os.WriteFile(out, text.Bytes(), 0o644); err != nil { //nolint:gosec // it is for everybody
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// finish sets the version of what is ours in a bill of materials, and returns
// the modules of others, as name@version.
func finish(bom, version string) ([]string, error) {
	text, err := os.ReadFile(bom) //nolint:gosec // the file that was named
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	var content struct {
		Components []struct{ Name, Version string }
		Metadata   struct{ Component struct{ Version string } }
	}
	if err := json.Unmarshal(text, &content); err != nil {
		return nil, fmt.Errorf("%s: %w", bom, err)
	}
	var modules []string
	for _, c := range content.Components {
		if strings.HasPrefix(c.Name, ours) {
			text = bytes.ReplaceAll(text, []byte(c.Version), []byte("v"+version))
			continue
		}
		modules = append(modules, c.Name+"@"+c.Version)
	}
	if own := content.Metadata.Component.Version; own != "" {
		text = bytes.ReplaceAll(text, []byte(own), []byte("v"+version))
	}
	if err := os.WriteFile(bom, text, 0o644); err != nil { //nolint:gosec // it is for everybody
		return nil, fmt.Errorf("write: %w", err)
	}
	return modules, nil
}

// folder returns where a module's files are.
func folder(module string) (string, error) {
	if strings.HasPrefix(module, std+"@") {
		out, err := exec.Command("go", "env", "GOROOT").Output() //nolint:noctx // nothing to cut short
		if err != nil {
			return "", fmt.Errorf("find %s: %w", runtime.Version(), err)
		}
		return strings.TrimSpace(string(out)), nil
	}
	out, err := exec.Command("go", "mod", "download", "-json", module).Output() //nolint:gosec,noctx // a module of ours
	if err != nil {
		return "", fmt.Errorf("find %s: %w", module, err)
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(out, &found); err != nil {
		return "", fmt.Errorf("find %s: %w", module, err)
	}
	return found.Dir, nil
}

// licences returns the texts of a folder's licences and notices.
func licences(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("look for a licence: %w", err)
	}
	var texts strings.Builder
	licensed := false
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		licence := strings.HasPrefix(name, "LICEN") || strings.HasPrefix(name, "COPYING")
		if e.IsDir() || !licence && !strings.HasPrefix(name, "NOTICE") && !strings.HasPrefix(name, "PATENTS") {
			continue
		}
		licensed = licensed || licence
		text, err := os.ReadFile(filepath.Join(dir, e.Name())) //nolint:gosec // found there
		if err != nil {
			return "", fmt.Errorf("read a licence: %w", err)
		}
		fmt.Fprintf(&texts, "%s\n", bytes.TrimSpace(text))
	}
	if !licensed {
		return "", errors.New("it has no licence: what may be done with it is not known")
	}
	return texts.String(), nil
}
