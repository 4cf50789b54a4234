package netsim_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

// everything is a link on which everything happens to packets.
var everything = netsim.PacketLink{
	Link: netsim.Link{
		Latency: 40 * ms, Jitter: 30 * ms, Loss: 0.05, Burst: netsim.BurstLoss(0.05, 5),
		Reorder: 0.1, Rate: 50_000, Queue: 50 * ms,
	},
	Duplicate: 0.1, Copies: 3, CopyDelay: 100 * ms, Corrupt: 0.1, MTU: 1200,
}

// traffic sends 300 packets each way between each two of four PacketConns, on twelve
// goroutines, and returns the Digest and the log of what the first one received.
func traffic(t *testing.T, seed uint64, disturb func(*testing.T, *netsim.Network)) (digest netsim.Digest, log string) {
	synctest.Test(t, func(t *testing.T) {
		n := netsim.NewNetwork(seed)
		n.SetLink(everything)
		var conns [4]*netsim.PacketConn
		for i := range conns {
			conns[i] = open(t, n, fmt.Sprintf("10.0.0.%d:7777", i+1))
		}
		n.Tap(func(e netsim.Event) {
			if e.To == conns[0].Public() && e.From == conns[1].Public() {
				log += fmt.Sprintln(e)
			}
		})
		var wg sync.WaitGroup
		for i, from := range conns {
			for k, to := range conns {
				if i == k {
					continue
				}
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(i), uint64(k)))
					for range 300 {
						from.WriteTo(make([]byte, rng.IntN(1300)), to.LocalAddr())
						time.Sleep(time.Duration(rng.IntN(30)) * ms)
					}
				})
			}
		}
		if disturb != nil {
			disturb(t, n)
		}
		wg.Wait()
		time.Sleep(time.Second)
		digest = n.Digest()
	})
	return digest, log
}

func TestDigest(t *testing.T) {
	first, log := traffic(t, 1, nil)
	for range 3 {
		if again, logAgain := traffic(t, 1, nil); again != first || logAgain != log {
			t.Fatalf("the same seed gave %v, and then %v:\n%s\n%s", first, again, log, logAgain)
		}
	}
	// The fates of a seed are for ever: a failure that was written down replays.
	want := netsim.Digest{Packets: 3600, Fates: 0xdbd676ecf73e53a5, Contents: 0xe15f9ea2982eccae}
	if first != want {
		t.Errorf("Digest = %#v, want %#v", first, want)
	}
	if other, _ := traffic(t, 2, nil); other.Fates == first.Fates || other.Packets != first.Packets {
		t.Errorf("seed 2 gave %v, seed 1 %v", other, first)
	}

	// What other addresses do changes nothing, and neither does what is injected,
	// lost on its way to nobody, or read.
	_, noisy := traffic(t, 1, func(t *testing.T, n *netsim.Network) {
		noise, stranger := open(t, n, "10.0.0.1:9"), open(t, n, "10.0.0.9:9")
		for i := range 100 {
			to := n.Conns()[i%4]
			noise.WriteTo(make([]byte, 100), to.LocalAddr())
			stranger.WriteTo(make([]byte, 100), to.LocalAddr())
			n.Inject(stranger.Public(), to.Public(), []byte("x"))
			to.SetReadDeadline(time.Now().Add(ms))
			to.ReadFrom(make([]byte, 10))
		}
	})
	if noisy != log {
		t.Errorf("noise changed\n%s\nto\n%s", log, noisy)
	}
}

// The index of a packet, not the links before, decides what it draws.
func TestDigestIsOfTheIndex(t *testing.T) {
	run := func(early netsim.PacketLink) (got []packet) {
		synctest.Test(t, func(t *testing.T) {
			n, a, b := openTwo(t, early, 1)
			for range 100 {
				write(t, a, b, "early")
			}
			drain(t, b, 10*time.Second)
			link := everything
			link.Burst, link.Rate = netsim.Burst{}, 0 // these have a past
			n.SetLink(link)
			got = burst(t, a, b, 300, 0)
		})
		return got
	}
	want := run(netsim.PacketLink{})
	for _, early := range []netsim.PacketLink{everything, {MTU: 1}, {Link: netsim.Link{Loss: 1}}} {
		if got := run(early); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("after %+v another fate", early)
		}
	}
}
