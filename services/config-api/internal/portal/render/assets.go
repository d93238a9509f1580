package render

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
)

//go:embed all:static
var staticFiles embed.FS

// assetsPath is where the assets are served.
const assetsPath = "/portal/static/"

// Assets are the style sheet, the scripts and the icon, as they are served.
type Assets struct {
	files map[string]asset
}

// asset is one file, compressed once.
type asset struct {
	kind    string
	plain   []byte
	gzip    []byte
	brotli  func() []byte // the first call takes a moment
	version string        // of its content
}

func loadAssets() (*Assets, error) {
	a := &Assets{files: make(map[string]asset)}
	root, err := fs.Sub(staticFiles, "static")
	if err != nil {
		return nil, fmt.Errorf("open the assets: %w", err)
	}
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		a.files[name], err = newAsset(name, text)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load the assets: %w", err)
	}
	return a, nil
}

func newAsset(name string, text []byte) (asset, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return asset{}, fmt.Errorf("compress %s: %w", name, err)
	}
	if _, err := w.Write(text); err != nil {
		return asset{}, fmt.Errorf("compress %s: %w", name, err)
	}
	if err := w.Close(); err != nil {
		return asset{}, fmt.Errorf("compress %s: %w", name, err)
	}
	sum := sha256.Sum256(text)
	return asset{
		kind: mime.TypeByExtension(path.Ext(name)), plain: text, gzip: b.Bytes(), brotli: sync.OnceValue(func() []byte { return best(text) }),
		version: base64.RawURLEncoding.EncodeToString(sum[:9]),
	}, nil
}

// best compresses text as well as can be.
func best(text []byte) []byte {
	var b bytes.Buffer
	w := brotli.NewWriterLevel(&b, brotli.BestCompression)
	_, _ = w.Write(text) // a buffer never fails
	_ = w.Close()
	return b.Bytes()
}

// URL returns where an asset is served. It changes with the content, so that
// browsers may keep it.
func (a *Assets) URL(name string) string {
	return assetsPath + name + "?v=" + a.files[name].version
}

// Scripts returns the addresses of the scripts that the build took from the npm
// registry; none when it did not.
func (a *Assets) Scripts() []string {
	var list []string
	for _, name := range []string{"vendor/htmx.min.js", "vendor/sse.min.js"} {
		if _, there := a.files[name]; !there {
			return nil
		}
		list = append(list, a.URL(name))
	}
	return list
}

// ServeHTTP serves an asset.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, there := a.files[strings.TrimPrefix(r.URL.Path, assetsPath)]
	if !there {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", `"`+file.version+`"`)
	if r.URL.Query().Get("v") == file.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if r.Header.Get("If-None-Match") == h.Get("ETag") {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := file.plain
	switch encoding := Encoding(r); encoding {
	case Brotli:
		h.Set("Content-Encoding", encoding)
		body = file.brotli()
	case Gzip:
		h.Set("Content-Encoding", encoding)
		body = file.gzip
	}
	_, _ = w.Write(body) // a reader that has left
}
