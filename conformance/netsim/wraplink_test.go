package netsim_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// Unreliable messages are lost in bursts, both ways, and Reliable ones are not.
func TestWrapBurst(t *testing.T) {
	const count, share, length = 4000, 0.1, 5
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, netsim.Wrap(new(mem.Transport), netsim.Link{Burst: netsim.BurstLoss(share, length)}, 1))
		defer closeAll(client, server)
		for _, way := range [][2]core.Conn{{client, server}, {server, client}} {
			var reliable, lost, bursts, last int
			for i := range count {
				d := core.Unreliable
				if i%10 == 0 {
					d = core.Reliable
				}
				send(t, way[0], d, fmt.Sprint(i))
				if i%100 != 99 {
					continue
				}
				synctest.Wait()
				for _, a := range record(t, way[1], time.Now()) {
					var k int
					fmt.Sscan(a.msg, &k)
					if k%10 == 0 {
						reliable++
					} else if k-last > 2 { // a Reliable one may stand between
						bursts++
					}
					last = k
				}
			}
			out, in := client.Lost()
			if lost = int(out); way[0] == server {
				lost = int(in)
			}
			if reliable != count/10 {
				t.Errorf("%d Reliable messages arrived", reliable)
			}
			got, want := float64(lost), 0.9*share*count
			if math.Abs(got-want) > 5*math.Sqrt(2*length*want) || bursts > lost/2 {
				t.Errorf("%d messages were lost in %d bursts, want about %.0f", lost, bursts, want)
			}
		}
	})
}

// A line of 10 KB/s: Reliable messages wait for it however long, Unreliable ones are
// lost when the queue is too long for them.
func TestWrapRate(t *testing.T) {
	link := netsim.Link{Rate: 10_000, Latency: 50 * ms}
	for _, up := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			client, server := connect(t, netsim.Wrap(new(mem.Transport), link, 1))
			defer closeAll(client, server)
			var from, to core.Conn = client, server
			if !up {
				from, to = server, client
			}
			start := time.Now()
			for range 20 { // 20 ms each
				send(t, from, core.Unreliable, string(make([]byte, 200)))
			}
			for range 10 { // 100 ms each
				send(t, from, core.Reliable, string(make([]byte, 1000)))
			}
			var times []time.Duration
			for _, a := range record(t, to, start) {
				times = append(times, a.at)
			}
			var want []time.Duration
			for i := range 6 { // those that wait for at most 100 ms
				want = append(want, 50*ms+time.Duration(i+1)*20*ms)
			}
			for i := range 10 {
				want = append(want, 170*ms+time.Duration(i+1)*100*ms)
			}
			if !slices.Equal(times, want) {
				t.Errorf("messages arrived at\n%v, want\n%v", times, want)
			}
		})
	}
}

// What was held in the dark sets out when the link heals, at the Rate.
func TestWrapRateAfterTheDark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, netsim.Wrap(new(mem.Transport), netsim.Link{Rate: 10_000}, 1))
		defer closeAll(client, server)
		start := time.Now()
		client.Blackout(time.Second)
		for range 3 {
			send(t, client, core.Reliable, string(make([]byte, 1000)))
			send(t, client, core.Unreliable, "lost")
			time.Sleep(100 * ms)
		}
		got := record(t, server, start)
		if len(got) != 3 || got[0].at != 1100*ms || got[1].at != 1200*ms || got[2].at != 1300*ms {
			for _, a := range got {
				t.Errorf("%d bytes arrived at %v", len(a.msg), a.at)
			}
		}
	})
}

// Close waits for what the Rate still holds back.
func TestWrapRateClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, netsim.Wrap(new(mem.Transport), netsim.Link{Rate: 10_000}, 1))
		defer closeAll(server)
		start := time.Now()
		for range 50 {
			send(t, client, core.Reliable, string(make([]byte, 1000)))
		}
		client.Close(core.CodeApp, "over")
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("Close took %v, want the 5s of 50 KB", took)
		}
		if got := record(t, server, start); len(got) != 50 {
			t.Errorf("%d messages arrived of 50", len(got))
		}
	})
}
