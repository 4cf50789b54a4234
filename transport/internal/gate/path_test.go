package gate

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

func (e *end) socket() *netsim.PacketConn {
	switch pc := e.link.sock.pc.(type) {
	case spied:
		return pc.PacketConn
	default:
		return pc.(*netsim.PacketConn)
	}
}

// A hundred addresses in one connection: the server needs one round trip for the proof,
// and what it sends is there after two, of which one is for it to hear of the move and
// for the client to hear from it again.
func TestRebind(t *testing.T) {
	const rtt = 10 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		c, s := w.pair()
		n := 0
		playing, stop := context.WithCancel(t.Context())
		var player sync.WaitGroup
		player.Go(func() { // traffic both ways all the time
			for playing.Err() == nil {
				time.Sleep(time.Millisecond)
				c.send("up")
				s.send("down")
				n++
			}
		})
		for i := range 100 {
			ip := clientIP
			if i%10 == 0 {
				ip = fmt.Sprintf("10.0.1.%d", i)
			}
			if _, err := c.socket().Rebind(ip+":0", false); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			<-s.moved
			if took := time.Since(begin); took > rtt*3/2+2*time.Millisecond {
				t.Fatalf("%d: the proof took %v", i, took)
			}
			for len(c.packets) > 0 {
				<-c.packets
			}
			<-c.packets // the first on the new path
			if gap := time.Since(begin); gap > 2*rtt+3*time.Millisecond {
				t.Fatalf("%d: nothing came for %v", i, gap)
			}
			if s.link.Addr() != c.socket().Public() {
				t.Fatalf("%d: the server sends to %v, the client is at %v", i, s.link.Addr(), c.socket().Public())
			}
			time.Sleep(5 * rtt)
		}
		stop()
		player.Wait()
		time.Sleep(time.Second)
		if lost := n - len(s.packets); lost != 0 {
			t.Errorf("%d of %d packets to the server were lost", lost, n)
		}
		if len(s.moved) > 0 {
			t.Errorf("the server saw %d more moves", len(s.moved))
		}
		w.close(c, s)
	})
}

// A quiet client moves, too.
func TestRebindInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		c, s := w.pair()
		for range 10 {
			time.Sleep(time.Minute)
			if _, err := c.socket().Rebind("", false); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			<-s.moved
			if took := time.Since(begin); took > 3*time.Second {
				t.Errorf("it was noticed after %v", took)
			}
		}
		if !s.send("there you are") || <-c.packets != "there you are" {
			t.Error("lost")
		}
		w.close(c, s)
	})
}

// A NAT that uses two ports in turn: packets get through, whichever it is.
func TestFlipFlop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		c, s := w.pair()
		ports := []netip.AddrPort{c.socket().Public()}
		second, err := c.socket().Rebind("", true)
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, second)
		for i := range 2000 {
			if _, err := c.socket().Rebind(ports[i/3%2].String(), true); err != nil {
				t.Fatal(err)
			}
			c.send("up")
			s.send("down")
			time.Sleep(16 * time.Millisecond)
			if len(c.packets) < i || len(s.packets) < i {
				t.Fatalf("after %d packets %d and %d arrived", i+1, len(c.packets), len(s.packets))
			}
		}
		w.close(c, s)
	})
}

// An old packet, of the path before, does not turn the server round.
func TestLatePackets(t *testing.T) {
	c, s := between(t)
	var late [][]byte
	for range 10 {
		late = append(late, c.send("late"))
	}
	s.link.packet(c.send("from elsewhere"), otherAddr)
	move(t, c, s, otherAddr)
	for i, p := range late {
		if !s.link.packet(p, clientAddr) {
			t.Fatal("refused")
		}
		if s.link.Addr() != otherAddr || len(s.out) > 0 {
			t.Fatalf("packet %d turned it round", i)
		}
	}
}

// move carries the challenge that s has just sent and its answer.
func move(t *testing.T, c, s *side, from netip.AddrPort) {
	t.Helper()
	last := s.out[len(s.out)-1]
	if last.to != from {
		t.Fatalf("the challenge went to %v", last.to)
	}
	moved := s.moved
	c.link.packet(s.take(), serverAddr)
	s.link.packet(c.take(), from)
	if s.moved != moved+1 || s.link.Addr() != from {
		t.Fatalf("it did not move but is at %v", s.link.Addr())
	}
}

// A packet that somebody copies and sends from an address of his, or of a victim's, moves
// nothing, and draws no more bytes than it has.
func TestCopiedPacket(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprintf("the copy first %v", first), func(t *testing.T) {
			c, s := between(t)
			in, out := 0, 0
			for i := range 200 {
				p := c.send(fmt.Sprintf("%*d", i%60, i))
				q := bytes.Clone(p)
				in += len(q)
				if first {
					s.link.packet(q, otherAddr)
					s.link.packet(p, clientAddr)
				} else {
					s.link.packet(p, clientAddr)
					s.link.packet(q, otherAddr)
				}
				for _, o := range s.out {
					if o.to == otherAddr {
						out += len(o.p)
					}
				}
				s.out = nil
				if s.link.Addr() != clientAddr || s.moved > 0 {
					t.Fatal("it was hijacked")
				}
				if out > in || !first && out > 0 {
					t.Fatalf("%d bytes came from there and %d went", in, out)
				}
				s.pass(20 * time.Millisecond)
				s.link.tick()
			}
			if first && out == 0 {
				t.Error("nobody was asked: the test tests nothing")
			}
			if len(s.got) != 200 {
				t.Errorf("%d of 200 packets were taken", len(s.got))
			}
		})
	}
}

// An answer to a challenge counts where the challenge went, while it is asked, and once.
func TestChallenges(t *testing.T) {
	c, s := between(t)
	here := netip.MustParseAddrPort("203.0.113.50:50")
	s.link.packet(c.send("some packet of a fair size, so that all can be asked for"), otherAddr)
	challenge := s.take()
	c.link.packet(bytes.Clone(challenge), serverAddr)
	answer := c.take()
	if s.link.packet(bytes.Clone(answer), here); s.moved > 0 { // a thief sends it from his address
		t.Fatal("an answer from where nobody asked moved the peer")
	}
	c.link.packet(bytes.Clone(challenge), serverAddr)
	if c.link.replays.Load() != 1 {
		t.Fatal("a challenge was taken twice")
	}
	words := s.link.challengeFor(otherAddr)
	for _, bad := range [][]byte{nil, words[:7], make([]byte, challengeSize), []byte("12345678")} {
		if s.link.packet(c.control(opResponse, bad...), otherAddr); s.moved > 0 {
			t.Fatalf("the answer %x moved the peer", bad)
		}
	}
	if s.link.packet(c.control(opResponse, words[:]...), clientAddr); s.moved > 0 {
		t.Fatal("an answer from the old address moved the peer")
	}
	late := c.control(opResponse, words[:]...)
	s.link.packet(c.control(opResponse, words[:]...), otherAddr)
	if s.moved != 1 || s.link.Addr() != otherAddr {
		t.Fatal("the true answer did not move the peer")
	}
	s.out = nil
	s.link.packet(c.send("back at home, and this is long enough for a challenge"), clientAddr)
	move(t, c, s, clientAddr)
	if s.link.packet(late, otherAddr); s.link.Addr() != clientAddr {
		t.Error("an old answer moved the peer")
	}
}

// Nobody is asked who has not sent enough, nor for ever.
func TestChallengesEnd(t *testing.T) {
	c, s := between(t)
	s.link.packet(c.send(""), otherAddr)
	p := c.control(opBeat) // 30 bytes
	s.link.packet(p, otherAddr)
	if len(s.out) > 0 {
		t.Fatal("a challenge was longer than what came")
	}
	s.link.packet(c.send(string(make([]byte, 1000))), otherAddr)
	for range 1000 {
		s.pass(50 * time.Millisecond)
		s.link.mu.Lock()
		s.link.challenge(s.link.now())
		s.link.mu.Unlock()
	}
	if n := len(s.out); n != challengeTries {
		t.Errorf("it was asked %d times, want %d", n, challengeTries)
	}
	if s.link.paths != [maxPaths]path{} {
		t.Error("the path is still under proof")
	}
}

// The client has moved, and somebody copies nine of ten of its packets and is first with
// each, each from another address. The server finds the client all the same.
func TestCrowdOfPaths(t *testing.T) {
	c, s := between(t)
	type delayed struct {
		p  []byte
		at int
	}
	var back []delayed // what is on its way to the client
	for i := range 200 {
		from := otherAddr
		if i%10 != 9 {
			from = netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)}), 1)
		}
		s.link.packet(c.send("a packet of a game, of some bytes more than nothing"), from)
		for _, o := range s.out {
			if o.to == otherAddr {
				back = append(back, delayed{o.p, i + 6}) // a round trip of six packets' time
			}
		}
		s.out = nil
		for len(back) > 0 && back[0].at <= i {
			c.link.packet(back[0].p, serverAddr)
			s.link.packet(c.take(), otherAddr)
			back = back[1:]
		}
		if s.moved > 0 {
			if s.link.Addr() != otherAddr {
				t.Fatalf("it went to %v", s.link.Addr())
			}
			return
		}
		c.pass(16 * time.Millisecond)
		s.pass(16 * time.Millisecond)
	}
	t.Error("the client was not found")
}

// The client of a server whose packets come from elsewhere goes on sending where it did.
func TestServersDoNotMove(t *testing.T) {
	c, s := between(t)
	if !c.link.packet(s.send("hello"), otherAddr) || c.link.Addr() != serverAddr || len(c.out) > 0 {
		t.Errorf("the client is asked to send to %v", c.link.Addr())
	}
}
