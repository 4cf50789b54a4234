package main

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/parley-net/parley/core"
)

func diffCommand() *command {
	return &command{
		name: "diff", args: "URL MATCH T1 T2",
		summary: "Show what changed in a match between two moments, and what happened", help: storeHelp + "\n\n" +
			"T1 and T2 are ticks, such as 1200, or times, such as 2030-01-31T18:30:00Z. What counts is the last snapshot\nbefore each.",
		run: func(ctx context.Context, args []string, out io.Writer) error {
			if len(args) != 4 {
				return errUsage
			}
			var when [2]moment
			for i := range when {
				var err error
				if when[i], err = parseMoment(args[2+i]); err != nil {
					return err
				}
			}
			return withStore(ctx, args[0], func(s store) error {
				var worlds [2]world
				for i, m := range when {
					var err error
					if worlds[i], err = worldAt(ctx, s, args[1], m); err != nil {
						return err
					}
				}
				if err := diffWorlds(out, worlds[0], worlds[1]); err != nil {
					return err
				}
				return showEvents(ctx, out, s, worlds[0], worlds[1])
			})
		},
	}
}

// diffWorlds prints what became of each object.
func diffWorlds(out io.Writer, a, b world) error {
	for i, w := range []world{a, b} {
		fmt.Fprintf(out, "%s %s, epoch %d, tick %d, %s: %d objects\n", []string{"from", "to  "}[i], w.Match, w.Epoch, w.Tick, w.Time.Format(time.RFC3339Nano), len(w.objects))
	}
	fmt.Fprintln(out)
	before := make(map[uint64]core.ObjectState, len(a.objects))
	for _, o := range a.objects {
		before[o.ID] = o
	}
	t := newTable(out)
	changes := 0
	line := func(sign string, o core.ObjectState, what string) {
		changes++
		fmt.Fprintf(t, "%s %s %d\t%s\n", sign, o.Class, o.ID, what)
	}
	for _, o := range b.objects {
		old, known := before[o.ID]
		delete(before, o.ID)
		if known && old.Class != o.Class {
			line("-", old, "")
			known = false
		}
		if !known {
			line("+", o, "of "+ownerName(o.Owner))
			for _, f := range o.Fields {
				line(" ", o, f.Name+" = "+valueText(f.Value))
			}
			continue
		}
		for _, c := range objectChanges(old, o) {
			line("~", o, c)
		}
	}
	for _, o := range a.objects {
		if _, gone := before[o.ID]; gone {
			line("-", o, "of "+ownerName(o.Owner))
		}
	}
	if changes == 0 {
		fmt.Fprintln(out, "nothing changed")
	}
	return t.Flush()
}

// objectChanges returns what differs between two states of one object.
func objectChanges(a, b core.ObjectState) (out []string) {
	if a.Owner != b.Owner {
		out = append(out, fmt.Sprintf("owner %s → %s", ownerName(a.Owner), ownerName(b.Owner)))
	}
	if a.Alive != b.Alive {
		out = append(out, fmt.Sprintf("alive %s → %s", yesNo(a.Alive), yesNo(b.Alive)))
	}
	old := make(map[string]any, len(a.Fields))
	for _, f := range a.Fields {
		old[f.Name] = f.Value
	}
	for _, f := range b.Fields {
		v, known := old[f.Name]
		delete(old, f.Name)
		if !known {
			out = append(out, fmt.Sprintf("%s is new: %s", f.Name, valueText(f.Value)))
		} else if !same(v, f.Value) {
			out = append(out, fmt.Sprintf("%s %s → %s", f.Name, valueText(v), valueText(f.Value)))
		}
	}
	for _, f := range a.Fields {
		if _, gone := old[f.Name]; gone {
			out = append(out, f.Name+" is gone")
		}
	}
	return out
}

// same reports whether two values are equal; of times the moment counts, and NaN is NaN.
func same(a, b any) bool {
	if x, ok := a.(time.Time); ok {
		y, ok := b.(time.Time)
		return ok && x.Equal(y)
	}
	if x, ok := a.(float64); ok && x != x {
		y, ok := b.(float64)
		return ok && y != y
	}
	return reflect.DeepEqual(a, b)
}

// showEvents prints what happened between two snapshots.
func showEvents(ctx context.Context, out io.Writer, s store, a, b world) error {
	if a.Epoch > b.Epoch || a.Epoch == b.Epoch && a.Tick > b.Tick {
		a, b = b, a
	}
	t := newTable(out)
	title := "\nEVENTS\n"
	for e, err := range s.Events(ctx, a.Match, min(a.Tick, b.Tick), max(a.Tick, b.Tick)) {
		if err != nil {
			return err
		}
		if e.Epoch < a.Epoch || e.Epoch > b.Epoch || e.Epoch == a.Epoch && e.Tick <= a.Tick {
			continue
		}
		fmt.Fprint(t, title)
		title = ""
		who := ""
		if e.Player != 0 {
			who = ownerName(e.Player)
		}
		data := ""
		if len(e.Data) > 0 {
			data = valueText(e.Data)
		}
		fmt.Fprintf(t, "  %d\t%s\t%s\t%s\t%s\n", e.Tick, e.Time.Format("15:04:05.000"), e.Kind, who, data)
	}
	return t.Flush()
}
