package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
)

// command is one thing that parley does. To add one, write it in a file of its own
// and list it in commands.
type command struct {
	name    string
	args    string // as the usage line shows them
	summary string // one line
	help    string // what else there is to say
	flags   func(*flag.FlagSet)
	run     func(ctx context.Context, args []string, out io.Writer) error
}

// errUsage is returned by a command whose arguments do not fit.
var errUsage = errors.New("wrong arguments")

func commands() []*command {
	return []*command{keyCommand(), pingCommand(), matchesCommand(), showCommand(), diffCommand(), versionCommand()}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs one command and returns the exit status: 0, 1 for a failure, 2 for wrong
// usage.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	if len(args) == 0 || args[0] == "help" && len(args) == 1 || args[0] == "-h" || args[0] == "--help" || args[0] == "-help" {
		overview(out)
		return 0
	}
	name, args := args[0], args[1:]
	help := name == "help"
	if help {
		name, args = args[0], nil
	}
	for _, c := range commands() {
		if c.name != name {
			continue
		}
		flags := flag.NewFlagSet("parley "+name, flag.ContinueOnError)
		flags.SetOutput(errOut)
		flags.Usage = func() { c.usage(flags, flags.Output()) }
		if c.flags != nil {
			c.flags(flags)
		}
		if help {
			flags.SetOutput(out)
			flags.Usage()
			return 0
		}
		if err := flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return 0
			}
			return 2
		}
		err := c.run(ctx, flags.Args(), out)
		switch {
		case errors.Is(err, errUsage):
			flags.Usage()
			return 2
		case err != nil:
			fmt.Fprintf(errOut, "parley %s: %v\n", name, err)
			return 1
		}
		return 0
	}
	fmt.Fprintf(errOut, "parley: there is no command %q; parley help lists them\n", name)
	return 2
}

func overview(out io.Writer) {
	fmt.Fprint(out, "parley: for those who make and run games with parley\n\n")
	for _, c := range commands() {
		fmt.Fprintf(out, "  parley %-30s %s\n", c.name+" "+c.args, c.summary)
	}
	fmt.Fprintf(out, "  parley %-30s %s\n", "help [COMMAND]", "Show how a command is used")
}

func (c *command) usage(flags *flag.FlagSet, out io.Writer) {
	fmt.Fprintf(out, "usage: parley %s %s\n\n%s.\n", c.name, c.args, c.summary)
	if c.help != "" {
		fmt.Fprintf(out, "%s\n", c.help)
	}
	flags.PrintDefaults()
}

func versionCommand() *command {
	return &command{
		name: "version", summary: "Print the version of this command",
		run: func(_ context.Context, args []string, out io.Writer) error {
			if len(args) > 0 {
				return errUsage
			}
			version := "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				version = info.Main.Version + " " + info.GoVersion
			}
			fmt.Fprintln(out, "parley", version)
			return nil
		},
	}
}
