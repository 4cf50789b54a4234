package arq

import (
	"flag"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

var manyMessages = flag.Int("messages", 10_000, "how many Reliable messages TestTransfer sends on each network, from each seed")

const ms = time.Millisecond

// The networks that Reliable messages must survive.
var networks = []struct {
	name string
	link link
}{
	{"perfect", link{latency: ms}},
	{"harsh", link{latency: 250 * ms, jitter: 100 * ms, loss: .25, dup: .25, reorder: .1, late: 200 * ms}},
	{"far", link{latency: 1000 * ms, jitter: 100 * ms, loss: .25, dup: .25}},
	{"third", link{latency: 50 * ms, loss: .33}},
	{"reversed", link{latency: 50 * ms, reorder: .3, late: 40 * ms}},
	{"wild", link{latency: 120 * ms, jitter: 120 * ms, loss: .05, dup: .5, reorder: .3, late: time.Second}},
	{"narrow", link{latency: 25 * ms, rate: 64_000, queue: 100 * ms, loss: .02}},
}

// A traffic is what one end sends in a transfer, and what the other got of it.
type traffic struct {
	w                    *world
	from                 int
	reliable, unreliable int // messages to send
	sent, tried          int
}

// feed sends Reliable messages of odd sizes until the queue is full.
func (f *traffic) feed() {
	for f.sent < f.reliable {
		size := 9 + f.w.rng.IntN(200)
		switch f.w.rng.IntN(2000) {
		case 0:
			size = 9 + f.w.rng.IntN(core.MinReliableSize-9)
		case 1:
			size = core.MinReliableSize
		}
		switch err := f.w.send(f.from, core.Reliable, f.sent, size); err {
		case nil:
			f.sent++
		case core.ErrBackpressure:
			return
		default:
			f.w.fatalf("%v", err)
		}
	}
}

// tick sends an Unreliable message, and the next one a little later.
func (f *traffic) tick() {
	if f.tried == f.unreliable {
		return
	}
	if err := f.w.send(f.from, core.Unreliable, f.tried, 9+f.w.rng.IntN(300)); err != nil {
		f.w.fatalf("%v", err)
	}
	f.tried++
	f.w.at(f.w.now+time.Duration(f.w.rng.IntN(40))*ms, f.tick)
}

func (f *traffic) done() bool {
	f.feed()
	return len(f.w.ends[1-f.from].got[core.Reliable]) >= f.reliable && f.w.ends[f.from].s.Unacked() == 0 && f.tried == f.unreliable
}

// verify holds what is promised of both deliveries.
func (f *traffic) verify() {
	to, s := f.w.ends[1-f.from], f.w.ends[f.from].s
	for i, id := range to.got[core.Reliable] {
		if i != id {
			f.w.fatalf("end %d got Reliable message %d in place of %d", 1-f.from, id, i)
		}
	}
	got := slices.Sorted(slices.Values(to.got[core.Unreliable]))
	if n := len(slices.Compact(slices.Clone(got))); n != len(got) {
		f.w.fatalf("end %d got %d Unreliable messages twice", 1-f.from, len(got)-n)
	}
	st := s.Stats()
	left := int(st.MessagesSent) - f.reliable
	if queued := f.unreliable - left - int(st.Dropped); queued < 0 || queued > maxMessages {
		f.w.fatalf("end %d sent %d of %d Unreliable messages and dropped %d", f.from, left, f.unreliable, st.Dropped)
	}
	p := f.w.ends[f.from].out.loss
	if want := (1-p)*float64(left) - 5*math.Sqrt(p*(1-p)*float64(left)); f.w.ends[f.from].out.rate == 0 && float64(len(got)) < want-5 { // 5 may be on their way
		f.w.fatalf("end %d got %d of %d Unreliable messages, and the link loses %v", 1-f.from, len(got), left, p)
	}
}

// TestTransfer holds that on bad networks every Reliable message arrives once, in
// order and unaltered, with Unreliable ones between them that arrive at most once.
func TestTransfer(t *testing.T) {
	for _, network := range networks {
		t.Run(network.name, func(t *testing.T) {
			t.Parallel()
			seeds := 3
			if network.name == "harsh" {
				seeds = 20
			}
			for seed := range uint64(few(seeds)) {
				w := newWorld(t, seed, network.link, network.link, Config{InitialRTT: 2 * network.link.latency, Probe: seed%2 == 0})
				a := &traffic{w: w, from: 0, reliable: *manyMessages, unreliable: 300}
				b := &traffic{w: w, from: 1, reliable: *manyMessages / 10, unreliable: 300}
				w.at(0, a.tick)
				w.at(0, b.tick)
				w.run(10*time.Hour, func() bool { return a.done() && b.done() })
				w.pass(5 * time.Second)
				a.verify()
				b.verify()
				if seed == 0 {
					t.Logf("seed 0: %v of virtual time%v", w.now, w)
				}
			}
		})
	}
}

// TestOutage holds that a black-out, of both directions or of one, loses nothing and
// that messages move again within two seconds and a round trip of its end.
func TestOutage(t *testing.T) {
	for _, length := range []time.Duration{time.Second, 5 * time.Second, 9 * time.Second, 30 * time.Second} {
		for _, direction := range []string{"both", "there", "back"} {
			t.Run(fmt.Sprint(length, direction), func(t *testing.T) {
				const begin = 2 * time.Second
				down := func(at time.Duration) bool { return begin <= at && at < begin+length }
				there, back := link{latency: 50 * ms}, link{latency: 50 * ms}
				if direction != "back" {
					there.down = down
				}
				if direction != "there" {
					back.down = down
				}
				w := newWorld(t, 1, there, back, Config{InitialRTT: 100 * ms})
				n := 0
				var tick func()
				tick = func() {
					if w.now < begin+length+5*time.Second {
						if err := w.send(0, core.Reliable, n, 100); err != nil {
							w.fatalf("%v", err)
						}
						n++
						w.at(w.now+20*ms, tick)
					}
				}
				var moved time.Duration
				w.ends[1].recv = func(_ core.Delivery, id int, at time.Duration) {
					if at >= begin+length && moved == 0 {
						moved = at - (begin + length)
					}
				}
				w.at(0, tick)
				w.pass(begin + length/2)
				if direction != "there" && length > time.Second {
					if since := w.ends[0].s.StalledSince(); since.IsZero() || w.time().Sub(since) < length/2-200*ms {
						w.fatalf("in the middle of the black-out StalledSince is %v", since)
					}
				}
				w.run(length+10*time.Second, func() bool { return w.now > begin+length+5*time.Second && w.ends[0].s.Unacked() == 0 })
				for i, id := range w.ends[1].got[core.Reliable] {
					if i != id {
						w.fatalf("got %d in place of %d", id, i)
					}
				}
				if got := len(w.ends[1].got[core.Reliable]); got != n {
					w.fatalf("got %d of %d messages", got, n)
				}
				if moved > 2100*ms {
					w.fatalf("the first message came %v after the black-out", moved)
				}
				if since := w.ends[0].s.StalledSince(); !since.IsZero() {
					w.fatalf("all has arrived, and StalledSince is %v", since)
				}
			})
		}
	}
}
