package arq

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// A link is one direction of a simulated path. Its rates are probabilities.
type link struct {
	latency, jitter    time.Duration // each packet takes latency ± jitter
	loss, dup, reorder float64
	late               time.Duration // what a reordered packet takes more
	rate               int           // bytes a second; 0: any
	queue              time.Duration // what may wait for the rate
	mtu                int           // larger datagrams vanish; 0: none
	down               func(at time.Duration) bool

	freeAt time.Duration
	sent   int // datagrams, and bytes of them
	bytes  int
	took   int // bytes that the link carried
	lost   int
}

// An end is one Session with its neighbours: the layer below, which numbers packets,
// leaves some numbers out, and drops copies; and the program above.
type end struct {
	s       *Session
	out     *link
	pn      uint64
	skip    float64
	arrived map[uint64]bool
	hold    func(payload []byte) bool // true: the packet never leaves
	deaf    bool                      // the program does not call Recv

	got      [2][]int // ids of messages, by delivery
	recv     func(d core.Delivery, id int, at time.Duration)
	buf, msg []byte
}

// A world is two ends and the packets between them, in virtual time.
type world struct {
	tb    testing.TB
	rng   *rand.Rand
	seed  uint64
	now   time.Duration
	ends  [2]*end
	air   air
	spare [][]byte
	n     int
	every int // so many packets the inside of both ends is checked
	tasks []task
}

type task struct {
	at time.Duration
	do func()
}

type packet struct {
	at      time.Duration
	seq     int
	to      int
	pn      uint64
	payload []byte
}

type air []packet

func (a air) Len() int { return len(a) }
func (a air) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].seq < a[j].seq
}
func (a air) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *air) Push(x any)   { *a = append(*a, x.(packet)) }
func (a *air) Pop() any {
	p := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return p
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newWorld(tb testing.TB, seed uint64, there, back link, cfg Config) *world {
	w := &world{tb: tb, seed: seed, every: 100, rng: rand.New(rand.NewPCG(seed, 1))}
	for i, l := range []link{there, back} {
		w.ends[i] = &end{s: New(cfg, epoch), out: &l, skip: 1.0 / 64, arrived: map[uint64]bool{}, buf: make([]byte, MaxDatagram)}
	}
	return w
}

func (w *world) time() time.Time { return epoch.Add(w.now) }

func (w *world) fatalf(format string, args ...any) {
	w.tb.Helper()
	w.tb.Fatalf("seed %d, at %v: %s", w.seed, w.now, fmt.Sprintf(format, args...))
}

// at has something done at a time.
func (w *world) at(t time.Duration, do func()) { w.tasks = append(w.tasks, task{t, do}) }

// message makes the bytes of message id: their length and content follow from it.
func message(dst []byte, id, size int) []byte {
	dst = binary.BigEndian.AppendUint64(dst[:0], uint64(id))
	for i := 8; i < size; i++ {
		dst = append(dst, byte(id+i*7))
	}
	return dst
}

// send sends message id, whose size is at least 9 and bears its delivery, from an end.
func (w *world) send(from int, d core.Delivery, id, size int) error {
	e := w.ends[from]
	e.msg = message(e.msg, id, size)
	e.msg[8] = byte(d)
	err := e.s.Send(w.time(), d, e.msg)
	w.pump(from)
	return err
}

// pump lets an end send what it may, and take what came.
func (w *world) pump(i int) {
	e := w.ends[i]
	for !e.deaf {
		msg, ok := e.s.Recv(e.msg)
		if !ok {
			break
		}
		e.msg = msg
		w.check(e, msg)
	}
	for n := 0; ; n++ {
		if w.rng.Float64() < e.skip {
			e.pn += 1 + w.rng.Uint64N(3)
		}
		size := e.s.Next(w.time(), e.pn, e.buf)
		if size == 0 {
			break
		}
		if n > 10_000 {
			w.fatalf("end %d sends without end", i)
		}
		payload := e.buf[:size]
		if e.hold == nil || !e.hold(payload) {
			w.fly(1-i, e.out, e.pn, payload, e.s.overhead)
		}
		e.pn++
	}
	if w.n%w.every == 0 {
		if err := e.s.sound(); err != nil {
			w.fatalf("end %d: %v", i, err)
		}
	}
	if d := e.s.Deadline(); !d.IsZero() && !d.After(w.time()) {
		w.fatalf("end %d has nothing to send and wants to be called at once", i)
	}
}

// check holds that a message is what was sent.
func (w *world) check(e *end, msg []byte) {
	if len(msg) < 9 {
		w.fatalf("a message of %d bytes was received, and none was sent", len(msg))
	}
	id, d := int(binary.BigEndian.Uint64(msg)), core.Delivery(msg[8])
	want := message(nil, id, len(msg))
	want[8] = byte(d)
	if !bytes.Equal(msg, want) {
		w.fatalf("%s message %d was altered", d, id)
	}
	e.got[d] = append(e.got[d], id)
	if e.recv != nil {
		e.recv(d, id, w.now)
	}
}

// fly puts a packet on a link.
func (w *world) fly(to int, l *link, pn uint64, payload []byte, overhead int) {
	size := len(payload) + overhead
	l.sent++
	l.bytes += size
	if l.mtu > 0 && size > l.mtu || l.down != nil && l.down(w.now) || w.rng.Float64() < l.loss {
		l.lost++
		return
	}
	at := w.now
	if l.rate > 0 {
		l.freeAt = max(l.freeAt, w.now)
		if l.freeAt-w.now > l.queue {
			l.lost++
			return
		}
		l.freeAt += time.Duration(size) * time.Second / time.Duration(l.rate)
		at = l.freeAt
	}
	l.took += size
	at += l.latency
	if l.jitter > 0 {
		at += time.Duration(w.rng.Int64N(int64(2*l.jitter))) - l.jitter
	}
	if w.rng.Float64() < l.reorder {
		at += l.late
	}
	w.arrive(at, to, pn, payload)
	if w.rng.Float64() < l.dup {
		w.arrive(at+time.Duration(w.rng.Int64N(int64(time.Second))), to, pn, payload)
	}
}

func (w *world) arrive(at time.Duration, to int, pn uint64, payload []byte) {
	var b []byte
	if n := len(w.spare); n > 0 {
		b, w.spare = w.spare[n-1][:0], w.spare[:n-1]
	}
	w.n++
	heap.Push(&w.air, packet{at, w.n, to, pn, append(b, payload...)})
}

// run lets time pass until done reports true, and fails after limit.
func (w *world) run(limit time.Duration, done func() bool) {
	w.tb.Helper()
	until := w.now + limit
	for !done() {
		if w.step(until); w.now >= until {
			w.fatalf("not done after %v: %v", limit, w)
		}
	}
}

// pass lets time pass.
func (w *world) pass(t time.Duration) {
	for until := w.now + t; w.now < until; {
		w.step(until)
	}
}

// step goes to the next thing that happens, and lets it happen.
func (w *world) step(until time.Duration) {
	next := until
	if len(w.air) > 0 {
		next = min(next, w.air[0].at)
	}
	for _, t := range w.tasks {
		next = min(next, t.at)
	}
	for _, e := range w.ends {
		if d := e.s.Deadline(); !d.IsZero() {
			next = min(next, d.Sub(epoch))
		}
	}
	w.now = max(w.now, next)
	var due []task
	rest := w.tasks[:0]
	for _, t := range w.tasks {
		if t.at <= w.now {
			due = append(due, t)
		} else {
			rest = append(rest, t)
		}
	}
	w.tasks = rest
	for _, t := range due {
		t.do()
	}
	for len(w.air) > 0 && w.air[0].at <= w.now {
		p := heap.Pop(&w.air).(packet)
		e := w.ends[p.to]
		if !e.arrived[p.pn] {
			e.arrived[p.pn] = true
			if err := e.s.Receive(w.time(), p.pn, p.payload); err != nil {
				w.fatalf("end %d: %v", p.to, err)
			}
			w.pump(p.to)
		}
		w.spare = append(w.spare, p.payload)
	}
	for i, e := range w.ends {
		if d := e.s.Deadline(); !d.IsZero() && d.Sub(epoch) <= w.now {
			w.pump(i)
		}
	}
}

func (w *world) String() string {
	var b bytes.Buffer
	for i, e := range w.ends {
		s := e.s
		fmt.Fprintf(&b, "\nend %d: got %d+%d, unacked %d, next %d, end %d, limit %d, lost %v, flight %d packets %d bytes, window %d/%d, rtt %v±%v, backoff %d, tolerance %d; packets lost %d, late %d; link: %d sent, %d lost",
			i, len(e.got[0]), len(e.got[1]), s.Unacked(), s.out.next, s.out.end, s.out.limit, s.out.lost, s.flight.count, s.flight.bytes, s.cc.window, s.cc.allowed(s.rtt.smoothed),
			s.rtt.smoothed, s.rtt.deviation, s.backoff, s.flight.tolerance, s.lost, s.late, e.out.sent, e.out.lost)
	}
	return b.String()
}
