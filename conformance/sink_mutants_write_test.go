package conformance

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
)

type sinkSpoil = func(d *sinkDouble, store *mem.Store)

// ownFields gives o fields that may be changed.
func ownFields(o *core.ObjectState) { o.Fields = slices.Clone(o.Fields) }

// spoilFields makes a mutant that changes every field value.
func spoilFields(change func(v any) any) sinkSpoil {
	return func(d *sinkDouble, _ *mem.Store) { d.eachField(change) }
}

// spoilObjects makes a mutant that changes every object.
func spoilObjects(change func(o *core.ObjectState) bool) sinkSpoil {
	return func(d *sinkDouble, _ *mem.Store) { d.eachObject(change) }
}

func throughFloat(v any) any {
	if n, ok := v.(int64); ok {
		return int64(float64(n))
	}
	return v
}

var sinkSnapshotMutants = []sinkMutant{
	{law: "Snapshot/ReadBack", says: "forgets whether objects are alive", spoil: spoilObjects(func(o *core.ObjectState) bool { o.Alive = true; return true })},
	{law: "Snapshot/ReadBack", says: "cuts times to seconds", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.eachKey(func(s *core.Snapshot) { s.Time = s.Time.Truncate(time.Second) })
	}},
	{law: "Snapshot/ReadBack", says: "sorts the fields by name", spoil: spoilObjects(func(o *core.ObjectState) bool {
		ownFields(o)
		slices.SortFunc(o.Fields, func(a, b core.Field) int { return cmp.Compare(a.Name, b.Name) })
		return true
	})},
	{law: "Snapshot/Values", says: "passes integers through float64", spoil: spoilFields(throughFloat)},
	{law: "Snapshot/Values", says: "stores NaN as nil", spoil: spoilFields(func(v any) any {
		if x, ok := v.(float64); ok && x != x {
			return nil
		}
		return v
	})},
	{law: "Snapshot/Values", says: "stores small unsigned integers as signed ones", spoil: spoilFields(func(v any) any {
		if x, ok := v.(uint64); ok && x < 1<<63 {
			return int64(x)
		}
		return v
	})},
	{law: "Snapshot/Odd", says: "writes dots in names of fields as underscores", spoil: spoilObjects(func(o *core.ObjectState) bool {
		ownFields(o)
		for i := range o.Fields {
			o.Fields[i].Name = strings.ReplaceAll(o.Fields[i].Name, ".", "_")
		}
		return true
	})},
	{law: "Snapshot/Odd", says: "stores no snapshot without objects", spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.snapshot
		d.snapshot = func(ctx context.Context, s core.Snapshot) error {
			for range s.Objects {
				return next(ctx, s)
			}
			return nil
		}
	}},
	{law: "Snapshot/Large", says: "stores the first 4,096 objects", spoil: spoilObjects(func(o *core.ObjectState) bool { return o.ID < 4096*3 })},
	{law: "Snapshot/Large", says: "cuts fields at 512 KiB", spoil: spoilFields(func(v any) any {
		if b, ok := v.([]byte); ok {
			return b[:min(len(b), 512<<10)]
		}
		return v
	})},
	{law: "Snapshot/Idempotent", says: "appends a snapshot that was written before", spoil: func(d *sinkDouble, _ *mem.Store) {
		times := map[uint64]int{}
		d.eachKey(func(s *core.Snapshot) { times[s.Tick]++ })
		d.readSnapshots(func(list []core.Snapshot) (out []core.Snapshot) {
			for _, s := range list {
				out = append(out, slices.Repeat([]core.Snapshot{s}, times[s.Tick])...)
			}
			return out
		})
	}},
	{law: "Snapshot/Idempotent", says: "fails for a snapshot that was written before", spoil: func(d *sinkDouble, _ *mem.Store) {
		next, seen := d.snapshot, map[uint64]bool{}
		d.snapshot = func(ctx context.Context, s core.Snapshot) error {
			if seen[s.Tick] {
				return errors.New("duplicate key")
			}
			seen[s.Tick] = true
			return next(ctx, s)
		}
	}},
	{law: "Snapshot/AnyOrder", says: "yields snapshots by tick and then epoch", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.readSnapshots(func(list []core.Snapshot) []core.Snapshot {
			slices.SortStableFunc(list, func(a, b core.Snapshot) int { return cmp.Compare(a.Tick, b.Tick) })
			return list
		})
	}},
	{law: "Snapshot/UnknownOutcome", says: "stores half a snapshot when its context ends", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.snapshot = func(ctx context.Context, s core.Snapshot) error {
			objects := s.Objects
			s.Objects = func(yield func(core.ObjectState) bool) {
				for o := range objects {
					if ctx.Err() != nil || !yield(o) {
						return
					}
				}
			}
			return errors.Join(d.Sink.WriteSnapshot(stale(ctx), s), ctx.Err())
		}
	}},
	{law: "Snapshot/Refuses", says: "leaves out values that it does not know", spoil: spoilObjects(func(o *core.ObjectState) bool {
		ownFields(o)
		o.Fields = slices.DeleteFunc(o.Fields, func(f core.Field) bool {
			return errors.Is(new(mem.Store).Open().WriteSnapshot(context.Background(), sinkSnapshotWith("", 0, 0, []core.ObjectState{{Fields: []core.Field{f}}})), core.ErrUnsupported)
		})
		return true
	})},
	{law: "Snapshot/Refuses", says: "stores the objects before the one that it refuses", spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.snapshot
		d.snapshot = func(ctx context.Context, s core.Snapshot) error {
			err := next(ctx, s)
			if errors.Is(err, core.ErrUnsupported) {
				for o := range s.Objects {
					s.Objects = slices.Values([]core.ObjectState{o})
					break
				}
				_ = next(ctx, s)
			}
			return err
		}
	}},
	{law: "Objects/DuringWrite", says: "ranges over the objects at Close", spoil: func(d *sinkDouble, _ *mem.Store) {
		var queue []core.Snapshot
		d.snapshot = func(_ context.Context, s core.Snapshot) error { queue = append(queue, s); return nil }
		d.close = func(ctx context.Context) error {
			for _, s := range queue {
				_ = d.Sink.WriteSnapshot(ctx, s)
			}
			return d.Sink.Close(ctx)
		}
	}},
	{law: "Objects/NotKept", says: "keeps the fields of all objects until it has seen the last", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.eachKey(func(s *core.Snapshot) { s.Objects = slices.Values(slices.Collect(s.Objects)) })
	}},
	{law: "Objects/NotKept", says: "keeps lists and bytes", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.eachKey(func(s *core.Snapshot) {
			var list []core.ObjectState
			for o := range s.Objects {
				ownFields(&o)
				list = append(list, o)
			}
			s.Objects = slices.Values(list)
		})
	}},
	{law: "Objects/NotChanged", says: "sorts the fields where they are", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.eachObject(func(o *core.ObjectState) bool {
			slices.SortFunc(o.Fields, func(a, b core.Field) int { return cmp.Compare(a.Name, b.Name) })
			return true
		})
	}},
	{law: "Objects/NotChanged", says: "escapes the keys of maps where they are", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.eachField(func(v any) any {
			if m, ok := v.(map[string]any); ok && m["$dollar"] != nil {
				m["_dollar"] = m["$dollar"]
				delete(m, "$dollar")
			}
			return v
		})
	}},
}
