package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

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

// A Listener may be closed at any moment of a dial.
func TestListenerClosedAmidDial(t *testing.T) {
	for at := time.Duration(0); at <= 32*time.Millisecond; at += time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, lan, nil)
			time.AfterFunc(at, w.gate.Close)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			c, err := w.dial(ctx, nil)
			switch {
			case err == nil:
				select {
				case s := <-w.accept: // it was accepted before, and is spared
					if !c.send("there") || <-s.packets != "there" {
						t.Errorf("%v: spared, and deaf", at)
					}
					w.end(c, s)
				case err := <-c.ended:
					if err.Code != core.CodeShutdown && err.Code != core.CodeLost {
						t.Errorf("%v: %v", at, err)
					}
					w.end(c)
				case <-time.After(11 * time.Second):
					t.Errorf("%v: in limbo", at)
					w.end(c)
				}
			case !errors.Is(err, core.ErrTimeout) && !errors.Is(err, core.ErrRefused):
				t.Errorf("%v: %v", at, err)
			}
			w.net.Close()
		})
	}
}

// A client confirms its handshake at the moment when the Listener is closed.
func TestListenerClosedAtConfirmation(t *testing.T) {
	for range 30 {
		synctest.Test(t, func(t *testing.T) {
			k := &knocker{from: clientAddr, offer: offer{idle: time.Second}}
			var in []*end
			k.gate = listening(t, func(c *ServerConfig) {
				c.Accept = func(l *Link) Handler {
					in = append(in, newEnd(l))
					return in[0]
				}
			}, k.sent)
			p := k.shake(t)
			var all sync.WaitGroup
			all.Go(k.gate.Close)
			k.gate.take(p, k.from)
			for _, e := range in {
				e.link.Drop(core.CodeNormal, "")
			}
			all.Wait()
			time.Sleep(2 * time.Second)
			if is := left(k.gate); is != "" {
				t.Errorf("%s are left", is)
			}
		})
	}
}

// Somebody else closes a socket, of a server or of a client, at any moment.
func TestSocketClosed(t *testing.T) {
	for _, server := range []bool{true, false} {
		for at := time.Duration(0); at <= 40*time.Millisecond; at += 4 * time.Millisecond {
			synctest.Test(t, func(t *testing.T) {
				lost := make(chan bool, 1)
				w := newWorld(t, lan, func(c *ServerConfig) { c.Lost = func() { lost <- true } })
				var pc net.PacketConn = w.net.Conns()[0]
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				if !server {
					at += time.Microsecond // then there is a client
				}
				time.AfterFunc(at, func() {
					if !server {
						pc = w.net.Conns()[1]
					}
					pc.Close()
				})
				c, err := w.dial(ctx, nil)
				if err == nil {
					ends := []*end{c}
					if end := <-c.ended; end.Code != core.CodeLost && end.Code != core.CodeTimeout {
						t.Errorf("%v: %v", at, end)
					}
					select {
					case s := <-w.accept:
						ends = append(ends, s)
						<-s.ended
					default:
					}
					w.end(ends...)
				}
				if server {
					<-lost
				}
				w.close()
			})
		}
	}
}

// A Link whose socket dies as the dial ends is told so.
func TestSocketClosedAtWelcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		c, err := w.dial(t.Context(), func(c *ClientConfig) {
			accept := c.Accept
			c.Accept = func(l *Link) Handler {
				l.sock.pc.Close()
				synctest.Wait() // the goroutine that reads knows
				return accept(l)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := <-c.ended; err.Code != core.CodeLost || !errors.Is(err, net.ErrClosed) || time.Since(begin) > 0 {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		w.close(c)
	})
}

// troubled is a socket whose calls fail now and then.
type troubled struct {
	*netsim.PacketConn
	reads, writes atomic.Int64
}

var troubles = []error{syscall.ECONNREFUSED, syscall.ENOBUFS, syscall.EMSGSIZE, os.ErrDeadlineExceeded, syscall.EPERM, syscall.ENETUNREACH}

func trouble(n int64) error {
	return &net.OpError{Op: "x", Net: "udp", Err: troubles[n%int64(len(troubles))]}
}

func (c *troubled) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	if n := c.reads.Add(1); n%3 == 0 {
		return 0, netip.AddrPort{}, trouble(n / 3)
	}
	return c.PacketConn.ReadFromUDPAddrPort(b)
}

func (c *troubled) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if n := c.writes.Add(1); n%3 == 0 {
		return 0, trouble(n / 3)
	}
	return c.PacketConn.WriteToUDPAddrPort(b, to)
}

// Sockets fail in many ways. Each failure is a packet that was lost, and ends nothing.
func TestSocketTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trouble := func(listen listenPacket) listenPacket {
			return func(ctx context.Context, network, addr string) (net.PacketConn, error) {
				pc, err := listen(ctx, network, addr)
				return &troubled{PacketConn: pc.(*netsim.PacketConn)}, err
			}
		}
		w := &world{t: t, net: netsim.NewNetwork(1), key: seeded(t, 1), accept: make(chan *end, 16)}
		w.net.SetLink(lan)
		w.listenOn(trouble(w.net.Host(serverIP).ListenPacket), serverIP+":7777", nil)
		var ends []*end
		for range 5 {
			c, err := w.dial(t.Context(), func(c *ClientConfig) { c.ListenPacket = trouble(c.ListenPacket) })
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, c, <-w.accept)
		}
		for range 100 {
			for _, e := range ends {
				e.send("x")
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		for i, e := range ends {
			if len(e.packets) < 40 || len(e.ended) > 0 {
				t.Errorf("end %d got %d of 100 packets, and %d ends", i, len(e.packets), len(e.ended))
			}
		}
		w.close(ends...)
	})
}

// A packet that is too large for the system is told to who made it, and ends nothing.
func TestTooBig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, netsim.PacketLink{MTU: MinDatagram, MTUError: true}, nil)
		c, s := w.pair()
		big := &large{size: MaxDatagram - Overhead}
		if !c.link.Send(time.Now(), big) || big.tooBig != 1 {
			t.Errorf("it was told %d times", big.tooBig)
		}
		big.size = MinDatagram - Overhead
		if !c.link.Send(time.Now(), big) || big.tooBig != 1 || len(<-s.packets) != big.size {
			t.Error("a smaller one was refused, too")
		}
		w.close(c, s)
	})
}

type large struct{ size, tooBig int }

func (l *large) Next(_ uint64, buf []byte) int { return len(buf[:l.size]) }
func (l *large) TooBig()                       { l.tooBig++ }

// The process did not run for a while. What came meanwhile counts.
func TestSuspended(t *testing.T) {
	c, s := between(t)
	for _, e := range []*side{c, s} {
		e.link.handler = e
		e.link.start()
		defer e.link.timer.Stop()
		e.link.timer.Stop()
	}
	s.link.packet(c.take(), clientAddr)
	s.pass(9 * time.Second)
	p := c.send("there") // it came, and waits in the socket
	s.pass(time.Second)
	s.link.at = s.link.now() - 9*time.Second
	s.link.tick()
	if s.ended != nil {
		t.Fatalf("a process that was stopped for 9 seconds holds them against its peer: %v", s.ended)
	}
	s.link.packet(p, clientAddr)
	s.pass(s.link.beat)
	s.link.tick()
	if s.ended != nil {
		t.Fatal(s.ended)
	}
	s.pass(20 * time.Second)
	s.link.at = s.link.now() - 20*time.Second
	s.link.tick()
	s.pass(s.link.beat)
	s.link.tick()
	if s.ended == nil || !errors.Is(s.ended, core.ErrTimeout) {
		t.Errorf("the peer is silent for good, and not lost: %v", s.ended)
	}
}

// Nothing is measured with a clock that people set.
func TestMonotonic(t *testing.T) {
	c, _ := between(t)
	l := listening(t, nil, func([]byte, netip.AddrPort) {})
	defer l.Close()
	for _, born := range []time.Time{c.link.born, l.born} {
		if !strings.Contains(born.String(), " m=") {
			t.Errorf("%v is a time of the wall", born)
		}
	}
}

// A peer that wishes to hear from us all the time does not get its will.
func TestBeat(t *testing.T) {
	for _, c := range []struct{ ours, theirs, want time.Duration }{
		{10 * time.Second, 10 * time.Second, 500 * time.Millisecond},
		{10 * time.Second, 0, fastestBeat},
		{10 * time.Second, time.Millisecond, fastestBeat},
		{2 * time.Second, time.Hour, 500 * time.Millisecond},
		{time.Second, 400 * time.Millisecond, 100 * time.Millisecond},
		{20 * time.Millisecond, time.Second, 5 * time.Millisecond},
	} {
		l, err := newLink(linkConfig{send: make([]byte, 32), idle: c.ours, peerIdle: c.theirs})
		if err != nil || l.beat != c.want {
			t.Errorf("%v here and %v there: says something every %v, %v; want %v", c.ours, c.theirs, l.beat, err, c.want)
		}
	}
}

// Every operation in every state: nothing but what is asked for happens.
func TestStatesAndOperations(t *testing.T) {
	for _, in := range []state{open, over, closing, ghost, gone} {
		for op := range byte(opClosed + 3) {
			for _, body := range []int{0, 1, 2, 7, 8, 9, 600} {
				for _, server := range []bool{true, false} {
					c, s := between(t)
					if server {
						c, s = s, c
					}
					k := c.link
					if in == closing {
						k.Close(core.CodeNormal, "", time.Second)
						c.out = nil
					}
					k.state = in
					p := s.control(op, make([]byte, body)...)
					if !k.packet(p, k.addr) {
						t.Fatal("refused")
					}
					want := 0
					if in != gone && (op == opPing || op == opChallenge && body >= challengeSize || op == opClose && body >= 2) {
						want = 1
					}
					if len(c.out) != want {
						t.Errorf("state %d, operation %d with %d bytes: %d packets were sent, want %d", in, op, body, len(c.out), want)
					}
					after := in
					switch {
					case op == opClose && body >= 2 && in == open:
						after = over
					case op == opClose && body >= 2 && in == closing, op == opClosed && in == closing:
						after = gone
					}
					if k.state != after || (c.ended != nil) != (after == over && in == open) || c.moved > 0 {
						t.Errorf("state %d, operation %d with %d bytes: now %d, ended %v", in, op, body, k.state, c.ended)
					}
					if k.packet(s.send("payload"), k.addr); (len(c.got) == 1) != (k.state == open) {
						t.Errorf("state %d: %d payloads were taken", k.state, len(c.got))
					}
				}
			}
		}
	}
}

// Who asks all the time is answered now and then.
func TestReplies(t *testing.T) {
	for name, op := range map[string]byte{"ping": opPing, "challenge": opChallenge, "close": opClose} {
		t.Run(name, func(t *testing.T) {
			c, s := between(t)
			for range 10_000 { // 10 seconds
				s.link.packet(c.control(op, make([]byte, challengeSize)...), clientAddr)
				s.pass(time.Millisecond)
			}
			if n, most := len(s.out), 10*repliesPerSecond+replyBurst; n > most+repliesPerSecond || n < most*9/10 {
				t.Errorf("10000 were answered by %d, want %d", n, most)
			}
		})
	}
	t.Run("from everywhere", func(t *testing.T) {
		c, s := between(t)
		for i := range 10_000 {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)}), 1)
			s.link.packet(c.send("a packet of some bytes, from an address that was never seen"), from)
			s.pass(time.Millisecond)
		}
		if n, most := len(s.out), 10*challengesPerSecond+challengeBurst; n > most+challengesPerSecond || n < most*9/10 {
			t.Errorf("10000 were answered by %d challenges, want %d", n, most)
		}
	})
}

// A reason is text, whoever made it.
func TestReasonIsText(t *testing.T) {
	c, s := between(t)
	s.link.packet(c.control(opClose, append([]byte{5, 0}, bytes.Repeat([]byte{0xff, 'a'}, 300)...)...), clientAddr)
	if s.ended == nil || !utf8.ValidString(s.ended.Reason) || len(s.ended.Reason) > core.MaxReason {
		t.Errorf("ended with %v", s.ended)
	}
	if r, ok := parseRefusal([]byte{typeRefuse, 5, 0, 0xff, 'a'}); !ok || r.reason != "\uFFFDa" {
		t.Errorf("refused with %q", r.reason)
	}
	long := refusal{core.CodeFull, strings.Repeat("é", maxRefusal)}.bytes()
	if r, ok := parseRefusal(long); !ok || r.reason != strings.Repeat("é", maxRefusal/2) {
		t.Errorf("refused with %q", r.reason)
	}
	odd := refusal{core.CodeFull, "x" + strings.Repeat("é", maxRefusal)}.bytes()
	if r, ok := parseRefusal(odd); !ok || r.reason != "x"+strings.Repeat("é", (maxRefusal-1)/2) {
		t.Errorf("refused with %q", r.reason)
	}
}

// The timer of a Link rests between ticks, whatever the Link waits for.
func TestTicksRest(t *testing.T) {
	for _, idle := range []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, time.Second, 10 * time.Second} {
		for _, heard := range []bool{false, true} {
			for _, moving := range []bool{false, true} {
				c, s := between(t)
				l := c.link
				if moving {
					l, s = s.link, c
				}
				l.idle, l.beat = idle, min(idle/4, slowestBeat)
				l.timer = time.AfterFunc(time.Hour, func() {})
				if heard {
					l.packet(s.send("x"), l.addr)
				}
				ticks, short := 0, 0
				for begin := l.now(); l.state == open && l.now()-begin < 2*idle; ticks++ {
					if moving && ticks%3 == 0 {
						l.packet(s.send("from somewhere else, and of some length for a challenge"), otherAddr)
					}
					l.tick()
					rest := l.at - l.now()
					if short++; rest > time.Millisecond { // two things may be due one behind the other
						short = 0
					}
					if l.state == open && short > 2 {
						t.Fatalf("idle %v, heard %v, moving %v: rests for %v after %v", idle, heard, moving, rest, l.now()-begin)
					}
					l.born = l.born.Add(-max(rest, 0))
				}
				l.timer.Stop()
				if ticks > 200 {
					t.Errorf("idle %v, heard %v, moving %v: %d ticks", idle, heard, moving, ticks)
				}
			}
		}
	}
}
