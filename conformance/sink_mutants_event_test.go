package conformance

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
)

// sinkDuplicates makes events that were written n times be read n times.
func sinkDuplicates(d *sinkDouble, _ *mem.Store) {
	var mu sync.Mutex
	times := map[uint64]int{}
	d.eachEvent(func(e *core.Event) {
		mu.Lock()
		defer mu.Unlock()
		times[e.Seq]++
	})
	d.readEvents(func(list []core.Event) (out []core.Event) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range list {
			out = append(out, slices.Repeat([]core.Event{e}, times[e.Seq])...)
		}
		return out
	})
}

var sinkEventMutants = []sinkMutant{
	{law: "Events/ReadBack", says: "forgets the player", spoil: func(d *sinkDouble, _ *mem.Store) { d.eachEvent(func(e *core.Event) { e.Player = 0 }) }},
	{law: "Events/ReadBack", says: "writes the time of the write", spoil: func(d *sinkDouble, _ *mem.Store) { d.eachEvent(func(e *core.Event) { e.Time = time.Now() }) }},
	{law: "Events/Values", says: "stores bytes as text", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.eachEvent(func(e *core.Event) {
			e.Data = maps.Clone(e.Data)
			for k, v := range e.Data {
				if b, ok := v.([]byte); ok {
					e.Data[k] = string(b)
				}
			}
		})
	}},
	{law: "Events/Order", says: "yields events in the order of their arrival", spoil: func(d *sinkDouble, _ *mem.Store) {
		arrived := map[[2]uint64]int{}
		d.eachEvent(func(e *core.Event) { arrived[[2]uint64{e.Epoch, e.Seq}] = len(arrived) })
		d.readEvents(func(list []core.Event) []core.Event {
			slices.SortFunc(list, func(a, b core.Event) int {
				return cmp.Compare(arrived[[2]uint64{a.Epoch, a.Seq}], arrived[[2]uint64{b.Epoch, b.Seq}])
			})
			return list
		})
	}},
	{law: "Events/Order", says: "stores at most 256 events of a batch and says all", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.put = func(ctx context.Context, events []core.Event) (int, error) {
			_, err := d.Sink.WriteEvents(ctx, events[:min(len(events), 256)])
			return len(events), err
		}
	}},
	{law: "Events/Idempotent", says: "appends events that were written before", spoil: sinkDuplicates},
	{law: "Events/Mixed", says: "takes the match of the first event for all of a batch", spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.put
		d.put = func(ctx context.Context, events []core.Event) (int, error) {
			own := slices.Clone(events)
			for i := range own {
				own[i].Match = own[0].Match
			}
			return next(ctx, own)
		}
	}},
	{law: "Events/None", says: "looks at the first event of none", spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.put
		d.put = func(ctx context.Context, events []core.Event) (int, error) {
			_ = events[0].Match
			return next(ctx, events)
		}
	}},
	{law: "Events/SliceIsCallers", says: "keeps the slice of events until somebody reads", spoil: func(d *sinkDouble, _ *mem.Store) {
		var queue [][]core.Event
		d.put = func(_ context.Context, events []core.Event) (int, error) {
			queue = append(queue, events)
			return len(events), nil
		}
		d.readEvents(func(list []core.Event) []core.Event { return append(list, slices.Concat(queue...)...) })
	}},
	{law: "Events/SliceIsCallers", says: "keeps the data of events", spoil: func(d *sinkDouble, _ *mem.Store) {
		kept := map[uint64]map[string]any{}
		d.eachEvent(func(e *core.Event) { kept[e.Seq] = e.Data })
		d.readEvents(func(list []core.Event) []core.Event {
			for i := range list {
				list[i].Data = kept[list[i].Seq]
			}
			return list
		})
	}},
	{law: "Events/NotChanged", says: "adds a key to the data", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.eachEvent(func(e *core.Event) {
			if e.Data != nil {
				e.Data["_id"] = e.Seq
			}
		})
	}},
	{law: "Batch/Partial", says: "leaves out events that it cannot store", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.put = func(ctx context.Context, events []core.Event) (int, error) {
			for i := range events {
				_, _ = d.Sink.WriteEvents(ctx, events[i:i+1])
			}
			return len(events), nil
		}
	}},
	{law: "Batch/Partial", says: "counts one event too many", spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.put
		d.put = func(ctx context.Context, events []core.Event) (int, error) {
			n, err := next(ctx, events)
			return min(n+1, len(events)), err
		}
	}},
	{law: "Batch/Partial", says: "stores nothing of a bad batch and counts those before the bad one", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.put = func(ctx context.Context, events []core.Event) (int, error) {
			n, err := new(mem.Store).Open().WriteEvents(ctx, events)
			if err != nil {
				return n, err
			}
			return d.Sink.WriteEvents(ctx, events)
		}
	}},
	{law: "Batch/UnknownOutcome", says: "appends events that were written before", spoil: sinkDuplicates},
	{law: "Batch/OddText", says: "replaces what is not UTF-8", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.eachEvent(func(e *core.Event) {
			own := map[string]any{}
			for k, v := range e.Data {
				if s, ok := v.(string); ok {
					v = strings.ToValidUTF8(s, "\ufffd")
				}
				own[k] = v
			}
			e.Data = own
		})
	}},
	{law: "Batch/OddText", says: "ends keys at a zero byte", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.eachEvent(func(e *core.Event) {
			own := map[string]any{}
			for k, v := range e.Data {
				own[string(bytes.TrimRight([]byte(strings.Split(k, "\x00")[0]), " "))] = v
			}
			e.Data = own
		})
	}},
}
