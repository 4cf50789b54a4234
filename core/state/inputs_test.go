package state

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
)

// Whatever is lost, delayed, repeated or reordered, the server ends with the
// velocities that the client asked for last.
func TestInputsArrive(t *testing.T) {
	forSeeds(t, 20, func(t *testing.T, r *rand.Rand) {
		w := newTestWorld(t)
		n := 1 + r.IntN(40)
		for range n {
			SpawnFor(w, 1, &mover{Pos: NewPosition2D(Position2DConfig{MaxSpeed: 100})})
		}
		s := NewSender(w, 10)
		loss := []float64{0, 0.25, 0.6}[r.IntN(3)]
		l := newLink(t, s, 1, r, loss)
		settle(t, s, []*link{l}, 200)
		var up, acks []parcel
		last := make(map[ObjectID]Vec2)
		round := func(quiet bool) {
			for m := range All[*mover](l.rep.w) {
				if !quiet && r.IntN(10) == 0 {
					m.Pos.SetVelocity(r.NormFloat64()*50, r.NormFloat64()*50)
					last[m.ID()] = m.Pos.Velocity()
				}
			}
			b, seq := l.rep.AppendInputs(nil, 200)
			if len(b) > 200 {
				t.Fatalf("%d bytes of input", len(b))
			}
			for range 1 + r.IntN(2) {
				if r.Float64() >= loss {
					up = append(up, parcel{due: l.now + r.IntN(6), seq: uint64(seq), b: b})
				}
			}
			r.Shuffle(len(up), func(i, j int) { up[i], up[j] = up[j], up[i] })
			up = due(up, l.now, func(p parcel) {
				if err := w.ApplyInputs(1, p.b); err != nil {
					t.Fatal(err)
				}
				if r.Float64() >= loss {
					acks = append(acks, parcel{due: l.now + r.IntN(6), seq: p.seq})
				}
			})
			acks = due(acks, l.now, func(p parcel) { l.rep.AckInputs(uint32(p.seq)) })
			w.Advance(time.Second / 30)
			s.Capture()
			l.update()
		}
		for range 100 {
			round(false)
		}
		for range 300 {
			round(true)
		}
		for m := range All[*mover](w) {
			want, asked := last[m.ID()]
			here, _ := Get[*mover](l.rep.w, m.ID())
			if got := m.Pos.Velocity(); asked && (got != want || here.Pos.Velocity() != want) {
				t.Errorf("%v moves by %v, on the client by %v; asked for %v", m, got, here.Pos.Velocity(), want)
			}
		}
		if b, _ := l.rep.AppendInputs(nil, 1200); len(b) > 3 {
			t.Errorf("%d bytes of input when all has arrived", len(b))
		}
		if w.Refused() > 0 {
			t.Errorf("%d refused", w.Refused())
		}
	})
}

func TestInputsRefused(t *testing.T) {
	w := newTestWorld(t)
	mine := SpawnFor(w, 1, &mover{Pos: NewPosition2D(Position2DConfig{MaxSpeed: 10})})
	his := SpawnFor(w, 2, &mover{})
	ball := SpawnFor(w, 1, &mover{Pos: NewPosition2D(Position2DConfig{ServerControlled: true})})
	none := SpawnFor(w, 1, &bare{})
	round := uint64(0)
	ask := func(id ObjectID, x, y int64) error {
		round++
		b := wire.AppendUvarint(nil, round)
		b = wire.AppendUvarint(wire.AppendUvarint(b, uint64(id)), 0)
		return w.ApplyInputs(1, wire.AppendVarint(wire.AppendVarint(b, x), y))
	}
	for i, c := range []struct {
		id   ObjectID
		x, y int64
	}{
		{his.ID(), 1, 1}, {ball.ID(), 1, 1}, {none.ID(), 1, 1},
		{mine.ID(), 10*1024 + 1, 0}, {mine.ID(), math.MaxInt64, 0}, {mine.ID(), math.MinInt64, math.MaxInt64},
	} {
		if err := ask(c.id, c.x, c.y); err != nil || w.Refused() != uint64(i+1) {
			t.Errorf("%+v: %v, %d refused", c, err, w.Refused())
		}
	}
	if err := ask(999, 1, 1); err != nil || w.Refused() != 6 {
		t.Errorf("an object that is gone: %v, %d refused", err, w.Refused())
	}
	w.Advance(time.Second)
	for m := range All[*mover](w) {
		if m.Pos.At() != (Vec2{}) {
			t.Errorf("%v moved to %v", m, m.Pos.At())
		}
	}
	if err := ask(mine.ID(), 10*1024, 0); err != nil || w.Refused() != 6 {
		t.Errorf("%v, %d refused", err, w.Refused())
	}
	w.Advance(time.Second)
	if mine.Pos.X() != 10 {
		t.Errorf("at %v", mine.Pos.At())
	}

	// An older round changes nothing, until the client begins anew.
	old := wire.AppendVarint(wire.AppendVarint([]byte{1, byte(mine.ID()), 0}, -1024), 0)
	w.ApplyInputs(1, old)
	if mine.Pos.pending {
		t.Error("an old request holds")
	}
	w.ResetInputs(1)
	w.ApplyInputs(1, old)
	if !mine.Pos.pending {
		t.Error("a request of a new client is taken for an old one")
	}
	mine.SetOwner(2)
	w.Advance(time.Second)
	if mine.Pos.Velocity().X != 10 {
		t.Error("a request holds that was made by an owner before")
	}

	// What is malformed changes nothing, also in front of the fault.
	for _, b := range [][]byte{{}, {0x80}, {5, byte(his.ID()), 0, 2}, {5, byte(his.ID()), 6, 2, 2}, {5, byte(his.ID()), 0, 2, 2, 1}} {
		if err := w.ApplyInputs(2, b); !errors.Is(err, core.ErrMalformed) || his.Pos.pending || his.lastInput != 0 {
			t.Errorf("%v: %v", b, err)
		}
	}
}

// A request outlives losing an object and getting it back, once.
func TestInputsAndOwners(t *testing.T) {
	w := newTestWorld(t)
	m := SpawnFor(w, 1, &mover{})
	SpawnFor(w, 1, &mover{})
	r := newTestReplica(t, 1)
	r.apply1(t, w)
	x, _ := Get[*mover](r.w, m.ID())
	x.Pos.SetVelocity(1, 0)
	m.SetOwner(2)
	w.Advance(0)
	r.apply1(t, w)
	if v := x.Pos.Velocity(); v != (Vec2{}) {
		t.Errorf("another's object moves by %v", v)
	}
	m.SetOwner(1)
	w.Advance(0)
	r.apply1(t, w)
	x.Pos.SetVelocity(2, 0)
	if len(r.w.asks) != 1 {
		t.Errorf("%d requests about one object", len(r.w.asks))
	}
	b, n := r.AppendInputs(nil, 1200)
	r.AckInputs(n)
	x.Pos.SetVelocity(3, 0)
	if len(r.w.asks) != 1 {
		t.Errorf("%d requests about one object", len(r.w.asks))
	}
	if err := w.ApplyInputs(1, b); err != nil || m.Pos.received != (Vec2{2, 0}) {
		t.Errorf("%v, asks for %v", err, m.Pos.received)
	}
	m.Despawn()
	w.Advance(0)
	r.apply1(t, w)
	x.Pos.SetVelocity(4, 0)
	if b, _ := r.AppendInputs(nil, 1200); len(b) != 1 || len(r.w.asks) != 0 {
		t.Errorf("input about what is gone: %v", b)
	}
}
