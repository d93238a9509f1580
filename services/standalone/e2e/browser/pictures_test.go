package browser_test

import (
	"cmp"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// TestScreenshots makes the documentation's pictures when SCREENSHOTS names a
// folder.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return // make screenshots asks for them
	}
	taken := t.TempDir() // the folder also has pictures that are not the page's
	node(t, []string{"STORYBOOK=" + storybook(t, programs(t)), "SCREENSHOTS=" + taken}, "screenshots.mjs")
	pictures, err := filepath.Glob(filepath.Join(taken, "*.png"))
	if err != nil || len(pictures) == 0 {
		t.Fatalf("no pictures: %v", err)
	}
	for _, picture := range pictures {
		shrink(t, picture, filepath.Join(folder, filepath.Base(picture)))
	}
}

// shrink writes a picture with 256 colours: a page has hardly more, and the file is
// a third as large.
func shrink(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(in)
	_ = in.Close()
	if err != nil {
		t.Fatal(err)
	}
	bounds := picture.Bounds()
	counts := make(map[color.RGBA]int)
	at := func(x, y int) color.RGBA {
		c, _ := color.RGBAModel.Convert(picture.At(x, y)).(color.RGBA)
		return c
	}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			counts[at(x, y)]++
		}
	}
	small := image.NewPaletted(bounds, palette(counts))
	nearest := make(map[color.RGBA]uint8, len(counts))
	for c := range counts {
		nearest[c] = uint8(small.Palette.Index(c))
	}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			small.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(out, small); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// palette returns 256 of the colours: one after another the one that would lose
// most without an own place, counted by its pixels and its distance from those
// chosen before.
func palette(counts map[color.RGBA]int) color.Palette {
	lost := make(map[color.RGBA]float64, len(counts))
	for c, n := range counts {
		lost[c] = float64(n) * 1e6
	}
	var chosen color.Palette
	for len(chosen) < min(256, len(counts)) {
		var next color.RGBA
		most := -1.0
		for c, loss := range lost {
			if loss > most || loss == most && less(c, next) {
				next, most = c, loss
			}
		}
		chosen = append(chosen, next)
		for c, loss := range lost {
			lost[c] = min(loss, float64(counts[c])*distance(c, next))
		}
	}
	return chosen
}

func distance(a, b color.RGBA) float64 {
	part := func(x, y uint8) float64 { return (float64(x) - float64(y)) * (float64(x) - float64(y)) }
	return part(a.R, b.R) + part(a.G, b.G) + part(a.B, b.B)
}

func less(a, b color.RGBA) bool {
	return cmp.Or(cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B)) < 0
}
