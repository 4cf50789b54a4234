package gate

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

// Both sides change keys, again and again and at the same time, on a line that loses and
// reorders; with new connections and restarts of the server between. Nothing is taken
// that was not sent, nothing twice, and no number is used twice with a key.
func TestRekeyOnBadLine(t *testing.T) {
	for seed := range uint64(3) {
		nonces := recording(t)
		synctest.Test(t, func(t *testing.T) {
			bad := netsim.PacketLink{
				Link:      netsim.Link{Latency: 50 * time.Millisecond, Jitter: 100 * time.Millisecond, Loss: 0.25, Reorder: 0.1, ReorderBy: 300 * time.Millisecond},
				Duplicate: 0.25, Copies: 3, CopyDelay: 5 * time.Second,
			}
			w := seededWorld(t, seed, bad, nil)
			for round := range 3 {
				c, s := w.pair()
				const n, phases = 4000, 30
				for _, e := range []*end{c, s} { // as often as it is safe
					e.link.mu.Lock()
					e.link.out.packets, e.link.out.rest = n/phases, rekeyRest
					e.link.mu.Unlock()
				}
				want := rekeyRest * phases / n
				for i := range n {
					c.send(fmt.Sprintf("%d up %d", round, i))
					s.send(fmt.Sprintf("%d down %d", round, i))
					time.Sleep(want)
				}
				time.Sleep(10 * time.Second)
				for _, e := range []struct {
					*end
					way string
				}{{s, "up"}, {c, "down"}} {
					seen := make(map[int]bool)
					for len(e.packets) > 0 {
						p := <-e.packets
						number, ok := strings.CutPrefix(p, fmt.Sprintf("%d %s ", round, e.way))
						i, err := strconv.Atoi(number)
						if !ok || err != nil || seen[i] {
							t.Fatalf("seed %d: took %q", seed, p)
						}
						seen[i] = true
					}
					if len(seen) < n*7/10 {
						t.Errorf("seed %d: %s took %d of %d packets", seed, e.way, len(seen), n)
					}
					if len(e.ended) > 0 {
						t.Fatalf("seed %d: %v", seed, <-e.ended)
					}
				}
				if round == 1 { // the process is gone, and comes again with the same key
					s.link.mu.Lock()
					s.link.finish()
					s.link.mu.Unlock()
					addr := w.gate.Addr().String()
					w.gate.Close()
					w.listen(addr, nil)
					<-c.ended
					w.end(c)
				} else {
					w.end(c, s)
				}
			}
			w.close()
		})
		if len(nonces.seen) < 3*2*20 {
			t.Errorf("seed %d: only %d keys were used", seed, len(nonces.seen))
		}
		t.Logf("seed %d: %d packets under %d keys", seed, nonces.n, len(nonces.seen))
	}
}

// A key is changed after a time, too; and a side that hears of it after a black-out goes
// on.
func TestRekeyInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		c, s := w.pair()
		keys := make(map[[32]byte]bool)
		for range 60 {
			time.Sleep(time.Minute)
			w.net.Blackout(8 * time.Second)
			time.Sleep(9 * time.Second)
			c.send("x")
			if <-s.packets != "x" {
				t.Fatal("lost")
			}
			c.link.mu.Lock()
			keys[sha256.Sum256(c.link.out.key.secret)] = true
			c.link.mu.Unlock()
		}
		if len(keys) < 6 || len(keys) > 8 {
			t.Errorf("%d keys in %v", len(keys), 60*69*time.Second)
		}
		w.close(c, s)
	})
}

// Keys are not changed so fast that a peer that hears nothing for a while, and lives, could
// miss one.
func TestRekeyRests(t *testing.T) {
	for _, idle := range []time.Duration{time.Second, 10 * time.Second, time.Minute} {
		l, err := newLink(linkConfig{send: make([]byte, 32), idle: time.Second, peerIdle: idle})
		if err != nil {
			t.Fatal(err)
		}
		l.out.packets = 1
		changes, last := 0, time.Duration(0)
		for now := time.Duration(0); now < 5*time.Minute; now += 100 * time.Millisecond {
			phase := l.out.phase
			if !l.out.ready(now, 0) {
				t.Fatal("used up")
			}
			l.out.next++
			if l.out.phase != phase {
				if now-last < max(2*idle, 2*rekeyKeeps) {
					t.Errorf("with a silence of %v the key was changed after %v", idle, now-last)
				}
				changes, last = changes+1, now
			}
		}
		if changes == 0 {
			t.Error("the key was never changed")
		}
	}
}

// So many packets that the peer has seen one of them change the key all the same.
func TestRekeyOfBusyLinks(t *testing.T) {
	l, err := newLink(linkConfig{send: make([]byte, 32), idle: time.Hour, peerIdle: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	const step = 1000
	for now := time.Duration(0); now < time.Hour; now += step * time.Second / 20_000 { // 20,000 a second
		if !l.out.ready(now, lastWords) {
			t.Fatalf("used up after %v", now)
		}
		l.out.next += step
	}
	if n := l.out.next - l.out.from; n > keyPackets/2+step {
		t.Errorf("%d packets under one key", n)
	}
}
