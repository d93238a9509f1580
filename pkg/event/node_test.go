package event_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// node runs a script in one Node process. Each input is a line of base64 on
// its standard input, each answer a line of its standard output.
func node(t *testing.T, script string, inputs [][]byte) []string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("these tests compare with real Node, which must be installed: %v", err)
	}
	var in bytes.Buffer
	for _, input := range inputs {
		in.WriteString(base64.StdEncoding.EncodeToString(input))
		in.WriteByte('\n')
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-e", script)
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run node: %v", err)
	}
	var answers []string
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		answers = append(answers, lines.Text())
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("read node's answers: %v", err)
	}
	if len(answers) != len(inputs) {
		t.Fatalf("node gave %d answers to %d inputs", len(answers), len(inputs))
	}
	return answers
}

// stringify answers each text with the base64 of JSON.stringify(JSON.parse()),
// or with "refused".
const stringify = `
const lines = require('fs').readFileSync(0, 'latin1').split('\n').slice(0, -1);
process.stdout.write(lines.map((line) => {
  const text = Buffer.from(line, 'base64').toString('utf8');
  let value;
  try { value = JSON.parse(text); } catch { return 'refused\n'; }
  return Buffer.from(JSON.stringify(value), 'utf8').toString('base64') + '\n';
}).join(''));
`

// random returns a generator with a new seed, or the one in TEST_SEED. The
// seed is printed when the test fails.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if given := os.Getenv("TEST_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("TEST_SEED: %v", err)
		}
	}
	t.Logf("to repeat: TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
