package contract

import (
	"strings"
	"testing"
)

// What a parameter's pattern takes without asking the schema is what the schema
// takes.
func TestPatternsAgreeWithTheirSchemas(t *testing.T) {
	t.Parallel()
	d := load(t)
	quick := map[string]bool{}
	for _, op := range d.Operations() {
		for _, p := range op.Parameters {
			if p.pattern == nil {
				continue
			}
			quick[p.In+" "+p.Name] = true
			example := p.Spec.Text("example")
			for _, value := range []string{
				example, example + "\n", example + " ", "", "acme", "a.b", "ü", "\xff", "wh_01jd9v7q6w3k8m5n2p4r6t8v0x",
				strings.Repeat("a", 64), strings.Repeat("a", 65), strings.Repeat("a", 129), strings.ToUpper(example),
			} {
				if takes := p.schema.Validate(value) == nil; p.pattern.MatchString(value) != takes {
					t.Errorf("%s %s: its schema takes %q: %t, its pattern does not agree", op.ID, p.Name, value, takes)
				}
			}
		}
	}
	for _, name := range []string{"path org", "path id"} {
		if !quick[name] {
			t.Errorf("%s is validated the long way", name)
		}
	}
}
