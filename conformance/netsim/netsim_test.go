package netsim_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

const ms = time.Millisecond

// connect dials over sim and returns both ends and a function that closes them.
// The Listener is of the inner Transport unless sim is AtSender.
func connect(tb testing.TB, sim *netsim.Transport) (client *netsim.Conn, server core.Conn) {
	tb.Helper()
	listenOn := sim.Unwrap()
	if sim.AtSender {
		listenOn = sim
	}
	l, err := listenOn.Listen(tb.Context(), "")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	conn, err := sim.Dial(tb.Context(), l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	if server, err = l.Accept(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return conn.(*netsim.Conn), server
}

// closeAll is deferred inside bubbles: a pump that is left over is a deadlock
// there, which fails the test.
func closeAll(conns ...core.Conn) {
	for _, c := range conns {
		c.Close(core.CodeNormal, "")
	}
}

func send(t *testing.T, c core.Conn, d core.Delivery, msg string) {
	t.Helper()
	if err := c.Send(d, []byte(msg)); err != nil {
		t.Fatalf("Send(%s, %q): %v", d, msg, err)
	}
}

func want(t *testing.T, c core.Conn, msg string) {
	t.Helper()
	got, err := c.Recv(t.Context())
	if err != nil || string(got) != msg {
		t.Fatalf("Recv = %q, %v; want %q", got, err, msg)
	}
}

func wantClosed(t *testing.T, c core.Conn, e core.CloseError) {
	t.Helper()
	_, first := c.Recv(t.Context())
	var got *core.CloseError
	if !errors.As(first, &got) || *got != e {
		t.Fatalf("Recv = %#v, want %#v", first, e)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Recv(ended); err != first {
		t.Errorf("Recv = %v, want the same error again: %v", err, first)
	}
	if err := c.Send(core.Reliable, nil); err != first {
		t.Errorf("Send = %v, want %v", err, first)
	}
}

// within is Recv that gives up after d.
func within(t *testing.T, c core.Conn, d time.Duration) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	msg, err := c.Recv(ctx)
	return string(msg), err
}

// An arrival is what a receiver saw, and when since its start.
type arrival struct {
	at  time.Duration
	msg string
}

// record receives until nothing has come for a long time or the connection ends.
func record(t *testing.T, c core.Conn, start time.Time) (got []arrival) {
	t.Helper()
	for {
		msg, err := within(t, c, time.Minute)
		if err != nil {
			return got
		}
		got = append(got, arrival{time.Since(start), msg})
	}
}

func TestPerfectLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, netsim.Wrap(new(mem.Transport), netsim.Link{}, 1))
		defer closeAll(client, server)
		start := time.Now()
		for _, dir := range [][2]core.Conn{{client, server}, {server, client}} {
			for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
				for _, size := range []int{0, 1, 1000, client.MaxSize(d)} {
					send(t, dir[0], d, string(make([]byte, size)))
					want(t, dir[1], string(make([]byte, size)))
				}
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("a link without delay took %v", took)
		}
	})
}

func TestDelay(t *testing.T) {
	for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
		t.Run(d.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := netsim.Wrap(new(mem.Transport), netsim.Link{}, 1)
				sim.SetLinks(netsim.Link{Latency: 70 * ms}, netsim.Link{Latency: 30 * ms, Jitter: 20 * ms})
				start := time.Now()
				client, server := connect(t, sim)
				defer closeAll(client, server)
				if took := time.Since(start); took != 100*ms {
					t.Errorf("Dial took %v, want a round trip of 100ms", took)
				}
				seen := make(map[time.Duration]bool)
				for range 100 {
					start := time.Now()
					send(t, client, d, "up")
					want(t, server, "up")
					if took := time.Since(start); took != 70*ms {
						t.Fatalf("up took %v, want 70ms", took)
					}
					start = time.Now()
					send(t, server, d, "down")
					want(t, client, "down")
					took := time.Since(start)
					if took < 30*ms || took >= 50*ms {
						t.Fatalf("down took %v, want 30ms to 50ms", took)
					}
					seen[took] = true
				}
				if len(seen) < 90 {
					t.Errorf("100 messages with jitter have only %d different delays", len(seen))
				}
			})
		})
	}
}

// bad is a link on which everything happens.
var bad = netsim.Link{Latency: 40 * ms, Jitter: 30 * ms, Loss: 0.25, Reorder: 0.1, ReorderBy: 60 * ms}

// run sends 200 messages of each delivery both ways, 60 times a second, and
// returns what the server and the client saw.
func run(t *testing.T, sim *netsim.Transport) (up, down []arrival) {
	client, server := connect(t, sim)
	start := time.Now()
	done := make(chan struct{})
	go func() { up = record(t, server, start); close(done) }()
	go func() {
		for i := range 200 {
			for _, c := range []core.Conn{client, server} {
				send(t, c, core.Unreliable, fmt.Sprintf("u%d", i))
				send(t, c, core.Reliable, fmt.Sprintf("r%d", i))
			}
			time.Sleep(time.Second / 60)
		}
	}()
	down = record(t, client, start)
	<-done
	closeAll(client, server)
	return up, down
}

func TestLaws(t *testing.T) {
	modes := map[string]func(*netsim.Transport){
		"dialer":    func(*netsim.Transport) {},
		"at sender": func(sim *netsim.Transport) { sim.AtSender = true },
	}
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			var lost, overtaken, all int
			for seed := range uint64(10) {
				synctest.Test(t, func(t *testing.T) {
					sim := netsim.Wrap(new(mem.Transport), bad, seed)
					mode(sim)
					up, down := run(t, sim)
					for _, got := range [][]arrival{up, down} {
						l, o := check(t, seed, got)
						lost, overtaken, all = lost+l, overtaken+o, all+200
					}
				})
			}
			if share := float64(lost) / float64(all); share < 0.23 || share > 0.27 {
				t.Errorf("%.3f of the Unreliable messages were lost, want 0.25", share)
			}
			if share := float64(overtaken) / float64(all-lost); share < 0.1 || share > 0.6 {
				t.Errorf("%.3f of the Unreliable messages came after a later one", share)
			}
		})
	}
}

// check checks one direction of run: Reliable messages once each and in order,
// Unreliable ones once at most and in time.
func check(t *testing.T, seed uint64, got []arrival) (lost, overtaken int) {
	t.Helper()
	next, newest := 0, -1
	seen := make(map[int]bool)
	for _, a := range got {
		var kind byte
		var i int
		if n, _ := fmt.Sscanf(a.msg, "%c%d", &kind, &i); n != 2 {
			t.Fatalf("seed %d: %q was never sent", seed, a.msg)
		}
		late := a.at - time.Duration(i)*(time.Second/60)
		if late < bad.Latency || late > bad.Latency+bad.Jitter+bad.ReorderBy {
			t.Fatalf("seed %d: %s took %v", seed, a.msg, late)
		}
		if kind == 'r' {
			if i != next {
				t.Fatalf("seed %d: Reliable message %d came when %d was due", seed, i, next)
			}
			next++
			continue
		}
		if seen[i] {
			t.Fatalf("seed %d: %s came twice", seed, a.msg)
		}
		if seen[i] = true; i < newest {
			overtaken++
		}
		newest = max(newest, i)
	}
	if next != 200 {
		t.Fatalf("seed %d: %d Reliable messages of 200 arrived", seed, next)
	}
	return 200 - len(seen), overtaken
}
