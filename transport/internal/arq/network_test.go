package arq

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// game makes the ends talk as a game does: many small messages, most Unreliable, and
// answers at half the rate. It returns the delays of what arrived at end 1.
func game(w *world, every time.Duration, size int) *[2][]time.Duration {
	var delays [2][]time.Duration
	sentAt := map[int]time.Duration{}
	w.ends[1].recv = func(d core.Delivery, id int, at time.Duration) {
		delays[d] = append(delays[d], at-sentAt[id])
	}
	ids := [2]int{}
	say := func(from int, d core.Delivery, size int) {
		if from == 0 {
			sentAt[ids[0]] = w.now
		}
		if err := w.send(from, d, ids[from], size); err != nil {
			w.fatalf("%v", err)
		}
		ids[from]++
	}
	var tick, answer func()
	tick = func() {
		say(0, core.Unreliable, size)
		if ids[0]%10 == 5 {
			say(0, core.Reliable, 60)
		}
		w.at(w.now+every, tick)
	}
	answer = func() {
		say(1, core.Unreliable, 40)
		w.at(w.now+2*every, answer)
	}
	w.at(0, tick)
	w.at(0, answer)
	return &delays
}

func percentile(d []time.Duration, p float64) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[int(float64(len(s)-1)*p)]
}

// TestRTT holds that the estimate is within a tenth of the round trip after three
// seconds, whatever the jitter and whatever the handshake was told, and that no packet
// was taken for lost before its time on a steady path.
func TestRTT(t *testing.T) {
	for _, c := range []struct {
		there, back, jitter time.Duration
		loss                float64
	}{
		{0, 0, 0, 0},
		{50 * ms, 50 * ms, 0, 0},
		{50 * ms, 50 * ms, 20 * ms, .05},
		{10 * ms, 200 * ms, 10 * ms, 0},
		{250 * ms, 250 * ms, 0, .25},
		{250 * ms, 250 * ms, 100 * ms, 0},
		{1000 * ms, 1000 * ms, 0, 0},
		{1000 * ms, 1000 * ms, 250 * ms, 0},
	} {
		for _, initial := range []time.Duration{0, 10 * ms, 5 * time.Second} {
			t.Run(fmt.Sprint(c, initial), func(t *testing.T) {
				w := newWorld(t, 1, link{latency: c.there, jitter: c.jitter, loss: c.loss}, link{latency: c.back, jitter: c.jitter, loss: c.loss}, Config{InitialRTT: initial})
				game(w, 16*ms, 100)
				if rtt := w.ends[0].s.Stats().RTT; rtt != 0 {
					t.Errorf("before anything was sent Stats.RTT is %v", rtt)
				}
				w.pass(3 * time.Second)
				for range 100 {
					w.pass(100 * ms)
					want := c.there + c.back
					if got := w.ends[0].s.Stats().RTT; (got - want).Abs() > want/10+ms {
						w.fatalf("Stats.RTT is %v, and the round trip %v", got, want)
					}
				}
				if s := w.ends[0].s; c.jitter == 0 && s.late > 0 {
					w.fatalf("%d packets were taken for lost and came", s.late)
				}
			})
		}
	}
}

// TestSpike holds that five seconds in which packets are only late lose nothing, and
// that the estimate comes back.
func TestSpike(t *testing.T) {
	there := link{latency: 40 * ms}
	w := newWorld(t, 1, there, there, Config{InitialRTT: 80 * ms})
	delays := game(w, 16*ms, 100)
	w.at(2*time.Second, func() { w.ends[0].out.latency = 5 * time.Second })
	w.at(7*time.Second, func() { w.ends[0].out.latency = 40 * ms })
	w.pass(25 * time.Second)
	for i := 1; i < len(w.ends[1].got[core.Reliable]); i++ {
		if w.ends[1].got[core.Reliable][i-1] >= w.ends[1].got[core.Reliable][i] {
			w.fatalf("Reliable messages out of order: %v", w.ends[1].got[core.Reliable][i-1:i+1])
		}
	}
	if rtt := w.ends[0].s.Stats().RTT; rtt > 100*ms {
		w.fatalf("twelve seconds after the spike the round trip is estimated at %v", rtt)
	}
	if d := percentile((*delays)[core.Unreliable][len((*delays)[core.Unreliable])-100:], 1); d > 45*ms {
		w.fatalf("and a message takes %v", d)
	}
}

// TestRate holds that a narrow link with a short queue is used to at least four
// fifths, by Reliable messages alone, and that on the way to that little is sent in vain.
func TestRate(t *testing.T) {
	for _, c := range []struct {
		rate    int
		latency time.Duration
		waste   float64 // sent for each byte that the link took
	}{
		{64_000, ms, 1.15}, {64_000, 25 * ms, 1.15}, {64_000, 250 * ms, 1.15},
		{256_000, 25 * ms, 1.1}, {256_000, 100 * ms, 1.1},
		{1_000_000, 25 * ms, 1.1},
		{32_000, 25 * ms, 2.5}, // below the floor of congestion control: it works, and wastes
	} {
		t.Run(fmt.Sprint(c.rate, c.latency), func(t *testing.T) {
			l := link{latency: c.latency, rate: c.rate, queue: 100 * ms}
			w := newWorld(t, 1, l, l, Config{InitialRTT: 2 * c.latency})
			n := 0
			const length = 15 * time.Second
			for w.now < length {
				for w.send(0, core.Reliable, n, 1000) == nil {
					n++
				}
				w.step(length)
			}
			good := 1000 * len(w.ends[1].got[core.Reliable])
			if share := float64(good) / length.Seconds() / float64(c.rate); share < .8 {
				w.fatalf("%.3f of the rate was used: %v", share, w)
			}
			if waste := float64(w.ends[0].out.bytes) / float64(w.ends[0].out.took); waste > c.waste {
				w.fatalf("%.2f times as much was sent as the link carried: %v", waste, w)
			}
		})
	}
}

// TestBoth holds that neither delivery starves the other where there is not room for
// both, and that Unreliable messages are dropped and not late.
func TestBoth(t *testing.T) {
	const queue, latency, length = 100 * ms, 25 * ms, 20 * time.Second
	l := link{latency: latency, rate: 64_000, queue: queue}
	w := newWorld(t, 1, l, l, Config{InitialRTT: 2 * latency})
	var delays []time.Duration
	var sentAt []time.Duration
	w.ends[1].recv = func(d core.Delivery, id int, at time.Duration) {
		if d == core.Unreliable {
			delays = append(delays, at-sentAt[id])
		}
	}
	var tick func()
	tick = func() { // 50 KB/s of the 64
		for range 3 {
			sentAt = append(sentAt, w.now)
			if err := w.send(0, core.Unreliable, len(sentAt)-1, 1000); err != nil {
				w.fatalf("%v", err)
			}
		}
		w.at(w.now+time.Second/16, tick)
	}
	w.at(0, tick)
	n := 0
	for w.now < length {
		for w.send(0, core.Reliable, n, 1000) == nil {
			n++
		}
		w.step(length)
	}
	fresh, reliable := len(w.ends[1].got[core.Unreliable]), len(w.ends[1].got[core.Reliable])
	for d, got := range w.ends[1].got {
		if share := float64(1000*len(got)) / length.Seconds() / 64_000; share < .3 {
			w.fatalf("%v messages had %.2f of the link, with %d Unreliable and %d Reliable: %v", core.Delivery(d), share, fresh, reliable, w)
		}
	}
	if worst := percentile(delays, .99); worst > latency+queue+maxMessageAge+1200*time.Second/64_000 {
		w.fatalf("Unreliable messages took up to %v", worst)
	}
	if st := w.ends[0].s.Stats(); int(st.Dropped)+fresh > len(sentAt) || st.Dropped == 0 {
		w.fatalf("of %d messages %d were dropped before they left and %d arrived", len(sentAt), st.Dropped, fresh)
	}
}

// TestGame holds what a game gets from bad networks: Unreliable messages are not held
// back, and Reliable ones by about a round trip for each time that they are lost.
func TestGame(t *testing.T) {
	for _, c := range []struct {
		loss            float64
		fresh, reliable time.Duration // what all but a hundredth take at most
	}{
		{0, 26 * ms, 26 * ms},
		{.05, 26 * ms, 110 * ms},
		{.25, 26 * ms, 320 * ms},
	} {
		t.Run(fmt.Sprint(c.loss), func(t *testing.T) {
			l := link{latency: 25 * ms, loss: c.loss}
			w := newWorld(t, 5, l, l, Config{InitialRTT: 50 * ms, Probe: true})
			delays := game(w, 16*ms, 300)
			w.pass(60 * time.Second)
			fresh, reliable := percentile(delays[core.Unreliable], .99), percentile(delays[core.Reliable], .99)
			if fresh > c.fresh || reliable > c.reliable {
				w.fatalf("Unreliable messages took up to %v and Reliable ones up to %v, want %v and %v", fresh, reliable, c.fresh, c.reliable)
			}
			if st := w.ends[0].s.Stats(); st.Dropped > 0 {
				w.fatalf("%d messages were dropped", st.Dropped)
			}
		})
	}
}
