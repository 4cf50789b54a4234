package netsim_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// switches are the outages of a Transport and those of a Conn.
type switches interface {
	Blackout(time.Duration)
	Cut()
	Heal()
}

// Each way into the dark and out of it, with the time when it is over.
var outages = []struct {
	name  string
	enter func(switches)
	ends  time.Duration
}{
	{"blackout", func(s switches) { s.Blackout(time.Second) }, time.Second},
	{"longest counts", func(s switches) { s.Blackout(time.Second); s.Blackout(ms) }, time.Second},
	{"healed early", func(s switches) {
		s.Blackout(time.Hour)
		time.AfterFunc(300*ms, s.Heal)
	}, 300 * ms},
	{"cut", func(s switches) {
		s.Cut()
		time.AfterFunc(2*time.Second, s.Heal)
	}, 2 * time.Second},
	{"cut and blackout", func(s switches) {
		s.Blackout(time.Second)
		s.Cut()
		time.AfterFunc(3*time.Second, s.Heal)
	}, 3 * time.Second},
	{"for ever, then healed", func(s switches) {
		s.Blackout(1<<63 - 1)
		time.AfterFunc(time.Minute, s.Heal)
	}, time.Minute},
}

func TestOutage(t *testing.T) {
	for _, tt := range outages {
		for _, single := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sim := netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms}, 1)
					client, server := connect(t, sim)
					other, otherServer := connect(t, sim)
					defer closeAll(client, server, other, otherServer)
					start := time.Now()
					for _, c := range []core.Conn{client, server} {
						send(t, c, core.Unreliable, "on its way")
					}
					synctest.Wait()
					if single {
						tt.enter(client)
					} else {
						tt.enter(sim)
					}
					for _, c := range []core.Conn{client, server} {
						send(t, c, core.Unreliable, "lost")
						send(t, c, core.Reliable, "one")
						send(t, c, core.Reliable, "two")
					}
					for _, c := range []core.Conn{server, client} {
						want(t, c, "on its way")
					}
					if took := time.Since(start); took != 50*ms {
						t.Errorf("what was on its way took %v, want 50ms", took)
					}
					for _, c := range []core.Conn{server, client} {
						want(t, c, "one")
						want(t, c, "two")
					}
					if took := time.Since(start); took != tt.ends+50*ms {
						t.Errorf("what was sent in the dark took %v, want %v", took, tt.ends+50*ms)
					}
					send(t, client, core.Unreliable, "bright")
					want(t, server, "bright")
					if up, down := client.Lost(); up != 1 || down != 1 {
						t.Errorf("Lost = %d, %d; want 1, 1", up, down)
					}
				})
			})
		}
	}
}

func TestOutageOfOneConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := netsim.Wrap(new(mem.Transport), netsim.Link{}, 1)
		client, server := connect(t, sim)
		other, otherServer := connect(t, sim)
		defer closeAll(client, server, other, otherServer)
		client.Cut()
		send(t, other, core.Unreliable, "unharmed")
		want(t, otherServer, "unharmed")
		send(t, client, core.Reliable, "waits")
		sim.Heal() // is not the Conn's
		if msg, err := within(t, server, time.Second); err == nil {
			t.Errorf("the Transport's Heal let %q through a Conn that is cut", msg)
		}
		client.Heal()
		want(t, server, "waits")
	})
}

// A blackout ends at an instant at which something is sent: the same in all runs.
func TestBlackoutEndsBeforeWhatIsSentThen(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			client, server := connect(t, netsim.Wrap(new(mem.Transport), netsim.Link{}, 1))
			defer closeAll(client, server)
			client.Blackout(time.Second)
			send(t, client, core.Reliable, "held")
			time.Sleep(time.Second)
			send(t, client, core.Unreliable, "on time")
			if up, _ := client.Lost(); up != 0 {
				t.Fatal("a message was lost that was sent when the blackout had ended")
			}
			got := map[string]bool{}
			for range 2 {
				msg, _ := within(t, server, time.Second)
				got[msg] = true
			}
			if !got["held"] || !got["on time"] {
				t.Fatalf("got %v", got)
			}
		})
	}
}

func TestDialInTheDark(t *testing.T) {
	for _, tt := range outages {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms}, 1)
				l, _ := sim.Listen(t.Context(), "room")
				defer l.Close()
				start := time.Now()
				tt.enter(sim)
				ctx, cancel := context.WithTimeout(t.Context(), 200*ms)
				defer cancel()
				if _, err := sim.Dial(ctx, "room"); !errors.Is(err, core.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Dial = %v, want a core.ErrTimeout that wraps the context's error", err)
				}
				if took := time.Since(start); took != 200*ms {
					t.Errorf("Dial gave up after %v, want 200ms", took)
				}
				conn, err := sim.Dial(t.Context(), "room")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close(core.CodeNormal, "")
				if took := time.Since(start); took != tt.ends+100*ms {
					t.Errorf("Dial took %v, want %v", took, tt.ends+100*ms)
				}
			})
		})
	}
}

func TestDialFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms}, 1)
		if _, err := sim.Dial(t.Context(), "nobody"); !errors.Is(err, core.ErrRefused) {
			t.Errorf("Dial = %v, want a core.ErrRefused", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(70*ms, cancel)
		if _, err := sim.Dial(ctx, "nobody"); !errors.Is(err, context.Canceled) {
			t.Errorf("Dial = %v, want context.Canceled", err)
		}
	})
}

// What waited for one outage does not wait for the next, even if nobody looked in
// between.
func TestNextOutageIsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms}, 1))
		defer closeAll(client, server)
		client.Blackout(time.Second)
		send(t, server, core.Reliable, "first")
		time.Sleep(2 * time.Second)
		client.Blackout(time.Hour)
		start := time.Now()
		want(t, client, "first")
		if took := time.Since(start); took != 0 {
			t.Errorf("a message that waited for the first blackout came %v into the second", took)
		}
	})
}

func TestOutageDuringDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms}, 1)
		sim := netsim.Wrap(slow, netsim.Link{}, 2)
		time.AfterFunc(70*ms, sim.Cut)
		client, server := connect(t, sim)
		defer closeAll(client, server)
		send(t, client, core.Unreliable, "lost")
		if up, _ := client.Lost(); up != 1 {
			t.Error("a Conn does not know of the outage that began during its Dial")
		}
		sim.Heal()
	})
}
