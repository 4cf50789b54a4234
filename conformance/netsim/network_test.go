package netsim_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

// open opens a PacketConn at addr, and closes the Network when the test is over.
func open(tb testing.TB, n *netsim.Network, addr string) *netsim.PacketConn {
	tb.Helper()
	c, err := n.ListenPacket(tb.Context(), "udp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { n.Close() })
	return c.(*netsim.PacketConn)
}

// openTwo opens two on a Network with link everywhere.
func openTwo(tb testing.TB, link netsim.PacketLink, seed uint64) (n *netsim.Network, a, b *netsim.PacketConn) {
	n = netsim.NewNetwork(seed)
	n.SetLink(link)
	return n, open(tb, n, ""), open(tb, n, "")
}

func write(tb testing.TB, from, to *netsim.PacketConn, data string) {
	tb.Helper()
	if n, err := from.WriteTo([]byte(data), to.LocalAddr()); n != len(data) || err != nil {
		tb.Fatalf("WriteTo = %d, %v", n, err)
	}
}

// A packet is what a reader saw, and when since its start.
type packet struct {
	at   time.Duration
	from netip.AddrPort
	data string
}

// drain reads until nothing has come for d.
func drain(tb testing.TB, c *netsim.PacketConn, d time.Duration) (got []packet) {
	tb.Helper()
	start := time.Now()
	b := make([]byte, netsim.MaxPacket)
	for {
		c.SetReadDeadline(time.Now().Add(d))
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
				tb.Fatal(err)
			}
			c.SetReadDeadline(time.Time{})
			return got
		}
		got = append(got, packet{time.Since(start), from, string(b[:n])})
	}
}

func payloads(packets []packet) (all []string) {
	for _, p := range packets {
		all = append(all, p.data)
	}
	return all
}

func TestNetworkPerfect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := openTwo(t, netsim.PacketLink{}, 1)
		want := []string{"", "x", string(make([]byte, netsim.MaxPacket))}
		for _, p := range want {
			write(t, a, b, p)
		}
		got := drain(t, b, time.Second)
		if !slices.Equal(payloads(got), want) || got[2].at != 0 || got[0].from != a.Public() {
			t.Errorf("%d packets arrived of 3, the last at %v from %v", len(got), got[2].at, got[0].from)
		}
		write(t, b, a, "back")
		if got := drain(t, a, time.Second); len(got) != 1 || got[0].data != "back" {
			t.Errorf("%v came back", got)
		}
	})
}

func TestNetworkDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := openTwo(t, netsim.PacketLink{}, 1)
		a.SetWriteBuffer(1)
		n.Route(a.Public(), b.Public()).SetLink(netsim.PacketLink{Link: netsim.Link{Latency: 70 * ms}})
		n.Route(b.Public(), a.Public()).SetLink(netsim.PacketLink{Link: netsim.Link{Latency: 30 * ms}})
		write(t, a, b, "up")
		if got := drain(t, b, time.Second); len(got) != 1 || got[0].at != 70*ms {
			t.Errorf("%v arrived", got)
		}
		for i := range 100 { // what is sent at one instant keeps its order
			write(t, a, b, strconv.Itoa(i))
		}
		for i, p := range drain(t, b, time.Second) {
			if p.data != strconv.Itoa(i) {
				t.Errorf("packet %s came when %d was due", p.data, i)
			}
		}
		write(t, b, a, "down")
		if got := drain(t, a, time.Second); len(got) != 1 || got[0].at != 30*ms {
			t.Errorf("%v arrived", got)
		}
	})
}
