// Package cases is what every example must say of right and wrong signatures,
// made from the golden signatures that the project's own code is held to.
package cases

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Case is a signature to be checked.
type Case struct {
	Name      string `json:"-"`
	Want      bool   `json:"-"`
	Standard  bool   `json:"standard"` // the scheme: Standard Webhooks, else dialnote's own
	Secret    string `json:"secret"`
	Body      []byte `json:"body"`
	Signature string `json:"signature"`
	ID        string `json:"id"`        // of Standard Webhooks
	Timestamp string `json:"timestamp"` // of Standard Webhooks
	Now       int64  `json:"now"`       // Unix seconds
}

type vector struct {
	Body      string `json:"body"` // a file beside it
	Secret    string `json:"secret"`
	ID        string `json:"webhookId"`
	Timestamp string `json:"webhookTimestamp"`
	DialNote  string `json:"xDialNoteSignature"`
	Standard  string `json:"webhookSignature"`
}

// Load returns the cases of a folder with golden signatures.
func Load(golden string) ([]Case, error) {
	text, err := os.ReadFile(filepath.Join(golden, "signatures.json")) //nolint:gosec // a test's own file
	if err != nil {
		return nil, fmt.Errorf("read golden signatures: %w", err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		return nil, fmt.Errorf("read golden signatures: %w", err)
	}
	var all []Case
	for _, v := range vectors {
		body, err := os.ReadFile(filepath.Join(golden, v.Body)) //nolint:gosec // a test's own file
		if err != nil {
			return nil, fmt.Errorf("read golden body: %w", err)
		}
		now, err := strconv.ParseInt(v.Timestamp, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read golden timestamp: %w", err)
		}
		own := Case{Want: true, Secret: v.Secret, Body: body, Signature: v.DialNote, Now: now}
		standard := Case{
			Want: true, Standard: true, Secret: v.Secret, Body: body, Signature: v.Standard,
			ID: v.ID, Timestamp: v.Timestamp, Now: now,
		}
		all = append(all, variants(v.Body+", dialnote's own", own)...)
		all = append(all, variants(v.Body+", standard", standard)...)
		all = append(all, standardVariants(v.Body, standard)...)
	}
	return all, nil
}

// variants returns c itself, and what is wrong in either scheme.
func variants(name string, c Case) []Case {
	change := func(what string, change func(*Case)) Case {
		changed := c
		changed.Name, changed.Want = name+": "+what, false
		change(&changed)
		return changed
	}
	c.Name = name
	last := len(c.Signature) - 3 // in base64 the last letters hold unused bits
	return []Case{
		c,
		change("a changed body", func(c *Case) { c.Body = append(bytes.Clone(c.Body), ' ') }),
		change("no body", func(c *Case) { c.Body = []byte{} }),
		change("another secret", func(c *Case) { c.Secret = "whsec_" + strings.Repeat("A", 32) }),
		change("no signature", func(c *Case) { c.Signature = "" }),
		change("a changed signature", func(c *Case) {
			c.Signature = c.Signature[:last] + string(c.Signature[last]^1) + c.Signature[last+1:]
		}),
		change("a short signature", func(c *Case) { c.Signature = c.Signature[:last] }),
		change("without its prefix", func(c *Case) { _, c.Signature, _ = strings.Cut(strings.Replace(c.Signature, "v1,", "=", 1), "=") }),
		change("in capitals", func(c *Case) { c.Signature = strings.ToUpper(c.Signature) }),
		change("not ASCII", func(c *Case) { c.Signature = "é" + c.Signature[2:] }),
	}
}

// standardVariants returns what Standard Webhooks has besides.
func standardVariants(name string, c Case) []Case {
	change := func(what string, want bool, change func(*Case)) Case {
		changed := c
		changed.Name, changed.Want = name+", standard: "+what, want
		change(&changed)
		return changed
	}
	other := "v1," + strings.Repeat("A", 43) + "="
	return []Case{
		change("300 seconds old", true, func(c *Case) { c.Now += 300 }),
		change("301 seconds old", false, func(c *Case) { c.Now += 301 }),
		change("300 seconds early", true, func(c *Case) { c.Now -= 300 }),
		change("301 seconds early", false, func(c *Case) { c.Now -= 301 }),
		change("first of two", true, func(c *Case) { c.Signature += " " + other }),
		change("second of two", true, func(c *Case) { c.Signature = other + " " + c.Signature }),
		change("behind another version", true, func(c *Case) { c.Signature = "v1a,x " + c.Signature }),
		change("of another version", false, func(c *Case) { c.Signature = "v2" + c.Signature[2:] }),
		change("another id", false, func(c *Case) { c.ID += "x" }),
		change("no id", false, func(c *Case) { c.ID = "" }),
		change("no time", false, func(c *Case) { c.Timestamp = "" }),
		change("a time that is none", false, func(c *Case) { c.Timestamp += ".0" }),
		change("another time", false, func(c *Case) { c.Timestamp = strconv.FormatInt(c.Now+1, 10) }),
	}
}
