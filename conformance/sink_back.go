package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/parley-net/parley/core"
)

// sinkBack is a snapshot that was read back, with its objects ranged over.
type sinkBack struct {
	core.Snapshot
	objects []core.ObjectState
}

func sinkRange(s core.Snapshot) sinkBack {
	b := sinkBack{Snapshot: s}
	if s.Objects != nil {
		for o := range s.Objects {
			o.Fields = slices.Clone(o.Fields)
			for i := range o.Fields {
				o.Fields[i].Value = sinkClone(o.Fields[i].Value)
			}
			b.objects = append(b.objects, o)
		}
	}
	return b
}

// sinkClone copies what a reader may use again.
func sinkClone(v any) any {
	switch v := v.(type) {
	case []byte:
		return append([]byte{}, v...)
	case []any:
		own := make([]any, len(v))
		for i, x := range v {
			own[i] = sinkClone(x)
		}
		return own
	case map[string]any:
		own := maps.Clone(v)
		for k, x := range own {
			own[k] = sinkClone(x)
		}
		return own
	}
	return v
}

// snapshots reads those of a match in a range of ticks.
func (k *sinkKit) snapshots(match string, from, to uint64) (list []sinkBack, err error) {
	return list, k.soon("Snapshots", func(ctx context.Context) (err error) {
		for s, e := range k.reader.Snapshots(ctx, match, from, to) {
			if err != nil {
				return fmt.Errorf("the loop went on after %w", err)
			}
			if err = e; err == nil {
				list = append(list, sinkRange(s))
			}
		}
		return err
	})
}

// events reads those of a match in a range of ticks.
func (k *sinkKit) events(match string, from, to uint64) (list []core.Event, err error) {
	return list, k.soon("Events", func(ctx context.Context) (err error) {
		for x, e := range k.reader.Events(ctx, match, from, to) {
			if err != nil {
				return fmt.Errorf("the loop went on after %w", err)
			}
			if err = e; err == nil {
				if x.Data != nil {
					x.Data = sinkClone(x.Data).(map[string]any)
				}
				list = append(list, x)
			}
		}
		return err
	})
}

// latest reads the newest snapshot of a match.
func (k *sinkKit) latest(match string) (back sinkBack, err error) {
	return back, k.soon("Latest", func(ctx context.Context) error {
		s, err := k.reader.Latest(ctx, match)
		if err == nil {
			back = sinkRange(s)
		}
		return err
	})
}

const sinkEnd = ^uint64(0) // the last tick

// holdsSnapshots wants exactly these of a match, in this order.
func (k *sinkKit) holdsSnapshots(match string, want ...core.Snapshot) error {
	got, err := k.snapshots(match, 0, sinkEnd)
	// A match of which nothing is stored may be an error.
	if err != nil && (len(want) > 0 || !errors.Is(err, core.ErrNotFound)) {
		return err
	}
	return sinkSameSnapshots(want, got)
}

func sinkSameSnapshots(want []core.Snapshot, got []sinkBack) error {
	keys := func() (s string) {
		for i, x := range got {
			if i == 12 {
				return s + " …"
			}
			s += fmt.Sprintf(" %d/%d", x.Epoch, x.Tick)
		}
		return s
	}
	if len(want) != len(got) {
		return fmt.Errorf("%d snapshots were to be read back, and %d were:%s", len(want), len(got), keys())
	}
	for i := range want {
		if err := sinkSameSnapshot(want[i], got[i]); err != nil {
			return fmt.Errorf("snapshot %d of %d (read back:%s): %w", i+1, len(want), keys(), err)
		}
	}
	return nil
}

func sinkSameSnapshot(want core.Snapshot, got sinkBack) error {
	if want.Match != got.Match || want.Epoch != got.Epoch || want.Tick != got.Tick {
		return fmt.Errorf("match %q, epoch %d, tick %d came back as match %q, epoch %d, tick %d",
			want.Match, want.Epoch, want.Tick, got.Match, got.Epoch, got.Tick)
	}
	if !sinkSameTime(want.Time, got.Time) {
		return fmt.Errorf("time %v came back as %v", want.Time, got.Time)
	}
	objects := sinkRange(want).objects
	if len(objects) != len(got.objects) {
		return fmt.Errorf("%d objects were written, and %d came back", len(objects), len(got.objects))
	}
	for i, o := range objects {
		if err := sinkSameObject(o, got.objects[i]); err != nil {
			return fmt.Errorf("object %d: %w", o.ID, err)
		}
	}
	return nil
}

func sinkSameObject(want, got core.ObjectState) error {
	if want.ID != got.ID || want.Class != got.Class || want.Owner != got.Owner || want.Alive != got.Alive {
		return fmt.Errorf("{%d %q %d %v} came back as {%d %q %d %v}",
			want.ID, want.Class, want.Owner, want.Alive, got.ID, got.Class, got.Owner, got.Alive)
	}
	if len(want.Fields) != len(got.Fields) {
		return fmt.Errorf("%d fields came back as %d", len(want.Fields), len(got.Fields))
	}
	for i, f := range want.Fields {
		if f.Name != got.Fields[i].Name {
			return fmt.Errorf("field %d, %q, came back as %q", i, f.Name, got.Fields[i].Name)
		}
		if err := sinkSame(f.Value, got.Fields[i].Value); err != nil {
			return fmt.Errorf("field %q: %w", f.Name, err)
		}
	}
	return nil
}

// holdsEvents wants exactly these of a match, in this order.
func (k *sinkKit) holdsEvents(match string, want ...core.Event) error {
	got, err := k.events(match, 0, sinkEnd)
	if err != nil && (len(want) > 0 || !errors.Is(err, core.ErrNotFound)) {
		return err
	}
	return sinkSameEvents(want, got)
}

func sinkSameEvents(want, got []core.Event) error {
	var b bytes.Buffer
	for _, x := range got[:min(len(got), 12)] {
		fmt.Fprintf(&b, " %d/%d", x.Epoch, x.Seq)
	}
	if len(want) != len(got) {
		return fmt.Errorf("%d events were to be read back, and %d were:%s", len(want), len(got), b.String())
	}
	for i := range want {
		if err := sinkSameEvent(want[i], got[i]); err != nil {
			return fmt.Errorf("event %d of %d (read back:%s): %w", i+1, len(want), b.String(), err)
		}
	}
	return nil
}

func sinkSameEvent(want, got core.Event) error {
	if want.Match != got.Match || want.Epoch != got.Epoch || want.Seq != got.Seq || want.Tick != got.Tick {
		return fmt.Errorf("match %q, epoch %d, number %d, tick %d came back as match %q, epoch %d, number %d, tick %d",
			want.Match, want.Epoch, want.Seq, want.Tick, got.Match, got.Epoch, got.Seq, got.Tick)
	}
	if want.Kind != got.Kind || want.Player != got.Player {
		return fmt.Errorf("kind %q of player %d came back as kind %q of player %d", want.Kind, want.Player, got.Kind, got.Player)
	}
	if !sinkSameTime(want.Time, got.Time) {
		return fmt.Errorf("time %v came back as %v", want.Time, got.Time)
	}
	if len(want.Data) == 0 && len(got.Data) == 0 { // nil and empty may be the same
		return nil
	}
	if err := sinkSame(want.Data, got.Data); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}
