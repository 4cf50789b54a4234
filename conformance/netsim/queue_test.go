package netsim_test

import (
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

func TestOwnQueueIsBounded(t *testing.T) {
	for _, tt := range []struct {
		name                   string
		bytes, messages        int
		size, fits, unreliable int
	}{
		{"messages", 0, 5, 10, 5, 5},
		{"bytes", 100, 0, 30, 3, 3},
		{"one fits always", 10, 0, 300, 1, 1},
		{"defaults", 0, 0, 0, netsim.DefaultQueueMessages, netsim.DefaultQueueMessages},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms}, 1)
				sim.QueueBytes, sim.QueueMessages = tt.bytes, tt.messages
				client, server := connect(t, sim)
				defer closeAll(client, server)
				msg := make([]byte, tt.size)
				for i := range tt.fits {
					if err := client.Send(core.Reliable, msg); err != nil {
						t.Fatalf("Send %d = %v", i, err)
					}
				}
				if err := client.Send(core.Reliable, msg); !errors.Is(err, core.ErrBackpressure) {
					t.Fatalf("Send = %v, want core.ErrBackpressure", err)
				}
				for range tt.unreliable + 2 {
					send(t, client, core.Unreliable, string(msg))
				}
				s := client.Stats()
				if s.Dropped != 2 || s.Queued != (tt.fits+tt.unreliable)*tt.size {
					t.Errorf("Stats = %+v, want 2 dropped", s)
				}
				got := record(t, server, time.Now())
				if len(got) != tt.fits+tt.unreliable {
					t.Errorf("%d messages arrived, want %d", len(got), tt.fits+tt.unreliable)
				}
			})
		})
	}
}

// A peer that does not read fills the inner queue, then the link's, and then Send
// says so. Once it reads, all that was taken arrives in order.
func TestBackpressureComesThrough(t *testing.T) {
	for _, link := range []netsim.Link{{}, {Latency: 20 * ms, Jitter: 10 * ms}} {
		for _, up := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				sim := netsim.Wrap(&mem.Transport{QueueMessages: 3}, link, 1)
				sim.QueueMessages = 4
				client, server := connect(t, sim)
				defer closeAll(client, server)
				var from, to core.Conn = client, server
				if !up {
					from, to = server, client
				}
				sent := 0
				for range 100 {
					err := from.Send(core.Reliable, []byte(strconv.Itoa(sent)))
					if err == nil {
						sent++
					} else if !errors.Is(err, core.ErrBackpressure) {
						t.Fatalf("Send = %v, want core.ErrBackpressure", err)
					}
					time.Sleep(10 * ms)
				}
				if sent < 3 || sent > 3+4+1 {
					t.Errorf("%d messages were taken by queues of 3 and 4", sent)
				}
				for i := range sent {
					want(t, to, strconv.Itoa(i))
				}
				send(t, from, core.Reliable, "more")
				want(t, to, "more")
			})
		}
	}
}

// A Conn whose Recv nobody calls is bounded and can be closed: by its own side,
// with the pump waiting for room, and by the peer.
func TestCloseOfAStalledConn(t *testing.T) {
	for _, own := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			sim := netsim.Wrap(new(mem.Transport), netsim.Link{}, 1)
			sim.QueueMessages = 2
			client, server := connect(t, sim)
			for range 10 {
				send(t, server, core.Reliable, "x")
				send(t, server, core.Unreliable, "x")
			}
			synctest.Wait()
			if own {
				client.Close(core.CodeNormal, "")
				server.Close(core.CodeNormal, "")
				return
			}
			server.Close(core.CodeShutdown, "")
			n := 0
			for range record(t, client, time.Now()) {
				n++
			}
			if n < 12 {
				t.Errorf("%d messages arrived, want at least the 10 Reliable ones and 2 others", n)
			}
			wantClosed(t, client, core.CloseError{Code: core.CodeShutdown, Remote: true})
			client.Close(core.CodeNormal, "")
		})
	}
}

func TestSendRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms, Loss: 1}, 1)
		client, server := connect(t, sim)
		defer closeAll(client, server)
		for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
			most := client.MaxSize(d)
			if most != client.Unwrap().MaxSize(d) {
				t.Errorf("MaxSize(%s) = %d, not that of the inner Conn", d, most)
			}
			err := client.Send(d, make([]byte, most+1))
			var large *core.TooLargeError
			if !errors.As(err, &large) || *large != (core.TooLargeError{Size: most + 1, Max: most, Delivery: d}) {
				t.Errorf("Send = %v, want a *core.TooLargeError", err)
			}
		}
		if err := client.Send(7, nil); !errors.Is(err, core.ErrUnsupported) {
			t.Errorf("Send with delivery 7 = %v, want a core.ErrUnsupported", err)
		}
	})
}

func TestBytesAreTheCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, netsim.Wrap(new(mem.Transport), netsim.Link{Latency: 50 * ms}, 1))
		defer closeAll(client, server)
		for range 3 {
			msg := []byte("first")
			client.Send(core.Reliable, msg)
			server.Send(core.Reliable, msg)
			clear(msg)
			want(t, server, "first")
			got, _ := client.Recv(t.Context())
			send(t, server, core.Reliable, "second")
			time.Sleep(time.Second)
			if string(got) != "first" {
				t.Fatalf("the bytes changed to %q before the next Recv", got)
			}
			clear(got)
			want(t, client, "second")
		}
	})
}
