package state

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// 1,000 objects are complete within 3 s of 30 updates a second at 25 % loss each
// way and 256 KiB/s, round trips of up to 200 ms included.
func TestLateJoinerIsSoonComplete(t *testing.T) {
	for seed := range uint64(5) {
		w := newTestWorld(t)
		rnd := newRand(seed)
		for i := range 1000 {
			m := &mover{Note: "a thing that moves", Pos: NewPosition2D(Position2DConfig{At: Vec2{float64(i), 7}, Size: Vec2{2, 2}, MaxSpeed: 50})}
			Spawn(w, m).Pos.SetVelocity(rnd.NormFloat64()*30, rnd.NormFloat64()*30)
		}
		s := NewSender(w, 30)
		for range 100 { // the match runs
			w.Advance(time.Second / 30)
			s.Capture()
		}
		l := newLink(t, s, 1, rnd, 0.25)
		l.far, l.max, l.budget = 6, 1200, 256<<10/30
		here := 0
		for u := range 90 {
			w.Advance(time.Second / 30)
			s.Capture()
			l.update()
			if l.rep.w.Len() == 1000 {
				here = u + 1
				break
			}
		}
		if here == 0 {
			t.Errorf("seed %d: %d objects of 1,000 after 3 s", seed, l.rep.w.Len())
		}
		if seed == 0 {
			t.Logf("1,000 moving objects at 25 %% loss: complete after %d updates, %d KB", here, l.sent/1000)
		}
	}
}

// A chunk that emptied while its first packets were under way is told as empty.
func TestNoGhosts(t *testing.T) {
	w := newTestWorld(t)
	s := NewSender(w, 10)
	x := Spawn(w, &bare{})
	l := newLink(t, s, 1, newRand(1), 0)
	s.Capture()
	l.v.Begin(1 << 20)
	if err := l.rep.Apply(w.tick, l.v.AppendPacket(nil, 1200, 1)); err != nil || l.rep.w.Len() != 1 {
		t.Fatal(err, l.rep.w.Len())
	}
	l.v.Lost(1) // as far as the server knows
	x.Despawn()
	if l.seq = 1; l.v.Complete() {
		t.Error("complete, with a ghost on the client")
	}
	settle(t, s, []*link{l}, 20)
	if n := l.rep.w.Len(); n != 0 || !l.rep.IsGone(x.ID()) {
		t.Errorf("%d ghosts", n)
	}

	// And a chunk that was never sent, and is empty, is no one's business.
	late := s.NewViewer()
	late.Begin(1 << 20)
	if b := late.AppendPacket(nil, 1200, 1); len(b) > 0 || !late.Complete() {
		t.Errorf("%d bytes about nothing", len(b))
	}
}

func TestResend(t *testing.T) {
	w := newTestWorld(t)
	s := NewSender(w, 10)
	Spawn(w, &bare{})
	v := s.NewViewer()
	v.SetResend(4)
	var sent []uint64
	update := func(seq uint64) {
		w.Advance(0)
		s.Capture()
		v.Begin(1000)
		if len(v.AppendPacket(nil, 1200, seq)) > 0 {
			sent = append(sent, seq)
		}
	}
	for seq := uint64(1); seq <= 10; seq++ {
		update(seq)
		if seq == 6 {
			v.Lost(5)
		}
	}
	if want := []uint64{1, 5, 7}; !slices.Equal(sent, want) {
		t.Errorf("sent in updates %v, want %v", sent, want)
	}
	if !v.Lost(1) || v.Lost(1) || v.Ack(1) {
		t.Error("a packet is lost twice, or arrives after it was lost")
	}
	if !v.Ack(7) || v.Ack(7) || v.Lost(7) || v.Ack(0) || v.Ack(999) || v.Lost(0) {
		t.Error("a packet arrives twice, or one that was never sent")
	}
	if !v.Complete() {
		t.Error("not complete")
	}
	for seq := uint64(11); seq <= 20; seq++ {
		update(seq)
	}
	if len(sent) != 3 {
		t.Errorf("sent %v: what arrived is sent again", sent)
	}
}

// Under a small budget every chunk has its turn.
func TestBudgetIsFair(t *testing.T) {
	w := newTestWorld(t)
	s := NewSender(w, 30)
	for range 300 {
		spawnAt(w, Position2DConfig{}).Pos.SetVelocity(1000, 1000)
	}
	l := newLink(t, s, 1, newRand(1), 0)
	l.far, l.budget, l.max = 0, 1, MinPacket
	last := make(map[int]int)
	for u := range 200 {
		w.Advance(time.Second / 30)
		s.Capture()
		l.update()
		for _, k := range w.chunks {
			if l.v.chunks[k.index].sentAt == s.at {
				last[k.index] = u
			}
			if u-last[k.index] > 2*len(w.chunks) {
				t.Fatalf("chunk %d of %d waits for %d updates", k.index, len(w.chunks), u-last[k.index])
			}
		}
	}
}

func TestAppendValues(t *testing.T) {
	w := newTestWorld(t)
	s := NewSender(w, 10)
	var objs []*fat
	for range 5 {
		objs = append(objs, Spawn(w, &fat{Data: NewVar(make([]byte, 2000)), Big: make([]byte, 500)}))
	}
	v := s.NewViewer()
	full := errors.New("full")
	n := 0
	count := func(most int) (total int) {
		n = 0
		err := v.AppendValues(func(msg []byte) error {
			if n == most {
				return full
			}
			n++
			return nil
		})
		if (err == nil) == (n == most && most > 0) && err != nil {
			t.Errorf("after %d: %v", n, err)
		}
		return n
	}
	if a, b, c, d := count(4), count(3), count(100), count(100); a != 4 || b != 3 || c != 3 || d != 0 {
		t.Errorf("%d, %d, %d, %d values sent of 10", a, b, c, d)
	}
	objs[0].Data.Set(make([]byte, 3000))
	objs[0].Data.Set(make([]byte, 4000)) // only the newest
	objs[1].Data.Set(nil)                // short now
	objs[2].Despawn()
	if a := count(100); a != 1 {
		t.Errorf("%d values sent, want 1", a)
	}
	v = s.NewViewer()
	if a := count(100); a != 7 {
		t.Errorf("%d values sent to who comes late, want 7", a)
	}
}

// Neither side allocates in a steady state.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	w, step := benchWorld(t, 200)
	s := NewSender(w, 10)
	r, err := NewReplica(benchSchema, noCodec{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	v := s.NewViewer()
	var seq uint64
	buf := make([]byte, 0, 1500)
	apply := func(p []byte) {
		if err := r.Apply(w.tick, p); err != nil {
			t.Fatal(err)
		}
	}
	update := func() {
		step()
		s.Capture()
		benchUpdate(v, &seq, buf, apply)
	}
	for range 800 {
		update()
	}
	if n := testing.AllocsPerRun(200, update); n > 0 {
		t.Errorf("%v allocations in an update", n)
	}
}
