package state

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
)

// history is what a server sent until now, and what may follow.
type history struct {
	past    []parcel // a value has no seq
	packets []parcel
	values  [][]byte
}

const histories = 4

var allHistories = sync.OnceValue(func() (hs [histories]*history) {
	for i := range hs {
		hs[i] = newHistory(uint64(i))
	}
	return hs
})

func newHistory(seed uint64) *history {
	h := new(history)
	rnd := newRand(seed)
	w, err := NewWorld(testSchema, codec.Msgp{})
	if err != nil {
		panic(err)
	}
	s := NewSender(w, 10)
	v := s.NewViewer()
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
			p := parcel{tick: w.tick, seq: seq, b: b}
			if i >= 10 {
				h.packets = append(h.packets, p)
				continue
			}
			h.past = append(h.past, p)
			if seq%3 > 0 {
				v.Ack(seq)
			}
		}
		v.AppendValues(func(msg []byte) error {
			msg = slices.Clone(msg[:min(len(msg), 2000)])
			if i >= 6 {
				h.values = append(h.values, msg)
			} else {
				h.past = append(h.past, parcel{b: msg})
			}
			return nil
		})
	}
	return h
}

// replay returns a replica to which the past was applied.
func (h *history) replay(tb testing.TB) *Replica {
	r := newTestReplica(tb, 1)
	for _, p := range h.past {
		var err error
		if p.seq > 0 {
			err = r.Apply(p.tick, p.b)
		} else {
			err = r.ApplyValue(p.b)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	return r
}

// FuzzApply: any bytes, after a good history, are applied whole or not at all, and
// break nothing.
func FuzzApply(f *testing.F) {
	for seed, h := range allHistories() {
		for _, p := range h.packets {
			f.Add(uint8(seed), uint16(p.tick), p.b)
		}
		first, last := h.packets[0], h.packets[len(h.packets)-1]
		f.Add(uint8(seed), uint16(last.tick), slices.Concat(first.b, last.b))
	}
	f.Fuzz(func(t *testing.T, seed uint8, tick uint16, b []byte) {
		h := allHistories()[seed%histories]
		r := h.replay(t)
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
		for _, v := range h.values {
			r.ApplyValue(v)
		}
		for _, p := range h.packets {
			r.Apply(p.tick, p.b)
		}
		checkIndex(t, r.w)
	})
}

// FuzzApplyValue: any bytes as a value, between good packets.
func FuzzApplyValue(f *testing.F) {
	for seed, h := range allHistories() {
		for _, v := range h.values {
			f.Add(uint8(seed), v)
		}
	}
	f.Fuzz(func(t *testing.T, seed uint8, b []byte) {
		h := allHistories()[seed%histories]
		r := h.replay(t)
		if err := r.ApplyValue(b); err != nil && !errors.Is(err, core.ErrMalformed) && !errors.Is(err, core.ErrBackpressure) {
			t.Errorf("error %v", err)
		}
		for _, p := range h.packets {
			if err := r.Apply(p.tick, p.b); err != nil {
				t.Errorf("a good packet behind it: %v", err)
			}
		}
		for _, v := range h.values {
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
