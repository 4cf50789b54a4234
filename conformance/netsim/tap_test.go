package netsim_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

func TestInject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := openTwo(t, netsim.PacketLink{Link: netsim.Link{Latency: 50 * ms, Loss: 1}}, 1)
		stranger := netip.MustParseAddrPort("203.0.113.9:666")
		msg := []byte("forged")
		n.Inject(stranger, b.Public(), msg)
		n.Inject(netip.MustParseAddrPort("[::ffff:203.0.113.9]:666"), netsim.AddrOf(b.LocalAddr()), msg)
		n.Inject(a.Public(), stranger, msg)
		n.Inject(netsim.Any, netsim.Any, msg)
		clear(msg)
		got := drain(t, b, time.Second)
		if len(got) != 2 || got[0].from != stranger || got[1].from != stranger || got[0].data != "forged" || got[0].at != 0 {
			t.Errorf("%v arrived", got)
		}
		if c := n.Counters(); c.Injected != 4 || c.Delivered != 2 || c.Unreachable != 2 || c.Sent != 0 {
			t.Errorf("Counters = %+v", c)
		}
	})
}

// Answers to a million forged addresses leave nothing behind.
func TestStrangersCostNoMemory(t *testing.T) {
	n, a, b := openTwo(t, netsim.PacketLink{}, 1)
	write(t, a, b, "x")
	next, answer := netip.MustParseAddr("10.0.0.0"), []byte("who are you")
	allocs := testing.AllocsPerRun(1000, func() {
		next = next.Next()
		b.WriteToUDPAddrPort(answer, netip.AddrPortFrom(next, 5))
	})
	if c := n.Counters(); allocs > 0 || c.Unreachable != 1001 {
		t.Errorf("%v allocations for a packet to nobody; %+v", allocs, c)
	}
}

func TestFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := openTwo(t, netsim.PacketLink{}, 1)
		from, to := a.Public(), b.Public()
		n.SetFilter(func(p netsim.Packet) netsim.Verdict { // drop three, turn round ten
			if p.From != from || p.To != to || string(p.Data) != fmt.Sprint(p.Index) || p.Sent != 0 {
				t.Errorf("the filter saw %+v", p)
			}
			return netsim.Verdict{Drop: p.Index < 3, Delay: time.Duration(10-p.Index) * ms}
		})
		for i := range 12 {
			write(t, a, b, fmt.Sprint(i))
		}
		want := []string{"10", "11", "9", "8", "7", "6", "5", "4", "3"}
		if got := payloads(drain(t, b, time.Second)); !slices.Equal(got, want) {
			t.Errorf("%v arrived", got)
		}
		n.SetFilter(nil)
		write(t, a, b, "x")
		if got := drain(t, b, time.Second); len(got) != 1 || n.Counters().Filtered != 3 {
			t.Errorf("%v arrived without a filter", got)
		}
	})
}

// A tap sees the end of each copy of each packet, and may act on it.
func TestTap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := openTwo(t, netsim.PacketLink{
			Link:      netsim.Link{Latency: 10 * ms, Loss: 0.2, Rate: 100_000},
			Duplicate: 0.2, Corrupt: 0.2, MTU: 1200,
		}, 1)
		seen := make(map[netsim.Fate]uint64)
		var all, corrupted, copies uint64
		var inside bool
		var delivered, kept [][]byte
		stop := n.Tap(func(e netsim.Event) {
			if inside {
				t.Error("a tap was called inside a tap")
			}
			inside = true
			defer func() { inside = false }()
			delivered, kept = append(delivered, slices.Clone(e.Data)), append(kept, e.Data)
			seen[e.Fate]++
			all++
			if e.Corrupted {
				corrupted++
			}
			if e.Copy > 0 {
				copies++
			}
			if e.Fate == netsim.Lost && e.At != e.Sent || e.Fate == netsim.Delivered && !e.Injected && e.At < e.Sent+10*ms {
				t.Errorf("event %v", e)
			}
			if e.Fate == netsim.Lost && !e.Injected { // an attacker, ten to one
				for range 10 {
					n.Inject(e.From, e.To, e.Data)
				}
			}
		})
		var log bytes.Buffer
		n.Log(&log)
		for i := range 200 {
			write(t, a, b, strings.Repeat("x", 7*i))
			b.WriteTo([]byte("nobody"), named("10.0.0.1:1"))
		}
		n.Cut()
		write(t, a, b, "dark")
		n.Heal()
		b.SetReadBuffer(0)
		time.Sleep(time.Second)
		stop()
		c := n.Counters()
		if c.Lost == 0 || c.Injected != 10*c.Lost || all != c.Sent+c.Duplicated+c.Injected || copies != c.Duplicated || corrupted != c.Corrupted {
			t.Errorf("%d events, %d copies, %d corrupted; %+v", all, copies, corrupted, c)
		}
		for fate, want := range map[netsim.Fate]uint64{
			netsim.Delivered: c.Delivered, netsim.Lost: c.Lost, netsim.TooLong: c.TooLong, netsim.Dark: c.Dark,
			netsim.QueueFull: c.QueueFull, netsim.Unreachable: c.Unreachable, netsim.Overflow: c.Overflow,
		} {
			if seen[fate] != want || want == 0 {
				t.Errorf("the tap saw %d packets %v, %d were", seen[fate], fate, want)
			}
			if lines := strings.Count(log.String(), " bytes "+fate.String()); lines != int(want) {
				t.Errorf("the log has %d lines with %q, want %d", lines, fate, want)
			}
		}
		if !slices.EqualFunc(delivered, kept, bytes.Equal) {
			t.Error("the bytes that a tap kept have changed")
		}
		write(t, a, b, "unseen")
		if all != c.Sent+c.Duplicated+c.Injected {
			t.Error("the tap saw a packet after stop")
		}
		if got := netsim.Fate(99).String(); got != "fate 99" {
			t.Errorf("String = %q", got)
		}
	})
}
