package netsim_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

func TestMTU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, loud := range []bool{false, true} {
			n, a, b := openTwo(t, netsim.PacketLink{MTU: 1200, MTUError: loud}, 1)
			for _, size := range []int{1199, 1200, 1201, 60000} {
				_, err := a.WriteTo(make([]byte, size), b.LocalAddr())
				if want := loud && size > 1200; errors.Is(err, syscall.EMSGSIZE) != want || err != nil != want {
					t.Errorf("WriteTo of %d bytes = %v", size, err)
				}
			}
			if got := drain(t, b, time.Second); len(got) != 2 || n.Counters().TooLong != 2 {
				t.Errorf("%d packets passed an MTU of 1200", len(got))
			}
		}
	})
}

// A line of 64 KB/s and a tenth of a second of queue, offered twice what it carries.
func TestRate(t *testing.T) {
	const rate, size, gap = 64_000, 640, 5 * ms
	synctest.Test(t, func(t *testing.T) {
		n, a, b := openTwo(t, netsim.PacketLink{Link: netsim.Link{Rate: rate, Latency: 20 * ms}}, 1)
		start := time.Now()
		go func() {
			for i := range 2000 {
				write(t, a, b, fmt.Sprintf("%0*d", size, 100_000+i))
				time.Sleep(gap)
			}
		}()
		got := drain(t, b, time.Second)
		took := time.Since(start) - time.Second
		if goodput := float64(len(got)*size) / took.Seconds(); goodput < 0.97*rate || goodput > rate {
			t.Errorf("the goodput is %.0f bytes a second, want %d", goodput, rate)
		}
		newest := -1
		for _, p := range got {
			delay := p.at - time.Duration(number(p))*gap
			if delay < 30*ms || delay > 130*ms { // 20 of latency, 10 of its own, 0 to 100 of queue
				t.Errorf("a packet took %v", delay)
			}
			if number(p) <= newest {
				t.Error("the queue changed the order")
			}
			newest = number(p)
		}
		if c := n.Counters(); c.QueueFull+c.Delivered != 2000 || c.QueueFull < 900 {
			t.Errorf("Counters = %+v", c)
		}
		time.Sleep(time.Second)
		write(t, a, b, string(make([]byte, size))) // the queue has drained
		if got := drain(t, b, time.Second); len(got) != 1 || got[0].at != 30*ms {
			t.Errorf("after a pause a packet took %v", got[0].at)
		}
	})
}

// A longer queue keeps what a shorter one loses, and delays it.
func TestQueue(t *testing.T) {
	for queue, fit := range map[time.Duration]int{0: 11, 50 * ms: 6, time.Second: 50, 1: 2, 10 * ms: 2} {
		synctest.Test(t, func(t *testing.T) {
			_, a, b := openTwo(t, netsim.PacketLink{Link: netsim.Link{Rate: 100_000, Queue: queue}}, 1)
			for range 50 {
				write(t, a, b, string(make([]byte, 1000)))
			}
			want := fit
			if queue == 1 {
				want = 1
			}
			got := drain(t, b, time.Second)
			if len(got) != want || got[len(got)-1].at != time.Duration(want)*10*ms {
				t.Errorf("queue %v: %d packets passed, want %d", queue, len(got), want)
			}
		})
	}
}

// Blackouts begin and end at their very instants, on the routes they are for.
func TestNetworkOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := openTwo(t, netsim.PacketLink{Link: netsim.Link{Latency: 100 * ms}}, 1)
		up := n.Route(a.Public(), b.Public())
		start := time.Now()
		at := func(d time.Duration, do func()) { time.AfterFunc(d, do) }
		at(100*ms-1, func() { n.Blackout(200 * ms) }) // dark before 300ms-1
		at(150*ms, func() { n.Blackout(10 * ms) })    // shorter: nothing new
		at(500*ms-1, func() { up.Cut() })
		at(700*ms-1, func() { up.Back().Heal(); n.Heal() }) // neither is up
		at(800*ms-1, func() { up.Heal() })
		at(900*ms-1, func() { n.Route(netsim.Any, netip.AddrPortFrom(a.Public().Addr(), 0)).Blackout(time.Hour) })
		at(1000*ms-1, func() { n.Route(netsim.Any, netip.AddrPortFrom(a.Public().Addr(), 0)).Heal() })
		for _, way := range [][2]*netsim.PacketConn{{a, b}, {b, a}} {
			for i := range 110 {
				at(time.Duration(i)*10*ms, func() { write(t, way[0], way[1], fmt.Sprint(i)) })
			}
		}
		for _, tt := range []struct {
			to   *netsim.PacketConn
			dark [][2]int
		}{
			{b, [][2]int{{10, 29}, {50, 79}, {90, 99}}},
			{a, [][2]int{{10, 29}, {90, 99}}},
		} {
			var want []string
			for i := range 110 {
				if !slices.ContainsFunc(tt.dark, func(d [2]int) bool { return d[0] <= i && i <= d[1] }) {
					want = append(want, fmt.Sprint(i))
				}
			}
			if got := payloads(drain(t, tt.to, time.Second)); !slices.Equal(got, want) {
				t.Errorf("%v got %v", tt.to.LocalAddr(), got)
			}
		}
		if c := n.Counters(); c.Dark != 20+30+10+20+10 {
			t.Errorf("%d packets met the dark", c.Dark)
		}
		if took := time.Since(start); took < time.Second {
			t.Errorf("the test took %v", took)
		}
	})
}

// The Route with the most exact sender counts, then the one with the most exact
// receiver.
func TestRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := openTwo(t, netsim.PacketLink{Link: netsim.Link{Latency: ms}}, 1)
		from, to := a.Public(), b.Public()
		fromHost, toHost := netip.AddrPortFrom(from.Addr(), 0), netip.AddrPortFrom(to.Addr(), 0)
		wants := func(want time.Duration) {
			t.Helper()
			write(t, a, b, "x")
			if got := drain(t, b, time.Second); len(got) != 1 || got[0].at != want {
				t.Fatalf("%v arrived, want one packet after %v", got, want)
			}
		}
		wants(ms)
		routes := []netsim.Route{
			n.Route(netsim.Any, toHost), n.Route(netsim.Any, to),
			n.Route(fromHost, netsim.Any), n.Route(fromHost, toHost), n.Route(fromHost, to),
			n.Route(from, netsim.Any), n.Route(from, toHost), n.Route(from, to),
		}
		for i, r := range routes {
			n.Route(to, from).SetLink(netsim.PacketLink{MTU: 1}) // the way back is another
			r.SetLink(netsim.PacketLink{Link: netsim.Link{Latency: time.Duration(i+2) * ms}})
			wants(time.Duration(i+2) * ms)
			if got := r.Counters(); got.Delivered != uint64(i+2) {
				t.Errorf("route %d counts %d packets, want %d", i, got.Delivered, i+2)
			}
			if back := r.Back().Counters(); back.Sent != 0 && i > 4 {
				t.Errorf("route %d counts %d packets on the way back", i, back.Sent)
			}
		}
		for i, r := range slices.Backward(routes) {
			wants(time.Duration(i+2) * ms)
			r.UnsetLink()
		}
		wants(ms)
	})
}

func TestRebind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := openTwo(t, netsim.PacketLink{Link: netsim.Link{Latency: 10 * ms}}, 1)
		first := a.Public()
		wantFrom := func(want netip.AddrPort) {
			t.Helper()
			write(t, a, b, "ping")
			got := drain(t, b, 100*ms)
			if len(got) != 1 || got[0].from != want || a.Public() != want || a.LocalAddr().String() != first.String() {
				t.Errorf("%v came, Public is %v, LocalAddr %v; want %v", got, a.Public(), a.LocalAddr(), want)
			}
		}
		reaches := func(addr netip.AddrPort, want int) {
			t.Helper()
			b.WriteToUDPAddrPort([]byte("pong"), addr)
			if got := drain(t, a, 100*ms); len(got) != want {
				t.Errorf("%d packets came to %v, want %d", len(got), addr, want)
			}
		}
		wantFrom(first)

		// Another port, and the old address lives; then back and forth.
		second, err := a.Rebind("", true)
		if err != nil || second.Addr() != first.Addr() || second.Port() == first.Port() {
			t.Fatalf("Rebind = %v, %v", second, err)
		}
		for range 3 {
			wantFrom(second)
			reaches(first, 1)
			reaches(second, 1)
			a.Rebind(first.String(), true)
			wantFrom(first)
			reaches(second, 1)
			a.Rebind(second.String(), true)
		}

		// Back to a former one, without the others.
		a.Rebind(first.String(), true)
		a.Rebind(second.String(), false)
		wantFrom(second)
		reaches(first, 0)
		reaches(second, 1)

		// Another network, and the old ones are dead, for what is on its way too.
		b.WriteToUDPAddrPort([]byte("on its way"), second)
		third, err := a.Rebind("198.51.100.7:0", false)
		if err != nil || third.Addr().String() != "198.51.100.7" {
			t.Fatalf("Rebind = %v, %v", third, err)
		}
		if got := drain(t, a, time.Second); len(got) != 0 {
			t.Errorf("%v came to a dead address", got)
		}
		wantFrom(third)
		reaches(first, 0)
		reaches(second, 0)
		reaches(third, 1)
		if n.Conn(first) != nil || n.Conn(third) != a {
			t.Error("Conn does not know the new address")
		}

		_, err = a.Rebind(b.LocalAddr().String(), false)
		wantErr(t, err, "rebind", syscall.EADDRINUSE)
		wantFrom(third)
		open(t, n, first.String()).Close() // it is free again
		a.Rebind("", true)
		a.Close()
		open(t, n, third.String())
	})
}
