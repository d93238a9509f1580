package fault

import "testing"

func TestKindsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	for k := Internal; k <= Unavailable; k++ {
		if name := k.String(); name == "" || ParseKind(name) != k {
			t.Errorf("kind %d is %q, which is kind %d", k, name, ParseKind(name))
		}
	}
	if (Unavailable+1).String() != "" || ParseKind("teapot") != Internal {
		t.Error("there is a kind too many")
	}
}
