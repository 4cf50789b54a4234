package state

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/parley-net/parley/core"
)

// history is what a server sent until now: packets and values that a replica has
// applied, and some that may follow.
func history(tb testing.TB, seed uint64) (r *Replica, w *World, packets []parcel, values [][]byte) {
	rnd := newRand(seed)
	w = newTestWorld(tb)
	s := NewSender(w, 10)
	v := s.NewViewer()
	r = newTestReplica(tb, 1)
	seq := uint64(0)
	for i := range 12 {
		w.Advance(0)
		for range 15 {
			mutate(w, rnd, 40)
		}
		s.Capture()
		v.Begin(1 << 20)
		for {
			seq++
			b := v.AppendPacket(nil, 1200, seq)
			if len(b) == 0 {
				break
			}
			if i >= 10 {
				packets = append(packets, parcel{tick: w.tick, b: b})
				continue
			}
			if err := r.Apply(w.tick, b); err != nil {
				tb.Fatal(err)
			}
			if seq%3 > 0 {
				v.Ack(seq)
			}
		}
		v.AppendValues(func(msg []byte) error {
			if len(msg) > 2000 {
				msg = msg[:2000]
			}
			if i >= 6 {
				values = append(values, slices.Clone(msg))
				return nil
			}
			return r.ApplyValue(msg)
		})
	}
	return r, w, packets, values
}

// FuzzApply: any bytes, after a good history, are applied whole or not at all, and
// break nothing.
func FuzzApply(f *testing.F) {
	for seed := range uint64(4) {
		_, w, packets, _ := history(f, seed)
		for _, p := range packets {
			f.Add(uint8(seed), uint16(p.tick), p.b)
		}
		f.Add(uint8(seed), uint16(w.tick), slices.Concat(packets[0].b, packets[len(packets)-1].b))
	}
	f.Fuzz(func(t *testing.T, seed uint8, tick uint16, b []byte) {
		r, _, packets, values := history(t, uint64(seed%4))
		before := dump(r.w)
		at := r.w.tick
		ran := false
		r.w.OnSpawn(func(Entity) { ran = true })
		r.w.OnDespawn(func(Entity) { ran = true })
		if err := r.Apply(uint64(tick), b); err != nil {
			if !errors.Is(err, core.ErrMalformed) && !errors.Is(err, ErrStale) {
				t.Errorf("error %v", err)
			}
			if d := difference(before, dump(r.w)); d != "" || ran || r.w.tick != at {
				t.Errorf("applied partly: %s", d)
			}
		}
		checkIndex(t, r.w)
		for _, v := range values {
			r.ApplyValue(v)
		}
		for _, p := range packets {
			r.Apply(p.tick, p.b)
		}
		checkIndex(t, r.w)
	})
}

// FuzzApplyValue: any bytes as a value, between good packets.
func FuzzApplyValue(f *testing.F) {
	for seed := range uint64(4) {
		_, _, _, values := history(f, seed)
		for _, v := range values {
			f.Add(uint8(seed), v)
		}
	}
	f.Fuzz(func(t *testing.T, seed uint8, b []byte) {
		r, _, packets, values := history(t, uint64(seed%4))
		if err := r.ApplyValue(b); err != nil && !errors.Is(err, core.ErrMalformed) && !errors.Is(err, core.ErrBackpressure) {
			t.Errorf("error %v", err)
		}
		for _, p := range packets {
			if err := r.Apply(p.tick, p.b); err != nil {
				t.Errorf("a good packet behind it: %v", err)
			}
		}
		for _, v := range values {
			if err := r.ApplyValue(v); err != nil {
				t.Errorf("a good value behind it: %v", err)
			}
		}
		checkIndex(t, r.w)
	})
}

// FuzzApplyInputs: any bytes as a client's input.
func FuzzApplyInputs(f *testing.F) {
	f.Add([]byte{3, 1, 0, 2, 4})
	f.Add([]byte{9, 1, 0, 2, 4, 2, 1, 0, 0, 3, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 1})
	f.Add(binary.AppendUvarint(nil, 1<<33))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := newTestWorld(t)
		var ms [4]*mover
		for i := range ms {
			ms[i] = SpawnFor(w, PlayerID(i%2), &mover{Pos: NewPosition2D(Position2DConfig{MaxSpeed: 10, ServerControlled: i == 3})})
		}
		err := w.ApplyInputs(1, b)
		if err != nil && !errors.Is(err, core.ErrMalformed) {
			t.Errorf("error %v", err)
		}
		w.Advance(benchTick)
		for i, m := range ms {
			v := m.Pos.Velocity()
			if v.X*v.X+v.Y*v.Y > 100.0001 || v != (Vec2{}) && (i != 1 || err != nil) {
				t.Errorf("%v moves by %v, %v", m, v, err)
			}
		}
	})
}
