package machine

import "testing"

func TestParsing(t *testing.T) {
	t.Parallel()
	if got := model("processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\nmodel name\t: other\n"); got != "Some CPU @ 2.0GHz" {
		t.Error(got)
	}
	if got := model(""); got != "unknown" {
		t.Error(got)
	}
	if got := memory("MemFree: 1 kB\nMemTotal:       2048 kB\n"); got != 2<<20 {
		t.Error(got)
	}
	if got := load("1.50 2.00 2.20 1/200 4242\n"); got != 1.5 {
		t.Error(got)
	}
	if m := Describe(); m.Cores < 1 || m.Memory <= 0 || m.Kernel == "" || m.Go == "" {
		t.Errorf("%+v", m)
	}
}
