package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dialnote/webhooks/pkg/config"
)

// Exit codes.
const (
	exitFailed = 1 // the command failed
	exitUsage  = 2 // the command line is wrong
)

// ErrSaid ends a command that failed and has already printed why.
var ErrSaid = errors.New("without success")

// UsageError says what is wrong with a command line.
type UsageError string

// Error returns the text.
func (e UsageError) Error() string { return string(e) }

// Call is a command as it was called.
type Call struct {
	Environ  map[string]string // the environment's variables
	Settings config.Settings   // read from the environment; zero for a command that needs none
	Args     []string          // the arguments after the flags
	Out      io.Writer         // for the result
	Err      io.Writer         // for everything else
}

// Run runs a command until it is done or ctx ends.
type Run func(ctx context.Context, c Call) error

// Command is a command of a program.
type Command struct {
	Name    string // as it is typed, like "rejected list"
	Args    string // what it takes after its flags, like "SEQUENCE…"; "" for nothing
	Summary string // one line
	Help    string // more lines of help; "" for none

	// Needs are the settings that must be there, as config.Load takes them. A nil
	// list leaves the settings unread, an empty one reads what is there.
	Needs []string

	// Flags adds the command's flags to a set, and returns the function that runs
	// the command once they are parsed.
	Flags func(*flag.FlagSet) Run
}

// Program is what a main runs.
type Program struct {
	Name     string
	About    string // one or two sentences
	Commands []Command

	// Serve is what the program does when it is called without a command: until
	// ctx ends, and then at once when hardStop ends, as Signals says.
	Serve func(ctx, hardStop context.Context, environ map[string]string) error
}

// Main runs the program for these arguments and returns the code to exit with:
// 0, 1 when it failed, 2 when the command line is wrong.
func (p Program) Main(args []string, environ map[string]string, out, errs io.Writer) int {
	ctx, hardStop, stop := Signals()
	defer stop()
	if len(args) == 0 {
		return p.code(p.Serve(ctx, hardStop, environ), Printable(errs))
	}
	return p.Run(ctx, args, environ, out, errs)
}

// Run runs a command and returns the code to exit with. It ends with ctx. What is
// printed is Printable.
func (p Program) Run(ctx context.Context, args []string, environ map[string]string, out, errs io.Writer) int {
	out, errs = Printable(out), Printable(errs)
	switch args[0] {
	case "help", "-h", "-help", "--help":
		_, _ = io.WriteString(out, p.usage(p.Commands))
		return 0
	case "version", "-version", "--version":
		_, _ = fmt.Fprintln(out, p.Name, build())
		return 0
	}
	command, rest, found := p.find(args)
	if !found {
		_, _ = fmt.Fprintf(errs, "%s: there is no command %q\n\n%s", p.Name, strings.Join(args, " "), p.usage(p.near(args[0])))
		return exitUsage
	}
	return p.call(ctx, command, rest, Call{Environ: environ, Out: out, Err: errs})
}

// find returns the command with the longest name that the arguments begin with,
// and the arguments after it.
func (p Program) find(args []string) (found Command, rest []string, ok bool) {
	for _, c := range p.Commands {
		words := strings.Fields(c.Name)
		if len(words) <= len(args) && slices.Equal(words, args[:len(words)]) && len(c.Name) > len(found.Name) {
			found, rest, ok = c, args[len(words):], true
		}
	}
	return found, rest, ok
}

// near returns the commands whose name begins with a word, or all when none
// does.
func (p Program) near(word string) []Command {
	var some []Command
	for _, c := range p.Commands {
		if first, _, _ := strings.Cut(c.Name, " "); first == word {
			some = append(some, c)
		}
	}
	if len(some) == 0 {
		return p.Commands
	}
	return some
}

func (p Program) call(ctx context.Context, command Command, args []string, c Call) int {
	flags := flag.NewFlagSet(p.Name+" "+command.Name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error is printed below, with the manual
	run := command.Flags(flags)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(c.Out, p.manual(command, flags))
		return 0
	case err == nil && command.Args == "" && flags.NArg() > 0:
		err = fmt.Errorf("%q is not a flag", flags.Arg(0))
	case err == nil && command.Args != "" && flags.NArg() == 0 && !strings.HasPrefix(command.Args, "["):
		err = fmt.Errorf("%s is missing", command.Args)
	}
	misused := func(err error) int {
		_, _ = fmt.Fprintf(c.Err, "%s %s: %v\n\n%s", p.Name, command.Name, err, p.manual(command, flags))
		return exitUsage
	}
	if err != nil {
		return misused(err)
	}
	c.Args = flags.Args()
	if command.Needs != nil {
		if c.Settings, err = config.Load(c.Environ, command.Needs...); err != nil {
			return p.code(err, c.Err)
		}
	}
	err = run(ctx, c)
	if usage, is := errors.AsType[UsageError](err); is {
		return misused(usage)
	}
	return p.code(err, c.Err)
}

func (p Program) code(err error, errs io.Writer) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrSaid):
	default:
		_, _ = fmt.Fprintf(errs, "%s: %v\n", p.Name, err)
	}
	return exitFailed
}

// usage returns the program's short manual, with the given commands.
func (p Program) usage(commands []Command) string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%s\n\nWithout a command it serves, until a signal stops it. Its settings are environment\nvariables: docs/settings.md lists them.\n", p.About)
	if len(commands) == 0 {
		return b.String()
	}
	_, _ = fmt.Fprintf(&b, "\nCommands:\n\n")
	width := 0
	for _, c := range commands {
		width = max(width, len(c.Name))
	}
	for _, c := range commands {
		_, _ = fmt.Fprintf(&b, "  %s %-*s  %s\n", p.Name, width, c.Name, c.Summary)
	}
	_, _ = fmt.Fprintf(&b, "\n\"%s COMMAND --help\" says more of each.\n", p.Name)
	return b.String()
}

// manual returns the whole manual of a command.
func (p Program) manual(c Command, flags *flag.FlagSet) string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%s\n\n  %s %s", c.Summary, p.Name, c.Name)
	any := false
	flags.VisitAll(func(*flag.Flag) { any = true })
	if any {
		_, _ = b.WriteString(" [flags]")
	}
	_, _ = fmt.Fprintf(&b, "%s\n", strings.TrimRight(" "+c.Args, " "))
	if c.Help != "" {
		_, _ = fmt.Fprintf(&b, "\n%s\n", c.Help)
	}
	if any {
		_, _ = b.WriteString("\nFlags:\n")
		flags.SetOutput(&b)
		flags.PrintDefaults()
		flags.SetOutput(io.Discard)
	}
	if len(c.Needs) > 0 {
		_, _ = fmt.Fprintf(&b, "\nNeeds %s%s.\n", config.Prefix, strings.Join(c.Needs, ", "+config.Prefix))
	}
	return b.String()
}
