package mem_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

func TestBackpressure(t *testing.T) {
	for _, tt := range []struct {
		name         string
		bytes, count int
		size, fits   int
	}{
		{"messages", 0, 5, 1, 5},
		{"empty messages", 0, 5, 0, 5},
		{"bytes", 1000, 0, 300, 3},
		{"default messages", 0, 0, 0, mem.DefaultQueueMessages},
		{"default bytes", 0, 0, 1 << 10, mem.DefaultQueueBytes >> 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			network := &mem.Transport{QueueBytes: tt.bytes, QueueMessages: tt.count, MaxReliable: 1 << 10, MaxUnreliable: 1}
			if tt.bytes != 0 {
				network.MaxReliable = 300 // the queue holds at least the largest message
			}
			client, server := connect(t, network)
			msg := make([]byte, tt.size)
			for i := range tt.fits {
				if err := client.Send(core.Reliable, msg); err != nil {
					t.Fatalf("Send %d: %v", i, err)
				}
			}
			if err := client.Send(core.Reliable, msg); !errors.Is(err, core.ErrBackpressure) {
				t.Fatalf("Send to a full queue = %v, want core.ErrBackpressure", err)
			}
			if s := client.Stats(); s.Queued != tt.fits*tt.size || s.MessagesSent != uint64(tt.fits) || s.Dropped != 0 {
				t.Errorf("Stats = %+v, want %d queued messages and none dropped", s, tt.fits)
			}
			send(t, client, core.Unreliable, "") // has a bound of its own
			if _, err := server.Recv(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := client.Send(core.Reliable, msg); err != nil {
				t.Errorf("Send after the peer took one: %v", err)
			}
		})
	}
}

func TestUnreliableOldestGoes(t *testing.T) {
	client, server := connect(t, &mem.Transport{QueueMessages: 2})
	send(t, client, core.Unreliable, "u1")
	send(t, client, core.Reliable, "r1")
	send(t, client, core.Unreliable, "u2")
	send(t, client, core.Unreliable, "u3")
	send(t, client, core.Reliable, "r2")
	send(t, client, core.Unreliable, "u4")
	if s := client.Stats(); s.Dropped != 2 || s.Queued != 8 {
		t.Errorf("Stats = %+v, want 2 dropped and 8 bytes queued", s)
	}
	for _, msg := range []string{"r1", "u3", "r2", "u4"} {
		want(t, server, msg)
	}
}

// A model of one direction: what must be in the queue after each step.
func TestQueueAgainstModel(t *testing.T) {
	const bytes, messages = 40, 6
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		client, server := connect(t, &mem.Transport{
			QueueBytes: bytes, QueueMessages: messages, MaxReliable: 20, MaxUnreliable: 20,
		})
		type message struct {
			d    core.Delivery
			text string
		}
		var model []message
		var stats, received core.Stats
		load := func(d core.Delivery) (n, size int) {
			for _, m := range model {
				if m.d == d {
					n, size = n+1, size+len(m.text)
				}
			}
			return n, size
		}
		for step := range 300 {
			if rng.IntN(5) < 3 {
				d := core.Delivery(rng.IntN(2))
				text := strconv.Itoa(step) + "                    "[:rng.IntN(17)]
				full := func() bool { n, size := load(d); return n >= messages || size+len(text) > bytes }
				err := client.Send(d, []byte(text))
				if d == core.Reliable && full() {
					if err != core.ErrBackpressure {
						t.Fatalf("seed %d step %d: Send = %v, want core.ErrBackpressure", seed, step, err)
					}
					continue
				}
				if err != nil {
					t.Fatalf("seed %d step %d: Send = %v", seed, step, err)
				}
				for full() {
					oldest := slices.IndexFunc(model, func(m message) bool { return m.d == d })
					model = slices.Delete(model, oldest, oldest+1)
					stats.Dropped++
				}
				model = append(model, message{d, text})
				stats.MessagesSent++
				stats.BytesSent += uint64(len(text))
			} else if len(model) > 0 {
				got, err := server.Recv(t.Context())
				if err != nil || string(got) != model[0].text {
					t.Fatalf("seed %d step %d: Recv = %q, %v; want %q", seed, step, got, err, model[0].text)
				}
				model = model[1:]
				received.MessagesRecv++
				received.BytesRecv += uint64(len(got))
			}
			_, u := load(core.Unreliable)
			_, r := load(core.Reliable)
			stats.Queued = u + r
			if got := client.Stats(); got != stats {
				t.Fatalf("seed %d step %d: client Stats = %+v, want %+v", seed, step, got, stats)
			}
			if got := server.Stats(); got != received {
				t.Fatalf("seed %d step %d: server Stats = %+v, want %+v", seed, step, got, received)
			}
		}
	}
}

// Many senders, one reader that sleeps often: each Reliable message arrives once,
// and those of one sender in order.
func TestConcurrentSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const senders, each = 8, 300
		client, server := connect(t, new(mem.Transport))
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() {
				for i := range each {
					client.Send(core.Reliable, []byte{byte(s), byte(i >> 8), byte(i)})
					client.Send(core.Unreliable, nil)
					client.Stats()
				}
			})
		}
		wg.Go(func() {
			var next [senders]int
			for n := 0; n < senders*each; {
				msg, err := server.Recv(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if len(msg) == 0 {
					continue
				}
				s, i := msg[0], int(msg[1])<<8|int(msg[2])
				if i != next[s] {
					t.Errorf("sender %d: got message %d, want %d", s, i, next[s])
					return
				}
				next[s]++
				n++
			}
		})
		wg.Wait()
	})
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	client, server := connect(t, new(mem.Transport))
	ctx := context.Background()
	for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
		for _, size := range []int{0, 1200, client.MaxSize(d)} {
			msg := make([]byte, size)
			allocs := testing.AllocsPerRun(1000, func() {
				client.Send(d, msg)
				if _, err := server.Recv(ctx); err != nil {
					t.Fatal(err)
				}
			})
			if allocs != 0 {
				t.Errorf("%s, %d bytes: %v allocations a message, want 0", d, size, allocs)
			}
		}
	}
}
