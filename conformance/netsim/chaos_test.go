package netsim_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// randomLink draws any Link that a test is likely to use.
func randomLink(rng *rand.Rand) netsim.Link {
	return netsim.Link{
		Latency:   time.Duration(rng.IntN(3)) * 40 * ms,
		Jitter:    time.Duration(rng.IntN(3)) * 30 * ms,
		Loss:      float64(rng.IntN(3)) * 0.2,
		Reorder:   float64(rng.IntN(3)) * 0.1,
		ReorderBy: time.Duration(rng.IntN(3)) * 50 * ms,
	}
}

// Sends, changes of the link, outages and a Close in any order: what is Reliable
// arrives whole and in order, what is Unreliable once at most, and nobody is left
// waiting. The seed of a failure replays it.
func TestChaos(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			sim := netsim.Wrap(new(mem.Transport), randomLink(rng), seed)
			sim.AtSender = rng.IntN(3) == 0
			sim.Linger = time.Minute
			client, server := connect(t, sim)
			var sent [2]uint32 // Reliable messages of client and of server
			var seen [2]uint32 // by server and by client
			ends := [2]core.Conn{client, server}

			var wg sync.WaitGroup
			for i := range ends {
				wg.Go(func() { seen[i] = read(t, seed, ends[1-i]) })
			}
			for n := range uint32(300) {
				i := rng.IntN(2)
				switch rng.IntN(16) {
				case 0:
					sim.SetLinks(randomLink(rng), randomLink(rng))
				case 1:
					client.SetLink(randomLink(rng))
				case 2:
					sim.Blackout(time.Duration(rng.IntN(300)) * ms)
				case 3:
					client.Cut()
				case 4, 5:
					client.Heal()
				case 6:
					sim.Cut()
				case 7, 8:
					sim.Heal()
				case 9, 10, 11:
					send(t, ends[i], core.Unreliable, string(binary.BigEndian.AppendUint32([]byte{'u'}, n)))
				case 12, 13:
					send(t, ends[i], core.Reliable, string(binary.BigEndian.AppendUint32([]byte{'r'}, sent[i])))
					sent[i]++
				default:
					time.Sleep(time.Duration(rng.IntN(50)) * ms)
				}
			}
			closer := rng.IntN(2)
			time.AfterFunc(time.Duration(rng.IntN(20))*time.Second, func() { sim.Heal(); client.Heal() })
			ends[closer].Close(core.CodeApp, "")
			wg.Wait()
			ends[1-closer].Close(core.CodeNormal, "")
			if seen[closer] != sent[closer] {
				t.Errorf("seed %d: %d of %d Reliable messages arrived before the goodbye", seed, seen[closer], sent[closer])
			}
			if other := 1 - closer; seen[other] > sent[other] {
				t.Errorf("seed %d: %d Reliable messages arrived of %d", seed, seen[other], sent[other])
			}
		})
	}
}

// read receives until the connection ends and returns how many Reliable messages
// came, each in its turn.
func read(t *testing.T, seed uint64, c core.Conn) (next uint32) {
	once := make(map[uint32]bool)
	for {
		msg, err := c.Recv(t.Context())
		var e *core.CloseError
		if errors.As(err, &e) {
			if e.Code != core.CodeApp {
				t.Errorf("seed %d: the connection ended with %v", seed, err)
			}
			return next
		}
		if err != nil || len(msg) != 5 {
			t.Errorf("seed %d: Recv = %q, %v", seed, msg, err)
			return next
		}
		n := binary.BigEndian.Uint32(msg[1:])
		switch {
		case msg[0] == 'r' && n != next:
			t.Errorf("seed %d: Reliable message %d came when %d was due", seed, n, next)
		case msg[0] == 'r':
			next++
		case once[n]:
			t.Errorf("seed %d: Unreliable message %d came twice", seed, n)
		default:
			once[n] = true
		}
	}
}

// Everything at once from many goroutines, for the race detector.
func TestConcurrentUse(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			sim := netsim.Wrap(new(mem.Transport), bad, seed)
			client, server := connect(t, sim)
			var wg sync.WaitGroup
			for _, c := range []core.Conn{client, server} {
				wg.Go(func() {
					for {
						if _, err := c.Recv(t.Context()); err != nil {
							return
						}
					}
				})
				for range 3 {
					wg.Go(func() {
						for i := range 100 {
							c.Send(core.Delivery(i%2), []byte("x"))
							c.Stats()
							time.Sleep(5 * ms)
						}
					})
				}
				wg.Go(func() {
					time.Sleep(400 * ms)
					c.Close(core.CodeNormal, "")
				})
			}
			wg.Go(func() {
				for range 50 {
					sim.SetLink(bad)
					sim.Blackout(3 * ms)
					client.Cut()
					time.Sleep(7 * ms)
					client.Heal()
				}
			})
			wg.Wait()
		})
	}
}
