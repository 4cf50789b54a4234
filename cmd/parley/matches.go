package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/parley-net/parley/core"
)

func matchesCommand() *command {
	return &command{
		name: "matches", args: "URL",
		summary: "List the matches of a store, with their last snapshots", help: storeHelp,
		run: func(ctx context.Context, args []string, out io.Writer) error {
			if len(args) != 1 {
				return errUsage
			}
			return withStore(ctx, args[0], func(s store) error { return listMatches(ctx, s, out) })
		},
	}
}

func listMatches(ctx context.Context, s store, out io.Writer) error {
	names, err := s.Matches(ctx)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		fmt.Fprintln(out, "no matches")
		return nil
	}
	t := newTable(out)
	fmt.Fprintln(t, "MATCH\tEPOCH\tTICK\tTIME\tOBJECTS")
	for _, name := range names {
		x, err := s.Latest(ctx, name)
		switch {
		case errors.Is(err, core.ErrNotFound):
			fmt.Fprintf(t, "%s\t\t\tno snapshot\t\n", name)
			continue
		case err != nil:
			return err
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%d\n", name, x.Epoch, x.Tick, x.Time.Format(time.RFC3339), len(hold(x).objects))
	}
	return t.Flush()
}

func showCommand() *command {
	var at string
	return &command{
		name: "show", args: "[-at TICK|TIME] URL MATCH",
		summary: "Show the world of a match, as it was in its last snapshot or in the last one before a moment", help: storeHelp,
		flags: func(f *flag.FlagSet) {
			f.StringVar(&at, "at", "", "a tick, such as 1200, or a time, such as 2030-01-31T18:30:00Z; empty is the end")
		},
		run: func(ctx context.Context, args []string, out io.Writer) error {
			if len(args) != 2 {
				return errUsage
			}
			m, err := parseMoment(at)
			if err != nil {
				return err
			}
			return withStore(ctx, args[0], func(s store) error {
				w, err := worldAt(ctx, s, args[1], m)
				if err != nil {
					return err
				}
				return showWorld(out, w)
			})
		},
	}
}

// showWorld prints a table for each class.
func showWorld(out io.Writer, w world) error {
	fmt.Fprintf(out, "%s, epoch %d, tick %d, %s: %d objects\n", w.Match, w.Epoch, w.Tick, w.Time.Format(time.RFC3339Nano), len(w.objects))
	var classes []string
	for _, o := range w.objects {
		if !slices.Contains(classes, o.Class) {
			classes = append(classes, o.Class)
		}
	}
	slices.Sort(classes)
	for _, class := range classes {
		var fields []string
		for _, o := range w.objects {
			for _, f := range o.Fields {
				if o.Class == class && !slices.Contains(fields, f.Name) {
					fields = append(fields, f.Name)
				}
			}
		}
		fmt.Fprintf(out, "\n%s\n", class)
		t := newTable(out)
		fmt.Fprint(t, "  ID\tOWNER\tALIVE")
		for _, name := range fields {
			fmt.Fprintf(t, "\t%s", name)
		}
		fmt.Fprintln(t)
		for _, o := range w.objects {
			if o.Class != class {
				continue
			}
			fmt.Fprintf(t, "  %d\t%s\t%s", o.ID, ownerName(o.Owner), yesNo(o.Alive))
			for _, name := range fields {
				fmt.Fprint(t, "\t")
				if i := slices.IndexFunc(o.Fields, func(f core.Field) bool { return f.Name == name }); i >= 0 {
					fmt.Fprint(t, valueText(o.Fields[i].Value))
				}
			}
			fmt.Fprintln(t)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func newTable(out io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(out, 0, 0, 2, ' ', 0) }

func ownerName(owner uint32) string {
	if owner == 0 {
		return "server"
	}
	return fmt.Sprint("player ", owner)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
