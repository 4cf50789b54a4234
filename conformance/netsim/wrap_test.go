package netsim_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

func TestWrapBothSides(t *testing.T) {
	for _, atSender := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			sim := netsim.Wrap(new(mem.Transport), netsim.Link{}, 1)
			sim.SetLinks(netsim.Link{Latency: 70 * ms}, netsim.Link{Latency: 30 * ms})
			sim.AtSender = atSender
			l, _ := sim.Listen(t.Context(), "room")
			defer l.Close()
			client, err := sim.Dial(t.Context(), "room")
			if err != nil {
				t.Fatal(err)
			}
			server, err := l.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer closeAll(client, server)
			if _, wrapped := server.(*netsim.Conn); wrapped != atSender {
				t.Errorf("AtSender %v: the accepted Conn is a %T", atSender, server)
			}
			start := time.Now()
			send(t, client, core.Reliable, "up")
			want(t, server, "up")
			if took := time.Since(start); took != 70*ms {
				t.Errorf("AtSender %v: up took %v, want 70ms", atSender, took)
			}
			send(t, server, core.Unreliable, "down")
			want(t, client, "down")
			if took := time.Since(start); took != 100*ms {
				t.Errorf("AtSender %v: up and down took %v, want 100ms", atSender, took)
			}
			if got := client.RemoteAddr().String(); got != "room" {
				t.Errorf("RemoteAddr = %s, want room", got)
			}
		})
	}
}

// What is on its way when the link is cut arrives, though the receiving end is
// wrapped as well and stands in the dark.
func TestAtSenderLeavesReceivingAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms}, 1)
		sim.AtSender = true
		client, server := connect(t, sim)
		defer closeAll(client, server)
		start := time.Now()
		for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
			send(t, client, d, "on its way")
		}
		sim.Cut()
		want(t, server, "on its way")
		want(t, server, "on its way")
		if took := time.Since(start); took != 50*ms {
			t.Errorf("what was on its way took %v, want 50ms", took)
		}
		sim.Heal()
	})
}

// Each of Transport, Listener and Conn leads to what it wraps.
func TestUnwrap(t *testing.T) {
	inner := new(mem.Transport)
	sim := netsim.Wrap(netsim.Wrap(inner, netsim.Link{}, 1), netsim.Link{}, 2)
	if got, ok := core.As[*mem.Transport](sim); !ok || got != inner {
		t.Errorf("As found %v", got)
	}
	l, err := sim.Listen(t.Context(), "room")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := sim.Listen(t.Context(), "room"); err == nil {
		t.Error("an error of the inner Listen went missing")
	}
	if w, ok := l.(interface{ Unwrap() core.Listener }); !ok || w.Unwrap().Addr() != l.Addr() {
		t.Errorf("%T does not unwrap to a Listener of the same address", l)
	}
	conn, err := sim.Dial(t.Context(), "room")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(core.CodeNormal, "")
	if _, ok := conn.(*netsim.Conn).Unwrap().(*netsim.Conn); !ok {
		t.Error("a Conn does not unwrap to the inner Conn")
	}
	l.Close()
	if _, err := l.Accept(t.Context()); !errors.Is(err, core.ErrClosed) {
		t.Errorf("Accept = %v, want a core.ErrClosed", err)
	}
}

// A wrapped Transport can be wrapped again: delays add up, and what comes in is
// still known for what it is.
func TestWrapTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := netsim.Wrap(netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 20 * ms}, 1),
			netsim.Link{Latency: 30 * ms, Loss: 1}, 2)
		client, server := connect(t, sim)
		defer closeAll(client, server)
		start := time.Now()
		send(t, server, core.Unreliable, "lost")
		send(t, server, core.Reliable, "down")
		want(t, client, "down")
		if took := time.Since(start); took != 50*ms {
			t.Errorf("down took %v, want 50ms", took)
		}
		if d := client.LastDelivery(); d != core.Reliable {
			t.Errorf("LastDelivery = %s", d)
		}
		if _, down := client.Lost(); down != 1 {
			t.Errorf("%d messages were lost on their way in, want 1", down)
		}
	})
}

// silent is a Transport whose Conns do not tell what they receive.
type silent struct{ core.Transport }

func (s silent) Dial(ctx context.Context, addr string) (core.Conn, error) {
	c, err := s.Transport.Dial(ctx, addr)
	return struct{ core.Conn }{c}, err
}

func TestInnerThatIsNoTeller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, netsim.Wrap(silent{new(mem.Transport)}, netsim.Link{Latency: 50 * ms, Jitter: 50 * ms, Loss: 1}, 1))
		defer closeAll(client, server)
		for i := range 20 {
			send(t, server, core.Unreliable, fmt.Sprint(i))
			send(t, client, core.Unreliable, "lost")
		}
		for i := range 20 { // late, and no worse
			want(t, client, fmt.Sprint(i))
		}
		if up, down := client.Lost(); up != 20 || down != 0 {
			t.Errorf("Lost = %d, %d; want 20, 0", up, down)
		}
	})
}

func TestSetLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 100 * ms}, 1)
		client, server := connect(t, sim)
		defer closeAll(client, server)
		start := time.Now()
		send(t, client, core.Reliable, "slow")
		sim.SetLink(netsim.Link{Latency: 10 * ms})
		send(t, client, core.Unreliable, "fast")
		send(t, client, core.Reliable, "behind slow")
		want(t, server, "fast")
		if took := time.Since(start); took != 10*ms {
			t.Errorf("a message over the new link took %v, want 10ms", took)
		}
		want(t, server, "slow")
		want(t, server, "behind slow")
		if took := time.Since(start); took != 100*ms {
			t.Errorf("what was on its way took %v, want 100ms", took)
		}
		client.SetLink(netsim.Link{Loss: 1})
		send(t, client, core.Unreliable, "lost")
		other, otherServer := connect(t, sim)
		defer closeAll(other, otherServer)
		send(t, other, core.Unreliable, "of another Conn")
		want(t, otherServer, "of another Conn")
		if up, _ := client.Lost(); up != 1 {
			t.Errorf("Lost = %d, want 1", up)
		}
	})
}

func TestLinkOutOfRange(t *testing.T) {
	for _, tt := range []struct {
		link netsim.Link
		lost uint64
	}{
		{netsim.Link{Latency: -1, Jitter: -1, Loss: -1, Reorder: -1, ReorderBy: -1}, 0},
		{netsim.Link{Loss: math.NaN(), Reorder: math.NaN()}, 0},
		{netsim.Link{Loss: 2, Reorder: math.Inf(1)}, 100},
		{netsim.Link{Reorder: 1}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			client, server := connect(t, netsim.Wrap(new(mem.Transport), tt.link, 1))
			defer closeAll(client, server)
			for range 100 {
				send(t, client, core.Unreliable, "")
			}
			start := time.Now()
			if got := record(t, server, start); uint64(len(got)) != 100-tt.lost {
				t.Errorf("%+v: %d messages arrived", tt.link, len(got))
			} else if len(got) > 0 && tt.link.Reorder == 1 && got[0].at != netsim.DefaultReorderBy {
				t.Errorf("ReorderBy 0 holds back for %v, want %v", got[0].at, netsim.DefaultReorderBy)
			}
		})
	}
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms, Loss: 1}, 1))
		defer closeAll(client, server)
		send(t, client, core.Unreliable, "four")
		send(t, client, core.Reliable, "seventeen bytes..")
		if s := client.Stats(); s != (core.Stats{MessagesSent: 2, BytesSent: 21, Queued: 17}) {
			t.Errorf("Stats = %+v", s)
		}
		send(t, server, core.Reliable, "answer")
		want(t, client, "answer")
		want(t, server, "seventeen bytes..")
		if s := client.Stats(); s != (core.Stats{MessagesSent: 2, BytesSent: 21, MessagesRecv: 1, BytesRecv: 6}) {
			t.Errorf("Stats = %+v", s)
		}
	})
}
