package arq

import (
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// A probe-wise test of what a Session makes of acknowledgements: each message leaves in a
// packet of its own, at its time, and the test answers for the peer.
type duet struct {
	t   *testing.T
	s   *Session
	now time.Duration
	pn  uint64
	ack uint64 // number of the peer's next packet
	lim uint64 // that the peer tells
	buf []byte
}

func newDuet(t *testing.T) *duet {
	return &duet{t: t, s: New(Config{InitialRTT: 100 * ms}, epoch), lim: window, buf: make([]byte, MaxDatagram)}
}

func (d *duet) time() time.Time { return epoch.Add(d.now) }

// send sends n messages at a time, and then time passes.
func (d *duet) send(n int, del core.Delivery, wait time.Duration) {
	for range n {
		if err := d.s.Send(d.time(), del, make([]byte, 100)); err != nil {
			d.t.Fatal(err)
		}
		d.pump()
	}
	d.now += wait
}

func (d *duet) pump() (packets int) {
	for d.s.Next(d.time(), d.pn, d.buf) > 0 {
		d.pn++
		packets++
	}
	return packets
}

// acks acknowledges runs of packets; latest is the one that came last.
func (d *duet) acks(latest uint64, delay time.Duration, seen ...span) {
	if err := d.s.Receive(d.time(), d.ack, appendAck(nil, 1000, seen, latest, delay, d.lim)); err != nil {
		d.t.Fatal(err)
	}
	d.ack++
}

func (d *duet) next() time.Duration {
	due := d.s.Deadline()
	if due.IsZero() {
		return never
	}
	return due.Sub(epoch)
}

// TestPacketThreshold holds that the third packet behind one that is missing makes it
// lost, and the second does not.
func TestPacketThreshold(t *testing.T) {
	d := newDuet(t)
	d.send(6, core.Reliable, 100*ms)
	d.acks(2, 0, span{1, 3})
	if d.s.lost != 0 {
		t.Fatalf("%d packets are taken for lost, overtaken by two", d.s.lost)
	}
	d.acks(3, 0, span{1, 4})
	if d.s.lost != 1 {
		t.Fatalf("%d packets are taken for lost, one overtaken by three", d.s.lost)
	}
	if n := d.pump(); n != 1 || d.s.flight.ring.at(6).off[0] != 0 {
		t.Fatalf("%d packets were sent, the first with what is at %d", n, d.s.flight.ring.at(6).off[0])
	}
}

// TestTimeThreshold holds that a packet that was overtaken is lost 9/8 of a round trip
// after it left.
func TestTimeThreshold(t *testing.T) {
	d := newDuet(t)
	d.send(2, core.Reliable, 80*ms)
	d.acks(1, 0, span{1, 2})
	if got := d.next(); got != 90*ms || d.s.lost != 0 {
		t.Fatalf("lost: %d, and the next thing happens at %v", d.s.lost, got)
	}
	d.now = 90 * ms
	if n := d.pump(); n != 1 || d.s.lost != 1 {
		t.Fatalf("lost: %d, and %d packets were sent", d.s.lost, n)
	}
}

// TestLate holds what a packet brings about that came after it was taken for lost: the
// window is restored, packets do not count any more, and time counts for longer; until
// nothing of the kind has happened for long.
func TestLate(t *testing.T) {
	d := newDuet(t)
	before := d.s.cc.window
	d.send(1, core.Unreliable, 10*ms)
	d.acks(0, 0, span{0, 1})
	d.send(4, core.Unreliable, 80*ms) // there is a queue somewhere
	d.acks(4, 0, span{2, 5})
	if d.s.lost != 1 || d.s.cc.window != before*7/10 {
		t.Fatalf("lost: %d, window %d", d.s.lost, d.s.cc.window)
	}
	d.now += 40 * ms // it took one and a half round trips
	d.acks(1, 0, span{0, 5})
	if d.s.late != 1 || d.s.cc.window != before {
		t.Fatalf("late: %d, window %d", d.s.late, d.s.cc.window)
	}
	if got := d.s.flight.tolerance; got < 2 || got > 5 {
		t.Fatalf("tolerance is %d", got)
	}
	top := d.pn
	d.send(10, core.Unreliable, 85*ms)
	d.acks(top+9, 0, span{top + 1, top + 10})
	if d.s.lost != 1 {
		t.Fatalf("a packet is taken for lost as nine have overtaken it")
	}
	if wait := d.next() - (d.now - 85*ms); wait < 100*ms || wait > 140*ms {
		t.Fatalf("it is taken for lost %v after it left", wait)
	}
	for i := 0; d.s.flight.tolerance > 1; i++ {
		if i > 100 {
			t.Fatalf("ten seconds without, and tolerance is %d", d.s.flight.tolerance)
		}
		d.send(1, core.Unreliable, 100*ms)
		d.acks(d.pn-1, 0, span{d.pn - 1, d.pn})
	}
}

// TestBackoff holds the times of probes into silence, what they carry, and that a sign of
// life ends it.
func TestBackoff(t *testing.T) {
	d := newDuet(t)
	d.send(1, core.Reliable, 40*ms)
	d.acks(0, 0, span{0, 1}) // 40±20 ms
	d.send(3, core.Reliable, 0)
	last := d.now
	for i, wait := range []time.Duration{130 * ms, 260 * ms, 520 * ms, time.Second, time.Second} {
		if got := d.next() - last; got != wait {
			t.Fatalf("probe %d comes after %v, want %v", i, got, wait)
		}
		d.now = d.next()
		if n := d.pump(); n != 2 {
			t.Fatalf("probe %d is %d packets", i, n)
		}
		last = d.now
		if p := d.s.flight.ring.at(d.s.flight.ring.n - 2); p.n[0] == 0 || i == 0 && p.off[0] != d.s.out.buf.base {
			t.Fatalf("probe %d carries %d bytes at %d, and the oldest unacknowledged is %d", i, p.n[0], p.off[0], d.s.out.buf.base)
		}
	}
	if d.s.cc.window != floorPackets*BaseDatagram {
		t.Errorf("after such a silence the window is %d", d.s.cc.window)
	}
	d.acks(d.pn-1, 0, span{0, d.pn})
	d.send(1, core.Reliable, 0)
	if got := d.next() - d.now; got > 600*ms || d.s.backoff != 0 {
		t.Fatalf("it has heard from the peer, and the next probe comes after %v", got)
	}
}

// TestTailOfDatagrams holds that a peer that is silent about Unreliable messages alone
// is asked with PING after a time that lets it wait.
func TestTailOfDatagrams(t *testing.T) {
	d := newDuet(t)
	d.send(1, core.Reliable, 40*ms)
	d.acks(0, 0, span{0, 1})
	d.send(2, core.Unreliable, 0)
	if got := d.next() - d.now; got != 220*ms {
		t.Fatalf("the probe comes after %v", got)
	}
	d.now = d.next()
	if n := d.s.Next(d.time(), d.pn, d.buf); n != 1 || d.buf[0] != framePing {
		t.Fatalf("the probe is %x", d.buf[:n])
	}
	d.pn++
	d.now += 40 * ms
	d.acks(d.pn-1, 0, span{d.pn - 1, d.pn})
	if d.now = d.next(); d.now == never {
		d.t.Fatal("nothing is to happen")
	}
	d.pump()
	if d.s.lost != 2 || d.s.flight.bytes != 0 || d.s.out.ready() {
		t.Fatalf("%d packets are taken for lost, %d bytes are on their way", d.s.lost, d.s.flight.bytes)
	}
}

// TestDisorder holds that acknowledgements which overtake each other take nothing back.
func TestDisorder(t *testing.T) {
	d := newDuet(t)
	d.send(8, core.Reliable, 100*ms)
	d.acks(7, 0, span{0, 8})
	top, limit := d.s.flight.top, d.s.out.limit
	if err := d.s.Receive(d.time(), 100, appendAck(nil, 1000, spans{{0, 3}}, 2, 0, window/2)); err != nil {
		t.Fatal(err)
	}
	if d.s.flight.top != top || d.s.out.limit != limit || d.s.Unacked() != 0 {
		t.Fatalf("an old ACK frame made of top %d and limit %d: %d and %d", top, limit, d.s.flight.top, d.s.out.limit)
	}
}

// TestMeasures holds which acknowledgements measure the round trip, and with what.
func TestMeasures(t *testing.T) {
	d := newDuet(t)
	d.send(1, core.Unreliable, 90*ms)
	d.acks(0, time.Second, span{0, 1})
	if d.s.rtt.samples != 0 {
		t.Error("an answer that says that it waited for a second measures something")
	}
	d.acks(0, 50*ms, span{0, 1})
	if d.s.rtt.samples != 1 || d.s.rtt.smoothed != 40*ms {
		t.Errorf("an answer after 90 ms of which the peer waited 50 made %v", d.s.rtt.smoothed)
	}
	d.send(2, core.Unreliable, 60*ms)
	d.acks(1, 0, span{0, 3}) // the first of the two came last
	if d.s.rtt.samples != 2 {
		t.Errorf("there are %d samples", d.s.rtt.samples)
	}
	d.send(1, core.Unreliable, 10*ms)
	d.s.PathChanged(d.time())
	d.now += 70 * ms
	d.acks(3, 0, span{0, 4})
	if d.s.rtt.samples != 0 {
		t.Error("a packet that took the old path measures the new one")
	}
	if d.acks(2, 0, span{0, 4}); d.s.rtt.samples != 0 {
		t.Error("a packet that took the old path measures the new one")
	}
}

// TestOldPath holds that what was lost on the old path slows nothing down on the new.
func TestOldPath(t *testing.T) {
	d := newDuet(t)
	d.send(10, core.Reliable, 10*ms)
	d.s.PathChanged(d.time())
	d.send(1, core.Reliable, 100*ms)
	d.acks(10, 0, span{10, 11})
	if d.s.lost < enough || d.s.cc.window != firstWindow {
		t.Errorf("%d packets are taken for lost, and the window is %d", d.s.lost, d.s.cc.window)
	}
}

// TestBlocked holds that a sender whose limit is reached asks after a while, and again after
// longer ones.
func TestBlocked(t *testing.T) {
	d := newDuet(t)
	d.s.out.limit, d.lim = 10, 10
	d.now = time.Second
	d.send(1, core.Reliable, 40*ms)
	d.acks(0, 0, span{0, 1})
	for i, wait := range []time.Duration{130 * ms, 260 * ms, 520 * ms} {
		if got := d.next() - d.now; got != wait {
			t.Fatalf("it asks for the time %d after %v, want %v", i, got, wait)
		}
		d.now = d.next()
		if n := d.s.Next(d.time(), d.pn, d.buf); n != 1 || d.buf[0] != framePing {
			t.Fatalf("it asks with %x", d.buf[:n])
		}
		d.pn++
		d.acks(d.pn-1, 0, span{d.pn - 1, d.pn})
		d.s.rtt = rtt{smoothed: 40 * ms, deviation: 20 * ms, samples: 1}
	}
}

// TestFull holds that no more packets are sent than can be remembered, but for probes, for
// which the oldest are given up and sent again; and that what has settled is forgotten.
func TestFull(t *testing.T) {
	d := newDuet(t)
	free := func() { d.s.cc.window, d.s.cc.tokens = ceiling, 1e9 }
	for range maxFlight + 10 {
		if err := d.s.Send(d.time(), core.Reliable, []byte("x")); err != nil {
			t.Fatal(err)
		}
		free()
		d.pump()
	}
	if n := d.s.flight.count; n != maxFlight || d.pn != maxFlight || !d.s.out.ready() {
		t.Fatalf("%d packets are on their way, and %d have left", n, d.pn)
	}
	for range 30 {
		d.now = d.next()
		if d.pump(); d.pn >= maxFlight+40 {
			break
		}
		if err := d.s.sound(); err != nil {
			t.Fatal(err)
		}
	}
	if d.pn != maxFlight+40 {
		t.Fatalf("%d probes have left", d.pn-maxFlight)
	}
	d.acks(d.pn-1, 0, span{100, d.pn})
	if f := &d.s.flight; f.ring.n > f.count+maxSettled {
		t.Errorf("%d packets are remembered, %d of them on their way", f.ring.n, f.count)
	}
	free()
	d.pump()
	d.acks(d.pn-1, 0, span{100, d.pn})
	if err := d.s.sound(); err != nil {
		t.Fatal(err)
	}
	if d.s.Unacked() != 0 {
		t.Errorf("%d bytes are not acknowledged", d.s.Unacked())
	}
}

// TestSettled holds that of what has arrived, or was lost, little is remembered where
// packets are many.
func TestSettled(t *testing.T) {
	d := newDuet(t)
	for range 1000 {
		d.s.cc.window, d.s.cc.tokens = ceiling, 1e9
		d.send(1, core.Unreliable, 0)
	}
	d.now += ms
	d.acks(998, 0, span{1, 999})
	if f := &d.s.flight; d.s.lost != 1 || f.count != 1 || f.ring.n > maxSettled+1 {
		t.Errorf("%d packets are taken for lost, %d are on their way, and %d are remembered", d.s.lost, f.count, f.ring.n)
	}
}

// TestStalled holds since when a peer counts as stalled: since it was given something to
// acknowledge, or acknowledged something.
func TestStalled(t *testing.T) {
	d := newDuet(t)
	if since := d.s.StalledSince(); !since.IsZero() {
		t.Errorf("with nothing sent StalledSince is %v", since)
	}
	d.now = time.Hour
	d.send(2, core.Reliable, 50*ms)
	if since := d.s.StalledSince().Sub(epoch); since != time.Hour {
		t.Errorf("after an idle hour StalledSince is %v", since)
	}
	d.acks(1, 0, span{1, 2}) // behind a hole
	if since := d.s.StalledSince().Sub(epoch); since != time.Hour {
		t.Errorf("the beginning is missing, and StalledSince is %v", since)
	}
	d.send(1, core.Reliable, 0)
	d.acks(1, 0, span{0, 2})
	if since := d.s.StalledSince().Sub(epoch); since != time.Hour+50*ms {
		t.Errorf("something was acknowledged, and StalledSince is %v", since)
	}
	d.pump()
	d.acks(d.pn-1, 0, span{0, d.pn})
	if since := d.s.StalledSince(); !since.IsZero() {
		t.Errorf("all is acknowledged, and StalledSince is %v", since)
	}
}

// TestJitter holds that on a path that only reorders, the number of packets that are
// taken for lost stays small, and the window large.
func TestJitter(t *testing.T) {
	l := link{latency: 100 * ms, jitter: 40 * ms}
	w := newWorld(t, 1, l, l, Config{InitialRTT: 200 * ms})
	n := 0
	for w.now < 6*time.Second {
		for w.send(0, core.Reliable, n, 1000) == nil {
			n++
		}
		w.step(6 * time.Second)
	}
	s := w.ends[0].s
	if share := float64(s.lost) / float64(w.ends[0].out.sent); share > .03 || s.cc.allowed(s.rtt.smoothed) < 200_000 {
		w.fatalf("%.3f of the packets were taken for lost: %v", share, w)
	}
	if s.late > s.lost || s.lost-s.late > s.lost/4+10 {
		w.fatalf("of %d packets that were taken for lost %d came", s.lost, s.late)
	}
}

// TestAcksShort holds that acknowledgements leave out what the peer knows is known, so
// that a game on a lossy path does not drag its history along.
func TestAcksShort(t *testing.T) {
	l := link{latency: 30 * ms, loss: .1}
	w := newWorld(t, 1, l, l, Config{InitialRTT: 60 * ms})
	game(w, 16*ms, 100)
	most := 0
	for range 600 {
		w.pass(50 * ms)
		most = max(most, len(w.ends[1].s.acks.seen))
	}
	if most > maxRanges/2 {
		w.fatalf("ACK frames had up to %d ranges", most)
	}
}
