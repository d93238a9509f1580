// Package receivers holds the example receivers: one complete program for each
// language, which verifies the signatures of what it receives. They are tested
// here, explained in docs/receivers, and shown on the settings page.
package receivers

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed node/receiver.js python/receiver.py go/main.go php/receiver.php ruby/receiver.rb
var sources embed.FS

// Example is a receiver in one language.
type Example struct {
	Language string // for people: "Node"
	File     string // its path in this folder: "node/receiver.js"
	Source   string // the whole program

	// Verification is the program's first part: a function for each of the two
	// signature schemes, with what they need.
	Verification string
}

// All returns the examples, in the order in which to show them.
func All() ([]Example, error) {
	all := []Example{
		{Language: "Node", File: "node/receiver.js"},
		{Language: "Python", File: "python/receiver.py"},
		{Language: "Go", File: "go/main.go"},
		{Language: "PHP", File: "php/receiver.php"},
		{Language: "Ruby", File: "ruby/receiver.rb"},
	}
	for i, e := range all {
		text, err := sources.ReadFile(e.File)
		if err != nil {
			return nil, fmt.Errorf("read the example for %s: %w", e.Language, err)
		}
		verification, _, found := strings.Cut(string(text), " --- The receiver ---")
		if !found {
			return nil, fmt.Errorf("the example for %s does not say where its receiver begins", e.Language)
		}
		all[i].Source = string(text)
		all[i].Verification = strings.TrimRight(verification, "/# \n") + "\n"
	}
	return all, nil
}
