package netsim_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// What was sent before Close arrives, in order, and then code and reason: both
// ways, over good links and bad ones.
func TestCloseAfterSends(t *testing.T) {
	links := []netsim.Link{{}, {Latency: 50 * ms}, {Jitter: 100 * ms}, bad, {Latency: 5 * time.Second}}
	for i, link := range links {
		for _, dialerCloses := range []bool{true, false} {
			for seed := range uint64(10) {
				synctest.Test(t, func(t *testing.T) {
					client, server := connect(t, netsim.Wrap(new(mem.Transport), link, seed))
					var closer, other core.Conn = client, server
					if !dialerCloses {
						closer, other = server, client
					}
					for n := range 20 {
						send(t, closer, core.Reliable, strconv.Itoa(n))
					}
					start := time.Now()
					if err := closer.Close(core.CodeApp, "over"); err != nil {
						t.Errorf("Close = %v", err)
					}
					if took := time.Since(start); took > link.Latency+link.Jitter {
						t.Errorf("link %d: Close took %v", i, took)
					}
					for n := range 20 {
						want(t, other, strconv.Itoa(n))
					}
					wantClosed(t, other, core.CloseError{Code: core.CodeApp, Reason: "over", Remote: true})
					wantClosed(t, closer, core.CloseError{Code: core.CodeApp, Reason: "over"})
					if took := time.Since(start); took < link.Latency {
						t.Errorf("link %d: the goodbye took %v, less than the link", i, took)
					}
					other.Close(core.CodeNormal, "")
				})
			}
		}
	}
}

// What has arrived when Close is called can still be received; what is on its way
// then has come too late.
func TestCloseKeepsWhatArrived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms}, 1))
		defer closeAll(server)
		send(t, server, core.Reliable, "arrived")
		send(t, server, core.Unreliable, "arrived too")
		time.Sleep(60 * ms)
		send(t, server, core.Reliable, "on its way")
		send(t, server, core.Unreliable, "on its way")
		synctest.Wait()
		client.Close(core.CodeNormal, "")
		want(t, client, "arrived")
		want(t, client, "arrived too")
		wantClosed(t, client, core.CloseError{})
	})
}

func TestCloseUnblocksRecvAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, netsim.Wrap(new(mem.Transport), netsim.Link{Latency: time.Second}, 1))
		defer closeAll(server)
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := client.Recv(context.Background()); !errors.Is(err, core.ErrClosed) {
				t.Errorf("Recv = %v, want a core.ErrClosed", err)
			}
			if took := time.Since(start); took != 0 {
				t.Errorf("Recv returned %v after Close", took)
			}
		})
		synctest.Wait()
		for range 4 { // the first waits for its goodbye, the others do not
			wg.Go(func() { client.Close(core.CodeKicked, "") })
		}
		wg.Wait()
		wantClosed(t, server, core.CloseError{Code: core.CodeKicked, Remote: true})
	})
}

func TestSimultaneousClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms}, 1))
		client.Send(core.Reliable, []byte("too late"))
		server.Close(core.CodeShutdown, "server") // the client does not know before 50ms
		send(t, client, core.Reliable, "into the void")
		client.Close(core.CodeNormal, "client")
		wantClosed(t, client, core.CloseError{Reason: "client"})
		wantClosed(t, server, core.CloseError{Code: core.CodeShutdown, Reason: "server"})
	})
}

func TestCloseInTheDark(t *testing.T) {
	for _, tt := range []struct {
		name         string
		linger, dark time.Duration
		took         time.Duration
		code         core.Code
		arrives      bool
	}{
		{"heals in time", 0, 500 * ms, 550 * ms, core.CodeKicked, true},
		{"default linger", 0, time.Hour, 50*ms + core.DefaultLinger, core.CodeTimeout, false},
		{"long linger", time.Minute, 30 * time.Second, 30*time.Second + 50*ms, core.CodeKicked, true},
		{"no linger", -1, 500 * ms, 50 * ms, core.CodeTimeout, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms}, 1)
				sim.Linger = tt.linger
				client, server := connect(t, sim)
				defer closeAll(server)
				client.Blackout(tt.dark)
				send(t, client, core.Reliable, "last words")
				start := time.Now()
				client.Close(core.CodeKicked, "out")
				if took := time.Since(start); took != tt.took {
					t.Errorf("Close took %v, want %v", took, tt.took)
				}
				if tt.arrives {
					want(t, server, "last words")
				}
				_, err := server.Recv(t.Context())
				var e *core.CloseError
				if !errors.As(err, &e) || e.Code != tt.code {
					t.Errorf("the peer's Recv = %v, want code %q", err, tt.code)
				}
			})
		})
	}
}

// The peer's goodbye does not cross a dark link: to this side it is silence.
func TestPeerClosesInTheDark(t *testing.T) {
	for _, last := range []string{"last words", ""} {
		synctest.Test(t, func(t *testing.T) {
			sim := netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms}, 1)
			client, server := connect(t, sim)
			defer closeAll(client)
			sim.Cut()
			if last != "" {
				send(t, server, core.Reliable, last)
			}
			server.Close(core.CodeShutdown, "")
			if msg, err := within(t, client, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("Recv = %q, %v; want silence", msg, err)
			}
			send(t, client, core.Reliable, "hello?")
			sim.Heal()
			if last != "" {
				want(t, client, last)
			}
			wantClosed(t, client, core.CloseError{Code: core.CodeShutdown, Remote: true})
		})
	}
}

// A goodbye that comes as a blackout ends stays behind what waited for that end.
func TestGoodbyeDoesNotOvertake(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			client, server := connect(t, netsim.Wrap(new(mem.Transport), netsim.Link{Jitter: 100 * ms}, seed))
			defer closeAll(client)
			client.Blackout(time.Second)
			for range 3 {
				send(t, server, core.Reliable, "held")
			}
			time.Sleep(time.Second)
			server.Close(core.CodeNormal, "")
			synctest.Wait()
			if got := record(t, client, time.Now()); len(got) != 3 {
				t.Errorf("seed %d: %d of 3 messages arrived before the goodbye", seed, len(got))
			}
		})
	}
}

// Close does not linger for a peer that has gone.
func TestPeerClosesDuringLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := netsim.Wrap(new(mem.Transport), netsim.Link{}, 1)
		sim.Linger = time.Hour
		client, server := connect(t, sim)
		client.Cut()
		send(t, client, core.Reliable, "never seen")
		time.AfterFunc(time.Second, func() { server.Close(core.CodeNormal, "") })
		start := time.Now()
		client.Close(core.CodeNormal, "")
		if took := time.Since(start); took != time.Second {
			t.Errorf("Close took %v, want 1s", took)
		}
	})
}

func TestDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms}, 1))
		defer closeAll(server)
		send(t, client, core.Reliable, "never seen")
		start := time.Now()
		dropper, ok := core.As[core.Dropper](client)
		if !ok {
			t.Fatal("a Conn is not a core.Dropper")
		}
		dropper.Drop(core.CodeFlood, "enough")
		dropper.Drop(core.CodeFlood, "again")
		client.Close(core.CodeNormal, "no effect")
		if took := time.Since(start); took != 0 {
			t.Errorf("Drop took %v", took)
		}
		wantClosed(t, client, core.CloseError{Code: core.CodeFlood, Reason: "enough"})
		wantClosed(t, server, core.CloseError{Code: core.CodeFlood, Reason: "enough", Remote: true})
	})
}

// An inner Conn that ends by itself ends the outer one at once and with its error.
func TestInnerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms}, 1))
		defer closeAll(client, server)
		send(t, client, core.Reliable, "never seen")
		client.Unwrap().Close(core.CodeTimeout, "silence")
		synctest.Wait()
		wantClosed(t, client, core.CloseError{Code: core.CodeTimeout, Reason: "silence"})
		if q := client.Stats().Queued; q != 0 {
			t.Errorf("Queued = %d, want 0", q)
		}
	})
}
