package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

// A connection outlives a black-out that is shorter than its silence, and no other.
func TestBlackouts(t *testing.T) {
	for _, c := range []struct {
		dark   time.Duration
		oneWay bool
		lives  bool
	}{
		{time.Second, false, true}, {5 * time.Second, false, true}, {9 * time.Second, false, true}, {9 * time.Second, true, true},
		{11 * time.Second, false, false}, {30 * time.Second, false, false}, {30 * time.Second, true, false},
	} {
		t.Run(fmt.Sprintf("%v one way %v", c.dark, c.oneWay), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, lan, nil)
				k, s := w.pair()
				time.Sleep(3700 * time.Millisecond)
				begin := time.Now()
				if c.oneWay {
					w.net.Route(netsim.AddrOf(w.gate.Addr()), netsim.Any).Blackout(c.dark)
				} else {
					w.net.Blackout(c.dark)
				}
				for i, e := range []*end{k, s} {
					select {
					case err := <-e.ended:
						took := time.Since(begin)
						if c.lives || took > 11*time.Second {
							t.Errorf("end %d after %v: %v", i, took, err)
						}
						if !errors.Is(err, core.ErrTimeout) {
							t.Errorf("end %d: %v", i, err)
						}
					case <-time.After(c.dark + 2*time.Second - time.Since(begin)):
						if !c.lives {
							t.Errorf("end %d lives after %v", i, time.Since(begin))
						}
					}
				}
				if c.lives && (!k.send("there") || <-s.packets != "there") {
					t.Error("what is sent does not arrive")
				}
				w.close(k, s)
			})
		})
	}
}

// Every order in which two ends can close ends both, in time and in words.
func TestCloses(t *testing.T) {
	const patience = time.Second
	for name, c := range map[string]struct {
		loss           float64
		close          func(c, s *end, w *world)
		client, server core.Code // that they are told; 0: nothing, since they closed
	}{
		"client":        {0, func(c, s *end, w *world) { c.link.Close(core.CodeKicked, "x", patience) }, 0, core.CodeKicked},
		"server":        {0, func(c, s *end, w *world) { s.link.Close(core.CodeKicked, "x", patience) }, core.CodeKicked, 0},
		"client drops":  {0, func(c, s *end, w *world) { c.link.Drop(core.CodeKicked, "x") }, 0, core.CodeKicked},
		"server drops":  {0, func(c, s *end, w *world) { s.link.Drop(core.CodeKicked, "x") }, core.CodeKicked, 0},
		"client, lossy": {0.5, func(c, s *end, w *world) { c.link.Close(core.CodeKicked, "x", 20*time.Second) }, 0, core.CodeKicked},
		"server, lossy": {0.5, func(c, s *end, w *world) { s.link.Close(core.CodeKicked, "x", 20*time.Second) }, core.CodeKicked, 0},
		"both": {0, func(c, s *end, w *world) {
			c.link.Close(core.CodeKicked, "x", patience)
			s.link.Close(core.CodeKicked, "x", patience)
		}, 0, 0},
		"both, lossy": {0.5, func(c, s *end, w *world) {
			c.link.Close(core.CodeKicked, "x", 20*time.Second)
			s.link.Close(core.CodeKicked, "x", 20*time.Second)
		}, 0, 0},
		"nobody there": {0, func(c, s *end, w *world) {
			w.net.Cut()
			c.link.Close(core.CodeKicked, "x", patience)
			s.link.Close(core.CodeKicked, "x", patience)
		}, 0, 0},
		"without patience": {0, func(c, s *end, w *world) { s.link.Close(core.CodeKicked, "x", 0) }, core.CodeKicked, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(10) {
				synctest.Test(t, func(t *testing.T) {
					w := seededWorld(t, seed, lan, nil)
					k, s := w.pair()
					w.net.SetLink(netsim.PacketLink{Link: netsim.Link{Latency: 5 * time.Millisecond, Loss: c.loss}})
					begin := time.Now()
					c.close(k, s, w)
					for _, e := range []struct {
						*end
						code core.Code
					}{{k, c.client}, {s, c.server}} {
						if e.code == 0 {
							<-e.link.Done()
							continue
						}
						if err := <-e.ended; err.Code != e.code || err.Reason != "x" || !err.Remote {
							t.Errorf("seed %d: told %v", seed, err)
						}
						e.link.Close(core.CodeNormal, "", 0)
						e.link.Wait()
					}
					if took := time.Since(begin); c.loss == 0 && took > patience+ghostLife+50*time.Millisecond {
						t.Errorf("it took %v", took)
					}
					time.Sleep(2 * time.Second)
					if is := left(w.gate); is != "" || len(k.ended)+len(s.ended) > 0 {
						t.Errorf("seed %d: %s are left; %d were told more", seed, is, len(k.ended)+len(s.ended))
					}
					w.close()
				})
			}
		})
	}
}

// Whatever many goroutines do to a Link at once, it ends, once.
func TestCloseAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		for i := range 20 {
			c, s := w.pair()
			synctest.Wait()
			var all sync.WaitGroup
			for j := range 16 {
				for _, e := range []*end{c, s} {
					all.Go(func() {
						time.Sleep(time.Duration(j%3) * 5 * time.Millisecond)
						e.send("x")
						switch (i + j) % 4 {
						case 0, 1:
							e.link.Close(core.CodeNormal, "", 100*time.Millisecond)
						case 2:
							e.link.Drop(core.CodeNormal, "")
						case 3:
							e.link.lost(&core.CloseError{Code: core.CodeLost}, true)
							e.link.Close(core.CodeNormal, "", 0)
						}
						e.link.Wait()
						e.link.tick()
					})
				}
			}
			all.Wait()
			if !c.link.Ended() || !s.link.Ended() || c.send("x") || s.send("x") {
				t.Error("it goes on")
			}
			if len(c.ended) > 1 || len(s.ended) > 1 {
				t.Error("it ended twice")
			}
		}
		time.Sleep(2 * time.Second)
		if is := left(w.gate); is != "" {
			t.Errorf("%s are left", is)
		}
		w.close()
	})
}

// Connections come and go, and leave nothing: no goroutine (the bubble would not end),
// no entry of a map, no timer.
func TestCycles(t *testing.T) {
	cycles := 1000
	if race {
		cycles = 200
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		var links []*Link
		for i := range cycles {
			c, err := w.dialFrom(t.Context(), fmt.Sprintf("10.0.%d.%d", 1+i/250, i%250), nil)
			if err != nil {
				t.Fatal(err)
			}
			s := <-w.accept
			links = append(links, c.link, s.link)
			if i%2 == 0 {
				c, s = s, c
			}
			if i%7 == 0 {
				c.link.Drop(core.CodeNormal, "")
			} else {
				c.link.Close(core.CodeNormal, "", time.Second)
			}
			<-s.ended
			w.end(s, c)
		}
		time.Sleep(20 * time.Second)
		w.end(w.pair()) // forgets what is too old
		<-time.After(2 * time.Second)
		if is := left(w.gate); is != "" || len(w.gate.halves.known) > 1 || w.gate.halves.past.Len() > 1 {
			t.Errorf("%s are left, and %d handshakes are known", is, len(w.gate.halves.known))
		}
		for i, l := range links {
			if l.timer != nil && l.timer.Stop() {
				t.Fatalf("the timer of link %d goes on", i)
			}
		}
		w.close()
	})
}

// A client that comes back at its old address is another connection, and the old one
// is given up.
func TestClientRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		at := func(c *ClientConfig) {
			listen := c.ListenPacket
			c.ListenPacket = func(ctx context.Context, network, _ string) (net.PacketConn, error) {
				return listen(ctx, network, clientIP+":4000")
			}
		}
		c, err := w.dial(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		s := <-w.accept
		c.link.mu.Lock()
		c.link.finish() // gone without a word
		c.link.mu.Unlock()
		c.link.Wait()
		begin := time.Now()
		c2, err := w.dial(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		s2 := <-w.accept
		if took := time.Since(begin); took > 100*time.Millisecond {
			t.Errorf("the dial took %v", took)
		}
		if err := <-s.ended; !errors.Is(err, core.ErrTimeout) || time.Since(begin) > 11*time.Second {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		if !c2.send("new") || <-s2.packets != "new" || !s2.send("new") || <-c2.packets != "new" {
			t.Error("what is sent does not arrive")
		}
		w.close(s, c2, s2)
	})
}

// The server was restarted: the client hears of it as soon as it has become quiet,
// whatever it sends.
func TestServerRestart(t *testing.T) {
	for _, busy := range []string{"", "small", string(make([]byte, 500))} {
		t.Run(fmt.Sprintf("%d bytes", len(busy)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, lan, nil)
				c, s := w.pair()
				addr := w.gate.Addr().String()
				s.link.mu.Lock()
				s.link.finish()
				s.link.mu.Unlock()
				w.gate.Close()
				w.listen(addr, nil)
				begin := time.Now()
				playing := time.NewTicker(16 * time.Millisecond)
				defer playing.Stop()
				for over := false; !over; {
					select {
					case err := <-c.ended:
						if took := time.Since(begin); err.Code != core.CodeLost || took > 4*time.Second {
							t.Errorf("after %v: %v", took, err)
						}
						over = true
					case <-playing.C:
						if busy != "" {
							c.send(busy)
						}
					}
				}
				w.close(c)
			})
		})
	}
}
