package cli_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/cli"
)

func demo() cli.Program {
	greet := func(word string) func(*flag.FlagSet) cli.Run {
		return func(flags *flag.FlagSet) cli.Run {
			loud := flags.Bool("loud", false, "shout")
			return func(_ context.Context, c cli.Call) error {
				_, _ = fmt.Fprintln(c.Out, word, *loud, c.Args)
				return nil
			}
		}
	}
	ends := func(err error) func(*flag.FlagSet) cli.Run {
		return func(*flag.FlagSet) cli.Run { return func(context.Context, cli.Call) error { return err } }
	}
	return cli.Program{
		Name: "demo", About: "demo greets.",
		Commands: []cli.Command{
			{Name: "greet", Summary: "Greet.", Flags: greet("hello")},
			{Name: "greet all", Args: "NAME…", Summary: "Greet some.", Help: "One after the other.", Flags: greet("hello all")},
			{Name: "greet any", Args: "[NAME]", Summary: "Greet one.", Flags: greet("hello any")},
			{Name: "fail", Summary: "Fail.", Flags: ends(errors.New("out of order"))},
			{Name: "complain", Summary: "Fail.", Flags: ends(cli.ErrSaid)},
			{Name: "read", Summary: "Read.", Needs: []string{"DATABASE_URL", "NATS_URL"}, Flags: greet("read")},
		},
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args      string
		code      int
		out, errs string // what is in them; "" for nothing at all
	}{
		{"greet", 0, "hello false []\n", ""},
		{"greet -loud", 0, "hello true []\n", ""},
		{"greet all -loud a b", 0, "hello all true [a b]\n", ""},
		{"greet any", 0, "hello any false []\n", ""},
		{"greet any a", 0, "hello any false [a]\n", ""},
		{"greet all", 2, "", "NAME… is missing"},
		{"greet loudly", 2, "", `"loudly" is not a flag`},
		{"greet -quiet", 2, "", "flag provided but not defined: -quiet"},
		{"greet all -h", 0, "Greet some.\n\n  demo greet all [flags] NAME…\n\nOne after the other.\n\nFlags:\n  -loud\n", ""},
		{"read --help", 0, "Needs DIALNOTE_DATABASE_URL, DIALNOTE_NATS_URL.", ""},
		{"read", 1, "", "DIALNOTE_NATS_URL is not set"},
		{"fail", 1, "", "demo: out of order\n"},
		{"complain", 1, "", ""},
		{"sing", 2, "", `there is no command "sing"`},
		{"help", 0, "demo greets.\n", ""},
		{"--help", 0, "  demo greet any  Greet one.\n", ""},
		{"version", 0, "demo " + cli.Version() + "\n", ""},
	} {
		var out, errs bytes.Buffer
		code := demo().Run(t.Context(), strings.Fields(c.args), nil, &out, &errs)
		if code != c.code || !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.errs) ||
			c.out == "" && out.Len() > 0 || c.errs == "" && errs.Len() > 0 {
			t.Errorf("%s ended with %d\nout: %s\nerr: %s", c.args, code, &out, &errs)
		}
	}
}

// Of a wrong command only those near to it are shown.
func TestAWrongCommandShowsItsLike(t *testing.T) {
	t.Parallel()
	p := demo()
	p.Commands = p.Commands[1:] // without the command that takes any word for a flag
	var errs bytes.Buffer
	if code := p.Run(t.Context(), []string{"greet"}, nil, &errs, &errs); code != 2 || strings.Contains(errs.String(), "demo fail") || !strings.Contains(errs.String(), "demo greet all") {
		t.Errorf("%d: %s", code, &errs)
	}
}
