package state

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
)

// Values and packets may come in any order.
func TestLargeValuesInAnyOrder(t *testing.T) {
	long := func(n int) []byte { return make([]byte, 1000+n) }
	for _, order := range [][]string{
		{"packet1", "values1", "packet2", "values2"},
		{"values1", "packet1", "values2", "packet2"},
		{"values1", "values2", "packet1", "packet2"},
		{"values1", "values2", "packet2"},
		{"packet1", "packet2", "values1", "values2"},
		{"packet2", "values1", "values2"},
		{"values1", "packet2", "values2"},
	} {
		w := newTestWorld(t)
		s := NewSender(w, 10)
		v := s.NewViewer()
		x := Spawn(w, &fat{Big: long(0), Data: NewVar(long(1)), More: NewVar("short")})
		steps := make(map[string][][]byte)
		ticks := make(map[string]uint64)
		take := func(n string) {
			s.Capture()
			ticks["packet"+n] = w.tick
			v.Begin(1 << 20)
			steps["packet"+n] = [][]byte{v.AppendPacket(nil, 1200, w.tick)}
			v.AppendValues(func(msg []byte) error {
				steps["values"+n] = append(steps["values"+n], slices.Clone(msg))
				return nil
			})
		}
		take("1")
		x.Data.Set(long(2))
		take("2")
		r := newTestReplica(t, 1)
		spawns := 0
		OnSpawn(r.w, func(y *fat) {
			spawns++
			if len(y.Big) != 1000 || y.More.Get() != "short" || len(y.Data.Get()) < 1001 {
				t.Errorf("%v: spawned with %d, %q, %d", order, len(y.Big), y.More.Get(), len(y.Data.Get()))
			}
		})
		for _, step := range order {
			for _, b := range steps[step] {
				var err error
				if step[0] == 'p' {
					err = r.Apply(ticks[step], b)
				} else {
					err = r.ApplyValue(b)
				}
				if err != nil {
					t.Fatalf("%v: %s: %v", order, step, err)
				}
			}
		}
		if d := difference(dump(w), dump(r.w)); d != "" || spawns != 1 {
			t.Errorf("%v: %d spawns: %s", order, spawns, d)
		}
		if len(r.values) != 0 || r.held != 0 {
			t.Errorf("%v: %d values wait", order, len(r.values))
		}
		checkSizes(t, r)
	}
}

// A hook may call what it likes of its own side.
func TestClientHooks(t *testing.T) {
	w := newTestWorld(t)
	s := NewSender(w, 10)
	x := Spawn(w, &tiny{})
	l := newLink(t, s, 1, newRand(1), 0)
	settle(t, s, []*link{l}, 50)
	y, _ := Get[*tiny](l.rep.w, x.ID())
	var log []string
	y.On.OnChange(func(old, new bool) {
		log = append(log, fmt.Sprint(old, new))
		for range l.rep.w.Objects() {
			y.On.OnChange(func(old, new bool) { log = append(log, "late") })
		}
		if err := l.rep.Apply(w.tick, nil); err != nil { // an update inside an update
			t.Error(err)
		}
		panic("a hook fails")
	})
	var other []bool
	z := Spawn(w, &tiny{})
	OnSpawn(l.rep.w, func(z *tiny) { other = append(other, z.IsAlive()) })
	x.On.Set(true)
	s.Capture()
	l.v.Begin(1000)
	b := l.v.AppendPacket(nil, 1200, 1000)
	if p := panics(func() { l.rep.Apply(w.tick, b) }); p != "a hook fails" {
		t.Fatalf("panic %v", p)
	}
	if err := l.rep.Apply(w.tick, nil); err != nil { // the hooks behind it run now, each once
		t.Fatal(err)
	}
	if !slices.Equal(log, []string{"false true"}) || !slices.Equal(other, []bool{true}) {
		t.Errorf("hooks %q, %v", log, other)
	}
	if _, ok := Get[*tiny](l.rep.w, z.ID()); !ok {
		t.Error("what came with it is not here")
	}
}

// faulty is a codec that fails to decode.
type faulty struct{ codec.Msgp }

func (faulty) Decode(b []byte, v any) ([]byte, error) {
	return b, core.Errorf(core.ErrMalformed, "faulty")
}

func TestFaults(t *testing.T) {
	w := newTestWorld(t)
	Spawn(w, &thing{})
	Spawn(w, &bare{})
	r, err := NewReplica(testSchema, faulty{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	r.apply1(t, w)
	n, err := r.Faults()
	if v, ok := errors.AsType[*ValueError](err); n != 1 || !ok || v.Field != "thing.Name" || r.w.Len() != 1 {
		t.Errorf("%d faults, %v, %d objects", n, err, r.w.Len())
	}
}

func TestStale(t *testing.T) {
	w := newTestWorld(t)
	s := NewSender(w, 10)
	x := Spawn(w, &tiny{})
	v := s.NewViewer()
	r := newTestReplica(t, 1)
	seq := uint64(0)
	packet := func(apply bool) []byte {
		x.On.Set(!x.On.Get())
		s.Capture()
		v.Begin(1 << 20)
		seq++
		b := v.AppendPacket(nil, 1200, seq)
		if apply {
			if err := r.Apply(w.tick, b); err != nil {
				t.Fatal(err)
			}
			v.Ack(seq)
		}
		return b
	}
	packet(true)
	late, at := packet(false), w.tick
	packet(true)
	packet(true) // its baseline is newer than late's
	before := dump(r.w)
	err := r.Apply(at, late)
	if !errors.Is(err, ErrStale) || errors.Is(err, core.ErrMalformed) {
		t.Errorf("a packet that was overtaken: %v", err)
	}
	if d := difference(before, dump(r.w)); d != "" || len(r.free) == 0 {
		t.Error(d)
	}
	packet(true)
}

func TestIsGone(t *testing.T) {
	w := newTestWorld(t)
	s := NewSender(w, 10)
	Spawn(w, &bare{})
	l := newLink(t, s, 1, newRand(1), 0)
	gone := []ObjectID{}
	for range 100 {
		x := Spawn(w, &tiny{})
		settle(t, s, []*link{l}, 50)
		x.Despawn()
		settle(t, s, []*link{l}, 50)
		gone = append(gone, x.ID())
	}
	for _, id := range gone {
		if !l.rep.IsGone(id) {
			t.Fatalf("%d is not known to be gone", id)
		}
	}
	if l.rep.IsGone(0) || l.rep.IsGone(1) || l.rep.IsGone(9999) {
		t.Error("gone is what never was, or is")
	}
	// A value of what is gone is nobody's.
	if err := l.rep.ApplyValue(append(wire.AppendUvarint(nil, uint64(gone[3])), 0, 1, 5)); err != nil || len(l.rep.values) > 0 {
		t.Errorf("%v, %d values held", err, len(l.rep.values))
	}
}

func classNumber(name string) uint64 {
	return uint64(slices.IndexFunc(testSchema.classes, func(c *class) bool { return c.name == name }))
}

// Packets that no server sends are refused, whole.
func TestApplyRefuses(t *testing.T) {
	class, fatClass := classNumber("tiny"), classNumber("fat")
	enc := func(vs ...uint64) (b []byte) {
		for _, v := range vs {
			b = wire.AppendUvarint(b, v)
		}
		return b
	}
	good := func(chunk, id uint64) []byte { // one new tiny
		b := enc(chunk, 0, 0, class, 1, 1, id, 0, 0, 2)
		return append(b, 0xa0) // the title: an empty string
	}
	r := newTestReplica(t, 1)
	if err := r.Apply(5, good(0, 7)); err != nil || r.w.Len() != 1 {
		t.Fatalf("a good packet: %v, %d objects", err, r.w.Len())
	}
	for name, b := range map[string][]byte{
		"cut":                   good(1, 8)[:8],
		"class unknown":         enc(1, 0, 0, 99, 1, 1, 8, 0, 0, 1),
		"class of another":      enc(0, 0, 0, fatClass, 1, 0),
		"chunk too far":         enc(maxChunks, 0, 0, class, 1, 0),
		"no rows":               enc(1, 0, 0, class, 0),
		"too many rows":         append(enc(1, 0, 0, class, 120), make([]byte, 15)...),
		"older than the world":  enc(1, 6, 0, class, 1, 0),
		"of no tick":            enc(1, 5, 0, class, 1, 0),
		"chunk twice":           append(good(1, 8), good(1, 9)...),
		"two classes of one":    append(good(1, 8), enc(1, 0, 0, fatClass, 1, 0)...),
		"id too large":          good(1, 1<<32),
		"owner too large":       enc(1, 0, 0, class, 1, 1, 8, 1<<32, 0, 1),
		"good and then garbage": append(good(1, 8), 0x80),
	} {
		t.Run(name, func(t *testing.T) {
			err := r.Apply(5, b)
			if !errors.Is(err, core.ErrMalformed) || r.w.Len() != 1 || r.w.Object(8) != nil {
				t.Errorf("error %v, %d objects", err, r.w.Len())
			}
			checkSizes(t, r)
		})
	}
	if err := r.Apply(math.MaxUint64, good(2, 9)); !errors.Is(err, core.ErrMalformed) {
		t.Errorf("a tick beyond all: %v", err)
	}
	// An object in two places is in the first.
	if err := r.Apply(6, append(good(1, 7), good(2, 8)...)); err != nil || r.w.Len() != 2 {
		t.Errorf("%v, %d objects", err, r.w.Len())
	}
	checkIndex(t, r.w)
	if err := r.Apply(7, append(enc(1, 0, 0, class, 1, 0), enc(0, 0, 0, class, 1, 0)...)); err != nil || r.w.Len() != 1 {
		t.Errorf("%v, %d objects", err, r.w.Len())
	}
	checkIndex(t, r.w)
}

// However a server fills a replica, it takes no more than its bounds.
func TestReplicaIsBounded(t *testing.T) {
	class := classNumber("thing")
	r := newTestReplica(t, 1)
	r.limit = 16 << 20
	rows := uint64(testSchema.classes[class].maxRows)
	var err error
	tick := uint64(1)
	var sent int
	for ; err == nil && tick < 2000; tick++ { // new versions of more and more empty chunks
		var b []byte
		for c := range uint64(500) {
			b = wire.AppendUvarint(b, (c+tick*100)%maxChunks)
			b = append(b, 0, 0, byte(class), byte(rows))
			b = append(b, make([]byte, (rows+7)/8)...)
		}
		sent += len(b)
		err = r.Apply(tick, b)
	}
	if !errors.Is(err, core.ErrMalformed) {
		t.Errorf("after %d packets: %v", tick, err)
	}
	if r.size > r.limit {
		t.Errorf("%d bytes", r.size)
	}
	checkSizes(t, r)

	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 64<<20 {
		t.Errorf("%d MiB in use for %d bytes that came", m.HeapAlloc>>20, sent)
	}

	r = newTestReplica(t, 1)
	err = nil
	for id := uint64(1); err == nil && id < 1<<20; id++ { // values of nothing
		err = r.ApplyValue(append(wire.AppendUvarint(nil, id), 1, 1))
	}
	if !errors.Is(err, core.ErrBackpressure) || r.held > maxHeld {
		t.Errorf("%v, %d bytes held", err, r.held)
	}
	r.w.tick = staleHeld + 2 // what waits longest may go
	if err := r.ApplyValue(append(wire.AppendUvarint(nil, 1<<30), 1, 1)); err != nil || len(r.values) != 1 {
		t.Errorf("%v, %d values held", err, len(r.values))
	}
	if err := r.ApplyValue(append([]byte{1, 1, 1}, make([]byte, MaxValue+1)...)); !errors.Is(err, core.ErrMalformed) {
		t.Errorf("a value too long: %v", err)
	}
}
