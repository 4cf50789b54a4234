package conformance

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
)

// renamed makes a mutant that stores matches under other names and gives readers
// the names that they asked for.
func renamed(rename func(match string) string) sinkSpoil {
	return func(d *sinkDouble, _ *mem.Store) {
		d.eachKey(func(s *core.Snapshot) { s.Match = rename(s.Match) })
		d.eachEvent(func(e *core.Event) { e.Match = rename(e.Match) })
		snapshots, events := d.snapshots, d.events
		d.snapshots = func(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Snapshot, error] {
			return sinkReread(snapshots(ctx, rename(match), from, to), func(list []core.Snapshot) []core.Snapshot {
				for i := range list {
					list[i].Match = match
				}
				return list
			})
		}
		d.events = func(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Event, error] {
			return sinkReread(events(ctx, rename(match), from, to), func(list []core.Event) []core.Event {
				for i := range list {
					list[i].Match = match
				}
				return list
			})
		}
	}
}

var sinkKeyMutants = []sinkMutant{
	{law: "Keys/OddNames", says: "cannot tell upper from lower case", spoil: renamed(strings.ToLower)},
	{law: "Keys/OddNames", says: "writes slashes as underscores and takes the first 255 bytes", spoil: renamed(func(m string) string {
		m = strings.ReplaceAll(m, "/", "_")
		return m[:min(len(m), 255)]
	})},
	{law: "Keys/OddNames", says: "refuses names with a dollar", spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.snapshot
		d.snapshot = func(ctx context.Context, s core.Snapshot) error {
			if strings.Contains(s.Match, "$") {
				return core.Errorf(core.ErrUnsupported, "bad name")
			}
			return next(ctx, s)
		}
	}},
	{law: "Keys/Apart", says: "finds a match by how its name begins", spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.snapshots
		d.snapshots = func(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Snapshot, error] {
			return func(yield func(core.Snapshot, error) bool) {
				names, _ := d.Sink.Matches(ctx)
				for _, name := range names {
					if name != match && !strings.HasPrefix(name, match+"/") {
						continue
					}
					for s, err := range next(ctx, name, from, to) {
						s.Match = match
						if !yield(s, err) {
							return
						}
					}
				}
			}
		}
	}},
	{law: "Keys/Apart", says: "puts a match with 1 at the end into the one without", spoil: renamed(func(m string) string { return strings.TrimSuffix(m, "/1") })},
	{law: "Keys/Extremes", says: "passes ticks through float64", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.eachKey(func(s *core.Snapshot) { s.Tick = uint64(float64(s.Tick)) })
	}},
	{law: "Keys/Extremes", says: "orders epochs as signed numbers", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.readEvents(func(list []core.Event) []core.Event {
			slices.SortStableFunc(list, func(a, b core.Event) int { return cmp.Compare(int64(a.Epoch), int64(b.Epoch)) })
			return list
		})
	}},
	{law: "Keys/TwoMatches", says: "remembers one match for all writes under way", spoil: func(d *sinkDouble, _ *mem.Store) {
		var match atomic.Pointer[string]
		d.eachKey(func(s *core.Snapshot) {
			own := s.Match
			match.Store(&own)
			time.Sleep(500 * time.Microsecond)
			s.Match = *match.Load()
		})
	}},
	{law: "Epoch/Apart", says: "has no epoch in its key of events", spoil: func(d *sinkDouble, _ *mem.Store) { d.eachEvent(func(e *core.Event) { e.Epoch = 0 }) }},
	{law: "Epoch/Latest", says: "takes the highest tick for the latest", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.latest = func(ctx context.Context, match string) (core.Snapshot, error) {
			var best core.Snapshot
			for s, err := range d.Sink.Snapshots(ctx, match, 0, sinkEnd) {
				if err != nil {
					return s, err
				}
				if s.Tick >= best.Tick {
					best = s
				}
			}
			return best, nil
		}
	}},
	{law: "Epoch/Latest", says: "takes the last that was written for the latest", spoil: func(d *sinkDouble, _ *mem.Store) {
		var last core.Snapshot
		d.eachKey(func(s *core.Snapshot) { last = *s })
		d.latest = func(context.Context, string) (core.Snapshot, error) { return last, nil }
	}},
}

var sinkReadMutants = []sinkMutant{
	{law: "Read/Ranges", says: "leaves the last tick of a range out", spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.snapshots
		d.snapshots = func(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Snapshot, error] {
			return next(ctx, match, from, max(to, 1)-1)
		}
	}},
	{law: "Read/Ranges", says: "takes the range of ticks for one of numbers", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.events = func(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Event, error] {
			return sinkReread(d.Sink.Events(ctx, match, 0, sinkEnd), func(list []core.Event) []core.Event {
				return slices.DeleteFunc(list, func(e core.Event) bool { return e.Seq < from || e.Seq > to })
			})
		}
	}},
	{law: "Read/NotFound", says: "has an empty snapshot for every match", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.latest = func(ctx context.Context, match string) (core.Snapshot, error) {
			s, err := d.Sink.Latest(ctx, match)
			if errors.Is(err, core.ErrNotFound) {
				return core.Snapshot{}, nil
			}
			return s, err
		}
	}},
	{law: "Read/NotFound", says: "says in words only that there is none", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.latest = func(ctx context.Context, match string) (core.Snapshot, error) {
			s, err := d.Sink.Latest(ctx, match)
			if err != nil {
				err = errors.New(err.Error())
			}
			return s, err
		}
	}},
	{law: "Read/Matches", says: "names matches in descending order", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.matches = func(ctx context.Context) ([]string, error) {
			names, err := d.Sink.Matches(ctx)
			slices.Reverse(names)
			return names, err
		}
	}},
	{law: "Read/Matches", says: "names a match once for each epoch", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.matches = func(ctx context.Context) (out []string, err error) {
			names, err := d.Sink.Matches(ctx)
			for _, name := range names {
				out = append(out, name, name)
			}
			return out, err
		}
	}},
	{law: "Read/OwnCopy", says: "hands out the events that it keeps", spoil: func(d *sinkDouble, _ *mem.Store) {
		var kept []core.Event
		d.readEvents(func(list []core.Event) []core.Event {
			if kept == nil {
				kept = list
			}
			return kept
		})
	}},
	{law: "Read/OwnCopy", says: "hands out the objects that it keeps", spoil: func(d *sinkDouble, _ *mem.Store) {
		var kept []core.ObjectState
		d.readSnapshots(func(list []core.Snapshot) []core.Snapshot {
			if kept == nil {
				kept = slices.Collect(list[0].Objects)
			}
			list[0].Objects = slices.Values(kept)
			return list
		})
	}},
	{law: "Read/Break", says: "goes on when the loop has ended", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.snapshots = func(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Snapshot, error] {
			return func(yield func(core.Snapshot, error) bool) {
				for s, err := range d.Sink.Snapshots(ctx, match, from, to) {
					yield(s, err)
				}
			}
		}
	}},
	{law: "Read/Break", says: "reads a range once only", spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.events
		d.events = func(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Event, error] {
			pull, _ := iter.Pull2(next(ctx, match, from, to))
			return func(yield func(core.Event, error) bool) {
				for e, err, ok := pull(); ok && yield(e, err); e, err, ok = pull() {
				}
			}
		}
	}},
	{law: "Read/Context", says: "ends a range without an error when its context has ended", spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.events
		d.events = func(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Event, error] {
			if ctx.Err() != nil {
				return func(func(core.Event, error) bool) {}
			}
			return next(ctx, match, from, to)
		}
	}},
	{law: "Read/Context", says: "finds nothing when its context has ended", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.latest = func(ctx context.Context, match string) (core.Snapshot, error) {
			s, err := d.Sink.Latest(ctx, match)
			if err != nil {
				err = core.Errorf(core.ErrNotFound, "none: %w", err)
			}
			return s, err
		}
	}},
	{law: "Concurrent/Use", says: "uses one place for all snapshots under way", spoil: func(d *sinkDouble, _ *mem.Store) {
		var slot atomic.Pointer[core.Snapshot]
		d.eachKey(func(s *core.Snapshot) {
			own := *s
			slot.Store(&own)
			time.Sleep(2 * time.Millisecond)
			*s = *slot.Load()
		})
	}},
}
