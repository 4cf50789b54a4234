package gate

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

var handshakes = flag.Int("handshakes", 200, "how many handshakes to try on a line that loses a third; 10000 to be sure")

// At a third of all packets lost, both ways, and a round trip of 100 ms, a client is in
// within ten seconds, 9,999 times of 10,000.
func TestLossyHandshakes(t *testing.T) {
	const batch = 100
	var took []time.Duration
	failed := 0
	for seed := uint64(1); len(took)+failed < *handshakes; seed++ {
		synctest.Test(t, func(t *testing.T) {
			w := seededWorld(t, seed, netsim.PacketLink{Link: netsim.Link{Latency: 50 * time.Millisecond, Loss: 0.33}}, nil)
			var all sync.WaitGroup
			var mu sync.Mutex
			var ends []*end
			for i := range batch {
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					begin := time.Now()
					c, err := w.dialFrom(ctx, fmt.Sprintf("10.1.0.%d", i), nil)
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						failed++
						t.Logf("seed %d, client %d: %v", seed, i, err)
						return
					}
					ends, took = append(ends, c), append(took, time.Since(begin))
				})
			}
			all.Wait()
			for range ends { // the server knows them, too, soon after
				select {
				case s := <-w.accept:
					ends = append(ends, s)
				case <-time.After(10 * time.Second):
					t.Errorf("seed %d: not all that are in were accepted", seed)
				}
			}
			w.net.SetLink(lan)
			w.close(ends...)
		})
	}
	if failed*10000 > *handshakes {
		t.Errorf("%d of %d failed", failed, *handshakes)
	}
	slices.Sort(took)
	t.Logf("%d handshakes, %d failed; median %v, 99 of 100 within %v, the last after %v",
		*handshakes, failed, took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
}

// The first packets of a direction are lost, whatever they are.
func TestFirstPacketsLost(t *testing.T) {
	for _, lost := range []uint64{1, 2, 3} {
		for _, up := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d up %v", lost, up), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, lan, nil)
					server := netsim.AddrOf(w.gate.Addr())
					w.net.SetFilter(func(p netsim.Packet) netsim.Verdict {
						return netsim.Verdict{Drop: p.Index < lost && (p.To == server) == up}
					})
					begin := time.Now()
					c, s := w.pair()
					if took := time.Since(begin); took > 2*time.Second {
						t.Errorf("it took %v", took)
					}
					if !c.send("there") || <-s.packets != "there" || !s.send("back") || <-c.packets != "back" {
						t.Error("what is sent does not arrive")
					}
					w.close(c, s)
				})
			})
		}
	}
}

// However packets are doubled and reordered, one dial is one connection.
func TestDoubledHandshake(t *testing.T) {
	for name, link := range map[string]netsim.PacketLink{
		"all doubled":  {Link: netsim.Link{Latency: 20 * time.Millisecond}, Duplicate: 1, Copies: 3, CopyDelay: time.Second},
		"all late":     {Link: netsim.Link{Latency: 20 * time.Millisecond, Jitter: 500 * time.Millisecond}, Duplicate: 0.5, Copies: 2, CopyDelay: 3 * time.Second},
		"far away":     {Link: netsim.Link{Latency: 900 * time.Millisecond, Jitter: 200 * time.Millisecond}},
		"come back":    {Link: netsim.Link{Latency: 20 * time.Millisecond}, Duplicate: 1, Copies: 2, CopyDelay: 30 * time.Second},
		"cut to bits":  {Link: netsim.Link{Latency: 20 * time.Millisecond}, Corrupt: 0.3},
		"out of order": {Link: netsim.Link{Latency: 20 * time.Millisecond, Reorder: 0.5, ReorderBy: 400 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(5) {
				synctest.Test(t, func(t *testing.T) {
					w := seededWorld(t, seed, link, nil)
					c, err := w.dial(t.Context(), nil)
					if err != nil {
						t.Fatalf("seed %d: %v", seed, err)
					}
					s := <-w.accept
					time.Sleep(40 * time.Second)
					if n := len(w.accept); n > 0 || len(c.ended)+len(s.ended) > 0 {
						t.Errorf("seed %d: %d more were accepted, %d ended", seed, n, len(c.ended)+len(s.ended))
					}
					if n := w.gate.Counters.Handshakes.Load(); name != "far away" && n > 1 {
						t.Errorf("seed %d: the server computed %d handshakes", seed, n)
					}
					w.net.SetLink(lan)
					w.close(c, s)
				})
			}
		})
	}
}

// The round trip of the handshake is only believed where it is sure.
func TestRTT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, netsim.PacketLink{Link: netsim.Link{Latency: 50 * time.Millisecond}}, nil)
		server := netsim.AddrOf(w.gate.Addr())
		w.net.SetFilter(func(p netsim.Packet) netsim.Verdict { // the first welcome is lost
			return netsim.Verdict{Drop: p.From == server && p.Index == 1}
		})
		c, s := w.pair()
		if c.link.RTT() != 0 || s.link.RTT() != 0 {
			t.Errorf("after a lost welcome the round trip is said to be %v and %v", c.link.RTT(), s.link.RTT())
		}
		w.close(c, s)
	})
}
